#!/usr/bin/env bash
# Runs one `ttc` command on machines that exist: all workers of a TPU slice, or
# hosts that ssh reaches. Copies this repository's tracked files there, installs
# them, starts one process per machine and shows their logs.
#
#   launch/pod.sh --tpu=NAME --zone=ZONE [OPTIONS] -- run --gin_file=... \
#     --gin.Experiment.output="'gs://bucket/runs'"
#   launch/pod.sh --hosts=10.0.0.1,10.0.0.2 [OPTIONS] -- run ...
#
#   --project=NAME   of the slice
#   --port=PORT      where the first of --hosts listens for the others (8476)
#   --extras='[gpu]' what is installed beside the package ([tpu,gcs]
#                    for --tpu)
#   --archive=FILE   the source that is copied, as source_archive makes it;
#                    else it is made here
#   --dry-run        prints the commands
#
# All processes need the same output folder: a bucket, or a shared disk.
# The job, which is the command with the source, outlives this launcher: run
# again, it finds and follows it. The exit code is 0 when the job is complete, 1
# when it failed, 75 when it was stopped or the machines cannot be reached: then
# the same command continues it. It is 3 when another job runs there, which is
# left alone.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$HERE/.."
. launch/environment.sh
. launch/machines.sh

readonly FAILED=1 OTHER=3 AGAIN=75
TPU='' ZONE='' PROJECT='' HOSTS='' PORT=8476 EXTRAS='' COMMAND=()
ARCHIVE='' DIGEST='' CLUSTER=()  # options of every process
FOLDER='ttc-job'  # on a worker, below the home folder
COPY=''           # the archive's name there
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
      --archive=*) ARCHIVE="$(value "$1")" ;;
      --dry-run) DRY_RUN=1 ;;
      --help)
        usage "$HERE/pod.sh"
        exit 0
        ;;
      --tpu | --zone | --project | --hosts | --port | --extras | --archive)
        [[ $# -gt 1 && "$2" != -* ]] || fail "$1 needs a value: $1=..."
        set -- "$1=$2" "${@:3}"
        continue
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
  if [[ ! "$PORT" =~ ^[1-9][0-9]{0,4}$ ]] || ((PORT > 65535)); then
    fail "--port=$PORT is no number from 1 to 65535."
  fi
  IFS=, read -r -a HOST_LIST <<<"$HOSTS"
  local host
  for host in "${HOST_LIST[@]}"; do
    # ssh would take it for an option.
    [[ -n "$host" && "$host" != -* ]] || fail "--hosts=$HOSTS names no host."
    # A machine runs one process of a job; the other would be waited for.
    [[ ",$HOSTS," != *",$host,"*",$host,"* && ",$HOSTS," != *",$host,$host,"* ]] ||
      fail "--hosts=$HOSTS names $host twice."
  done
  CLUSTER=(--distributed)
  [[ -n "$TPU" ]] || CLUSTER+=(--coordinator="${HOST_LIST[0]##*@}:$PORT"
    --processes="${#HOST_LIST[@]}")
}

# identify: the source that is copied, and the digest of the job.
identify() {
  if [[ -z "$ARCHIVE" ]]; then
    ARCHIVE="$SCRATCH/ttc.tar.gz"
    source_archive "$ARCHIVE" "${COMMAND[@]}"
  fi
  DIGEST="$(job_digest "$ARCHIVE" "${COMMAND[@]}" "${CLUSTER[@]}")"
  # By this name on a worker, lest two launchers mistake their archives.
  COPY="ttc-${DIGEST:0:16}.tar.gz"
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

# copy: the archive, and before it the nonce by which processes of this start
# know each other. In a file, since other users of a machine see the words of
# commands; it is not a part of the job's identity.
copy() {
  local host both="$SCRATCH/both-ttc.tar.gz"
  [[ -n "$DRY_RUN" ]] || (
    umask 077
    mkdir -p "$SCRATCH/.job"
    printf '%s\n' "${TTC_JOIN_NONCE:-$(od -An -N16 -tx1 /dev/urandom |
      tr -d ' \n')}" >"$SCRATCH/.job/nonce"
    tar --create --gzip --owner=0 --group=0 --file="$both" \
      --directory="$SCRATCH" .job/nonce && cat "$ARCHIVE" >>"$both"
  ) || return
  if [[ -n "$TPU" ]]; then
    tpu_vm scp "$both" "$TPU:$COPY"
  else
    for host in "${HOST_LIST[@]}"; do
      cloud scp -o BatchMode=yes -q "$both" "$host:$COPY"
    done
  fi
}

# install_everywhere: not below a job that another launcher has started since:
# the lock is the one of worker.sh. New times of all files make Python compile
# them, whatever it compiled of an earlier source.
install_everywhere() {
  in_all "mkdir -p $FOLDER/.job && \
flock --timeout 3 $FOLDER/.job/lock tar -xmizf $COPY -C $FOLDER && \
rm $COPY && cd $FOLDER && bash launch/install.sh $(quoted "$EXTRAS")"
}

start() {
  local index lines=()
  if [[ -n "$TPU" ]]; then
    lines=("cd $FOLDER && bash launch/worker.sh start $DIGEST \
$(quoted "${COMMAND[@]}" "${CLUSTER[@]}")")
  else
    for index in "${!HOST_LIST[@]}"; do
      lines+=("cd $FOLDER && bash launch/worker.sh start $DIGEST \
$(quoted "${COMMAND[@]}" "${CLUSTER[@]}" --process="$index")")
    done
  fi
  in_all "${lines[@]}"
}

# states: of this job on every machine: 'ttc-job none', 'running', 'ended CODE',
# or 'other' where another job runs; fails if one cannot be asked. What ended
# under another digest is nothing of this job's.
states() {
  in_all "if [ -e $FOLDER/launch/worker.sh ]; then \
bash $FOLDER/launch/worker.sh state; else echo ttc-job none; fi" |
    tr -d '\r' | awk -v digest="$DIGEST" '
      $1 != "ttc-job" { next }
      $NF == digest { print $1, $2 ($2 == "ended" ? " " $3 : ""); next }
      { print $1, ($2 == "running" ? "other" : "none") }'
}

# asked: the states, tried three times; returns AGAIN where no machine answers
# and OTHER where another job runs.
asked() {
  local try answer=''
  for try in 1 2 3; do
    # 'other' may be a job that is about to write its digest.
    if answer="$(states)" && [[ -n "$answer" && "$answer" != *other* ]]; then
      printf '%s\n' "$answer"
      return
    fi
    ((try == 3)) || sleep "$PAUSE_S"
  done
  if [[ "$answer" == *other* ]]; then
    refuse
    return "$OTHER"
  fi
  say 'the machines do not answer; the same command continues.'
  return "$AGAIN"
}

# refuse: names the job that runs there, and what can be done.
refuse() {
  local command
  command="$(in_all "if ! flock --shared --nonblock $FOLDER/.job/lock true; \
then cat $FOLDER/.job/command; echo; fi" | sort | sed -n 1p)" || true
  say "another job is running there and is left alone, so this one was not \
started:
${command:-(its command is not known)}
The same command with another source is another job too. Wait for its end, use
other machines, or stop it by:
$(DRY_RUN=1 in_all "kill -- -\$(cat $FOLDER/.job/pid)")"
}

follow() {
  local last="$1" answer
  while :; do
    in_all "bash $FOLDER/launch/worker.sh follow $last $DIGEST" ||
      say 'the connection was lost; the job goes on.'
    [[ -z "$DRY_RUN" ]] || return 0
    answer="$(asked)" || return
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
  local answer
  answer="$(asked)" || return
  # Another launcher of this job was faster.
  [[ "$answer" != *running* ]] || return 0
  say 'installing failed; what it printed says why.'
  return "$FAILED"
}

main() {
  parse "$@"
  check
  # What these machines hold is known to their owner alone.
  check_command / "${COMMAND[@]}"
  SCRATCH="$(mktemp -d)"
  trap 'rm -rf "$SCRATCH"' EXIT
  identify
  local before='ttc-job none'
  if [[ -z "$DRY_RUN" ]]; then
    before="$(asked)" || exit
  fi
  if grep -q 'ttc-job running' <<<"$before"; then
    say 'the job is running there; following it.'
    follow 20
    return
  fi
  prepared
  start || {
    say 'not every machine could be told to start.'
    # Another job may have come before; its log is not this job's.
    asked >/dev/null
  }
  follow +1
}

main "$@"
