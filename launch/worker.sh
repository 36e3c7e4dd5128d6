#!/usr/bin/env bash
# On a worker: one job at a time, which outlives the connection that began it.
#   worker.sh start DIGEST ARGUMENTS  starts `ttc ARGUMENTS`, unless it is
#                                     running; fails if another job is
#   worker.sh follow LINES DIGEST     prints the last LINES of the job's log,
#                                     and what is added until it ends
#   worker.sh state                   prints 'ttc-job none', 'ttc-job running
#                                     DIGEST' or 'ttc-job ended CODE DIGEST'
# DIGEST identifies a job; pod.sh makes it of the command and the source.
# .job/log is the log of the newest start, .job/log.1 that of the first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p .job

# The job holds the lock as long as it lives, whatever ends it.
is_running() {
  # Shared, or two looks at once would take each other for a job.
  ! flock --shared --nonblock .job/lock true
}

digest() {
  cat .job/digest 2>/dev/null || printf 'unknown\n'
}

start() {
  local digest="$1" count=1
  shift
  exec 9>.job/lock
  # A look at the state takes the lock too, but not for long.
  if ! flock --timeout 3 9; then
    [[ "$(digest)" != "$digest" ]] || return 0
    printf 'worker.sh: another job is running: %s\n' "$(cat .job/command)" >&2
    return 1
  fi
  # Code and log are the earlier job's: they go before the digest changes.
  rm -f .job/code
  if [[ -e .job/log ]]; then
    while [[ -e ".job/log.$count" ]]; do count=$((count + 1)); done
    mv .job/log ".job/log.$count"
  fi
  printf '%s\n' "$digest" >.job/digest
  printf '%q ' ttc "$@" >.job/command
  nohup setsid bash launch/worker.sh job "$@" </dev/null >>.job/log 2>&1 &
  printf '%s\n' "$!" >.job/pid
}

job() {
  local code=0
  # The same on all hosts of the job; pod.sh wrote it.
  [[ ! -e .job/nonce ]] || TTC_JOIN_NONCE="$(cat .job/nonce)"
  export TTC_JOIN_NONCE
  "${TTC_VENV:-.venv}/bin/ttc" "$@" || code=$?
  printf '%s\n' "$code" >.job/code.new
  mv .job/code.new .job/code
}

state() {
  if is_running; then
    printf 'ttc-job running %s\n' "$(digest)"
  elif [[ -e .job/code ]]; then
    printf 'ttc-job ended %s %s\n' "$(cat .job/code)" "$(digest)"
  elif [[ -e .job/pid ]]; then
    printf 'ttc-job ended 137 %s\n' "$(digest)"
  else
    printf 'ttc-job none\n'
  fi
}

follow() {
  local alive=1
  [[ -e .job/log && "$(digest)" == "$2" ]] || return 0
  exec 8<.job/log
  tail --lines="$1" <&8
  while ((alive)); do
    # Before the look at what the job may still have written. After another
    # start the name leads to another file.
    { is_running && [[ .job/log -ef /dev/fd/8 ]]; } || alive=0
    cat <&8  # from where the last one ended
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
