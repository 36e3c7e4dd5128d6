#!/usr/bin/env bash
# Runs one `ttc` command on machines that exist: all workers of a TPU slice, or
# hosts that ssh reaches. Copies this repository there, installs it, starts one
# process a machine and shows their logs.
#
#   launch/pod.sh --tpu=NAME --zone=ZONE [OPTIONS] -- run --gin_file=... \
#     --gin.Experiment.output="'gs://bucket/runs'"
#   launch/pod.sh --hosts=10.0.0.1,10.0.0.2 [OPTIONS] -- run ...
#
#   --project=NAME   of the slice
#   --port=PORT      where the first of --hosts listens for the others (8476)
#   --extras='[gpu]' what is installed beside the package ([tpu,gcs]
#                    for --tpu)
#   --dry-run        prints the commands
#
# All processes need the same output folder: a bucket, or a shared disk.
# The job outlives this command: run again, it finds and follows it. The exit
# code is 0 when the job is complete, 1 when it failed, 75 when it was stopped
# or the machines cannot be reached: then the same command continues it.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$HERE/.."
. launch/environment.sh
. launch/machines.sh

readonly FAILED=1 AGAIN=75
TPU='' ZONE='' PROJECT='' HOSTS='' PORT=8476 EXTRAS='' COMMAND=()
FOLDER='ttc-job'  # on a worker, below the home folder
PAUSE_S="${TTC_PAUSE_S:-10}"

parse() {
  while (($#)); do
    case "$1" in
      --tpu=*) TPU="$(value "$1")" ;;
      --zone=*) ZONE="$(value "$1")" ;;
      --project=*) PROJECT="$(value "$1")" ;;
      --hosts=*) HOSTS="$(value "$1")" ;;
      --port=*) PORT="$(value "$1")" ;;
      --extras=*) EXTRAS="${1#*=}" ;;
      --dry-run) DRY_RUN=1 ;;
      --help)
        usage "$HERE/pod.sh"
        exit 0
        ;;
      --)
        shift
        COMMAND=("$@")
        return
        ;;
      *) fail "unknown option $1; see launch/pod.sh --help" ;;
    esac
    shift
  done
}

check() {
  ((${#COMMAND[@]})) || fail 'say what to run after --, as in: -- run ...'
  if [[ -n "$TPU" ]]; then
    [[ -z "$HOSTS" ]] || fail 'give --tpu or --hosts, not both.'
    [[ -n "$ZONE" ]] || fail '--tpu needs --zone=ZONE.'
    EXTRAS="${EXTRAS:-[tpu,gcs]}"
  else
    [[ -n "$HOSTS" ]] || fail 'give --tpu=NAME --zone=ZONE, or --hosts=A,B.'
  fi
  [[ "$PORT" =~ ^[0-9]+$ ]] || fail "--port=$PORT is not a number."
  IFS=, read -r -a HOST_LIST <<<"$HOSTS"
  local host
  for host in "${HOST_LIST[@]}"; do
    # ssh would take it for an option.
    [[ -n "$host" && "$host" != -* ]] || fail "--hosts=$HOSTS names no host."
  done
}

# tpu_vm VERB ARGUMENTS: a gcloud command on every worker of the slice.
tpu_vm() {
  local verb="$1"
  shift
  local flags=(--zone="$ZONE" --worker=all --quiet)
  [[ -z "$PROJECT" ]] || flags+=(--project="$PROJECT")
  cloud gcloud compute tpus tpu-vm "$verb" "${flags[@]}" "$@"
}

# in_all COMMANDS: one shell line a machine, all at once; fails if one does.
# With a single line all machines get it.
in_all() {
  if [[ -n "$TPU" ]]; then
    tpu_vm ssh "$TPU" --command="$1"
    return
  fi
  local index line pids=() code=0
  for index in "${!HOST_LIST[@]}"; do
    line="${1}"
    (($# == 1)) || line="${*:index+1:1}"
    cloud ssh -o BatchMode=yes -o ServerAliveInterval=30 \
      "${HOST_LIST[index]}" "$line" </dev/null &
    pids+=("$!")
    # Printed commands stay in order.
    [[ -z "$DRY_RUN" ]] || wait "$!"
  done
  for index in "${pids[@]}"; do
    wait "$index" || code=1
  done
  return "$code"
}

copy() {
  local archive host
  archive="$SCRATCH/ttc.tar.gz"
  [[ -n "$DRY_RUN" ]] || source_archive "$archive"
  if [[ -n "$TPU" ]]; then
    tpu_vm scp "$archive" "$TPU:ttc.tar.gz"
  else
    for host in "${HOST_LIST[@]}"; do
      cloud scp -o BatchMode=yes -q "$archive" "$host:ttc.tar.gz"
    done
  fi
}

install_everywhere() {
  in_all "mkdir -p $FOLDER && tar -xzf ttc.tar.gz -C $FOLDER && \
cd $FOLDER && bash launch/install.sh $(quoted "$EXTRAS")"
}

start() {
  local index lines=() flags
  if [[ -n "$TPU" ]]; then
    lines=("cd $FOLDER && bash launch/worker.sh start \
$(quoted "${COMMAND[@]}" --distributed)")
  else
    for index in "${!HOST_LIST[@]}"; do
      flags=(--distributed --coordinator="${HOST_LIST[0]##*@}:$PORT"
        --processes="${#HOST_LIST[@]}" --process="$index")
      lines+=("cd $FOLDER && bash launch/worker.sh start \
$(quoted "${COMMAND[@]}" "${flags[@]}")")
    done
  fi
  in_all "${lines[@]}"
}

# states: 'ttc-job ...' of every machine; fails if one cannot be asked.
states() {
  in_all "if [ -e $FOLDER/launch/worker.sh ]; then \
bash $FOLDER/launch/worker.sh state; else echo ttc-job none; fi" |
    tr -d '\r'
}

# asked: the states, tried three times; exits where nobody answers.
asked() {
  local try answer
  for try in 1 2 3; do
    if answer="$(states)" && grep -q '^ttc-job ' <<<"$answer"; then
      grep '^ttc-job ' <<<"$answer"
      return
    fi
    ((try == 3)) || sleep "$PAUSE_S"
  done
  say 'the machines do not answer; the same command continues.'
  return "$AGAIN"
}

follow() {
  local last="$1" answer
  while :; do
    in_all "bash $FOLDER/launch/worker.sh follow $last" ||
      say 'the connection was lost; the job goes on.'
    [[ -z "$DRY_RUN" ]] || return 0
    answer="$(asked)" || return "$AGAIN"
    grep -q 'ttc-job running' <<<"$answer" || break
    last=20
    sleep "$PAUSE_S"
  done
  ended "$answer"
}

# ended STATES: tells how the job ended on all machines.
ended() {
  local codes
  codes="$(sed -n 's/^ttc-job ended //p' <<<"$1" | sort -un | paste -sd ' ')"
  if ! grep -qv '^ttc-job ended 0$' <<<"$1"; then
    say 'the job is complete.'
  elif grep -q '^ttc-job none$' <<<"$1"; then
    say 'the job did not start on every machine; the same command continues it.'
    return "$AGAIN"
  elif [[ " $codes " == *' 1 '* || " $codes " == *' 2 '* ]]; then
    say "the job failed (exit codes $codes); its log says why."
    return "$FAILED"
  else
    say "the job was stopped (exit codes ${codes:-none}); the same command \
continues it."
    return "$AGAIN"
  fi
}

# prepared: the repository and its environment are on all machines.
prepared() {
  if copy && install_everywhere; then
    return
  fi
  [[ -z "$DRY_RUN" ]] || return 0
  asked >/dev/null || return "$AGAIN"
  say 'installing failed; what it printed says why.'
  return "$FAILED"
}

main() {
  parse "$@"
  check
  SCRATCH="$(mktemp -d)"
  trap 'rm -rf "$SCRATCH"' EXIT
  local before='ttc-job none'
  if [[ -z "$DRY_RUN" ]]; then
    before="$(asked)" || exit "$AGAIN"
  fi
  if grep -q 'ttc-job running' <<<"$before"; then
    say 'a job is running there; following it.'
    follow 20
    return
  fi
  prepared
  start || say 'not every machine could be told to start.'
  follow +1
}

main "$@"
