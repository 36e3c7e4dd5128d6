#!/usr/bin/env bash
# On a worker: one job at a time, which outlives the connection that began it.
#   worker.sh start ARGUMENTS  starts `ttc ARGUMENTS`, unless a job is running
#   worker.sh follow LINES     prints the last LINES of its log, and what comes
#                             until it ends
#   worker.sh state            prints 'ttc-job none', 'running' or 'ended CODE'
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p .job

# The job holds the lock as long as it lives, whatever ends it.
is_running() {
  ! flock --nonblock .job/lock true
}

start() {
  exec 9>.job/lock
  # A look at the state takes the lock too, but not for long.
  flock --timeout 3 9 || return 0
  rm -f .job/code
  : >.job/log
  nohup setsid bash launch/worker.sh job "$@" </dev/null >>.job/log 2>&1 &
  printf '%s\n' "$!" >.job/pid
}

job() {
  local code=0
  "${TTC_VENV:-.venv}/bin/ttc" "$@" || code=$?
  printf '%s\n' "$code" >.job/code.new
  mv .job/code.new .job/code
}

state() {
  if is_running; then
    printf 'ttc-job running\n'
  elif [[ -e .job/code ]]; then
    printf 'ttc-job ended %s\n' "$(cat .job/code)"
  elif [[ -e .job/pid ]]; then
    printf 'ttc-job ended 137\n'
  else
    printf 'ttc-job none\n'
  fi
}

follow() {
  local seen size alive=1
  [[ -e .job/log ]] || return 0
  size="$(stat --format=%s .job/log)"
  seen=$((size - $(head --bytes="$size" .job/log | tail --lines="$1" | wc -c)))
  while ((alive)); do
    is_running || alive=0  # before the look at what it may still have written
    size="$(stat --format=%s .job/log)"
    dd if=.job/log iflag=skip_bytes,count_bytes status=none \
      skip="$seen" count="$((size - seen))"
    seen="$size"
    ((!alive)) || sleep "${TTC_PAUSE_S:-1}"
  done
}

case "${1:-}" in
  start | job | state | follow) "$@" ;;
  *)
    printf 'worker.sh: start, follow or state, not %q\n' "${1:-}" >&2
    exit 2
    ;;
esac
