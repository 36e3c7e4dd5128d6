#!/usr/bin/env bash
# Runs one `ttc` command on a TPU slice of its own: asks for the slice (a queued
# resource), waits, installs, runs, shows the logs, and deletes the slice.
#
#   launch/tpu_vm.sh --name=NAME --zone=ZONE --type=v5litepod-16 \
#     --output=gs://bucket/runs [OPTIONS] -- run --gin_file=...
#   launch/tpu_vm.sh --name=NAME --zone=ZONE --delete
#
#   --spot           a slice that may be taken away, and is then asked for anew
#   --attempts=N     slices to ask for, and stops of the job, before it gives
#                    up (20)
#   --mounted=FOLDER a folder that the slice has, where models and questions are
#   --fetch=FOLDER   copies the output there in the end
#   --keep           leaves the slice; the last line says how to delete it
#   --project=NAME   else that of gcloud
#   --runtime=NAME   else that which fits the type
#   --owner=NAME     else user and host; whose the slice is, a label of it
#   --dry-run        prints the commands
#
# Whatever was finished is in the bucket, so a new slice continues there. Run
# twice, this asks for one slice; interrupted, it deletes it. The exit code is 0
# when all is complete. The last line names a slice that may still cost money.
# A slice of that name is used, and deleted, only if it is of the same type and
# image and was made by the same owner for the same job, which is the command
# with the source; otherwise, or if another job runs on it, the exit code is 3.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
START="$PWD"
cd "$HERE/.."
. launch/environment.sh
. launch/machines.sh

readonly FAILED=1 OTHER=3 AGAIN=75
NAME='' ZONE='' TYPE='' OUTPUT='' PROJECT='' RUNTIME='' FETCH=''
OWNER="$(id -un 2>/dev/null || id -u)-$(uname -n)" ARCHIVE='' JOB='' SCRATCH=''
SPOT='' KEEP='' MOUNTED='' DELETE='' ATTEMPTS=20 COMMAND=()
PAUSE_S="${TTC_PAUSE_S:-20}"
MINE=''   # set once a slice of this job may exist
ASKED=''  # set once this launcher has asked for one
CHILD=''  # what runs the job

parse() {
  while (($#)); do
    case "$1" in
      --name=*) NAME="$(value "$1")" ;;
      --zone=*) ZONE="$(value "$1")" ;;
      --type=*) TYPE="$(value "$1")" ;;
      --output=*) OUTPUT="$(value "$1")" ;;
      --project=*) PROJECT="$(value "$1")" ;;
      --runtime=*) RUNTIME="$(value "$1")" ;;
      --owner=*) OWNER="$(value "$1")" ;;
      --mounted=*) MOUNTED="$(value "$1")" ;;
      --fetch=*) FETCH="$(value "$1")" ;;
      --attempts=*) ATTEMPTS="$(value "$1")" ;;
      --spot) SPOT=1 ;;
      --keep) KEEP=1 ;;
      --delete) DELETE=1 ;;
      --dry-run) export DRY_RUN=1 ;;
      --help)
        usage "$HERE/tpu_vm.sh"
        exit 0
        ;;
      --name | --zone | --type | --output | --project | --runtime | --owner | \
        --mounted | --fetch | --attempts)
        [[ $# -gt 1 && "$2" != -* ]] || fail "$1 needs a value: $1=..."
        set -- "$1=$2" "${@:3}"
        continue
        ;;
      --)
        shift
        COMMAND=("$@")
        return
        ;;
      *) fail "unknown option $1; see launch/tpu_vm.sh --help" ;;
    esac
    shift
  done
}

check() {
  [[ "$NAME" =~ ^[a-z]([a-z0-9-]{0,60}[a-z0-9])?$ ]] ||
    fail "--name=$NAME must be small letters, digits and '-', at most 62."
  [[ -n "$ZONE" ]] || fail 'give --zone=ZONE, such as us-east5-a.'
  # What the value of a label may hold.
  OWNER="$(tr '[:upper:]' '[:lower:]' <<<"${OWNER:0:63}" | tr -c 'a-z0-9_\n' -)"
  [[ -z "$DELETE" ]] || return 0
  [[ -n "$TYPE" ]] || fail 'give --type=TYPE, such as v5litepod-16.'
  # gs://bucket/runs/ is the same folder, and has to be the same job.
  while [[ "$OUTPUT" == */ ]]; do OUTPUT="${OUTPUT%/}"; done
  [[ "$OUTPUT" == gs://?* ]] ||
    fail "--output=$OUTPUT must be gs://...: what a slice holds goes with it."
  [[ "$OUTPUT" != *[\'\\]* ]] || fail "--output=$OUTPUT has a quote in it."
  [[ "$ATTEMPTS" =~ ^[1-9][0-9]*$ ]] || fail "--attempts=$ATTEMPTS is no number."
  ((${#COMMAND[@]})) || fail 'say what to run after --, as in: -- run ...'
  [[ " ${COMMAND[*]}" != *' --gin.Experiment.output='* ]] ||
    fail 'Experiment.output is bound by --output alone; remove it after --.'
  [[ -z "$FETCH" || "$FETCH" == /* ]] || FETCH="$START/$FETCH"
  [[ -n "$RUNTIME" ]] || RUNTIME="$(runtime)"
}

# runtime: the image that Google's documents name for a type of TPU.
runtime() {
  case "$TYPE" in
    v2-* | v3-* | v4-*) printf 'tpu-ubuntu2204-base' ;;
    v5litepod-*) printf 'v2-alpha-tpuv5-lite' ;;
    v5p-*) printf 'v2-alpha-tpuv5' ;;
    v6e-*) printf 'v2-alpha-tpuv6e' ;;
    *) fail "no image is known for --type=$TYPE; give --runtime=NAME." ;;
  esac
}

place() {
  printf '%s\n' "--zone=$ZONE" --quiet
  [[ -z "$PROJECT" ]] || printf '%s\n' "--project=$PROJECT"
}

queued() {
  local flags
  mapfile -t flags < <(place)
  cloud gcloud compute tpus queued-resources "$@" "${flags[@]}"
}

# listed: 'state|type|image|owner|job' of the slice, 'MISSING' where there is
# none; fails where gcloud does not answer. A list that lacks it is an answer;
# an error of `describe` might be any.
listed() {
  local lines node='tpu.nodeSpec[0].node'
  lines="$(queued list --format="value[separator='|'](name.basename(),\
state.state,$node.acceleratorType.basename(),$node.runtimeVersion.basename(),\
$node.labels.ttc-owner,$node.labels.ttc-job)")" || return 1
  awk -F '|' -v name="$NAME" '
    $1 == name { line = substr($0, length(name) + 2) }
    END { print line ? line : "MISSING" }' <<<"$lines"
}

# known: what is listed, asked for until gcloud answers.
known() {
  local try
  for try in 1 2 3 4 5; do
    listed && return
    ((try == 5)) || sleep "$PAUSE_S"
  done
  say 'gcloud does not answer.'
  return 1
}

# differences LISTED: in what the slice is not this job's, a line for each.
differences() {
  local type image owner job
  IFS='|' read -r _ type image owner job <<<"$1"
  differs owner "$owner" "$OWNER"
  [[ -z "$DELETE" ]] || return 0  # asked for by name, whatever it was made for
  differs type "$type" "$TYPE"
  differs runtime "$image" "$RUNTIME"
  differs job "$job" "$JOB"
}

differs() {
  [[ "$2" == "$3" ]] ||
    printf '  its %s is %s, not %s\n' "$1" "${2:-unknown}" "$3"
}

# refuse LISTED: says why the slice is left alone, and what can be done.
refuse() {
  MINE=''
  say "$NAME is there and is not this launcher's; it is not used, nor deleted:
$(differences "$1")
Take another --name, or run there by launch/pod.sh. This would delete it:
$(DRY_RUN=1 delete)"
}

# lone_vm: whether a VM has the name without a queued resource; then ours would
# fail, and deleting it might delete the VM.
lone_vm() {
  local flags names
  mapfile -t flags < <(place)
  names="$(cloud gcloud compute tpus tpu-vm list \
    --format='value(name.basename())' "${flags[@]}")" || return 0
  grep -qxF -- "$NAME" <<<"$names"
}

create() {
  local flags=(--node-id="$NAME" --accelerator-type="$TYPE"
    --runtime-version="$RUNTIME" --labels="ttc-owner=$OWNER,ttc-job=$JOB")
  [[ -z "$SPOT" ]] || flags+=(--spot)
  MINE=1 ASKED=1
  queued create "$NAME" "${flags[@]}"
}

delete() {
  queued delete "$NAME" --force
}

# ready: returns when the slice is there, asking for it where it is not; OTHER
# where one of the name is not this job's.
ready() {
  local line now
  while :; do
    if [[ -n "$DRY_RUN" ]]; then
      create
      return
    fi
    line="$(known)" || return "$FAILED"
    now="${line%%|*}"
    if [[ "$now" != MISSING ]]; then
      [[ -z "$(differences "$line")" ]] || {
        refuse "$line"
        return "$OTHER"
      }
      MINE=1
    fi
    case "$now" in
      ACTIVE) return ;;
      MISSING)
        [[ -n "$MINE" ]] || ! lone_vm || {
          say "a VM $NAME exists or cannot be ruled out; take another --name."
          return "$OTHER"
        }
        ((ATTEMPTS-- > 0)) || return "$FAILED"
        say "asking for $TYPE as $NAME."
        create || return "$FAILED"
        ;;
      FAILED | SUSPENDED)
        say "$NAME is $now; deleting it to ask again."
        delete || return "$FAILED"
        ;;
      *)
        say "$NAME is $now."
        sleep "$PAUSE_S"
        ;;
    esac
  done
}

# work: runs the command to its end, on as many slices as it takes.
work() {
  local code stops="$ATTEMPTS" where
  # The same source on each slice, though the checkout may change meanwhile.
  where=(--tpu="$NAME" --zone="$ZONE" --archive="$ARCHIVE")
  [[ -z "$PROJECT" ]] || where+=(--project="$PROJECT")
  while :; do
    code=0
    ready || code=$?
    ((code != FAILED)) || say 'no slice: out of attempts, or gcloud refused.'
    ((code == 0)) || return "$code"
    # In the background, since a trap waits for what is in the foreground.
    bash launch/pod.sh "${where[@]}" -- "${COMMAND[@]}" &
    CHILD=$!
    wait "$CHILD" || code=$?
    CHILD=''
    ((code == AGAIN)) || return "$code"
    ((stops-- > 0)) || return "$FAILED"
    say 'the slice was taken, or the job stopped; going on.'
    sleep "$PAUSE_S"
  done
}

fetch() {
  cloud gcloud storage rsync --recursive "$OUTPUT" "$FETCH"
}

# leave CODE: no slice of this job stays, or the last line names it.
leave() {
  local code="$1" try line
  trap '' INT TERM HUP
  trap - EXIT
  [[ -z "$CHILD" ]] || kill "$CHILD" 2>/dev/null || true
  [[ -z "$SCRATCH" ]] || rm -rf "$SCRATCH"
  [[ -n "$MINE" ]] || exit "$code"
  if [[ -n "$DRY_RUN" ]]; then
    [[ -n "$KEEP" ]] || delete
    exit "$code"
  fi
  # Another job on it is not this launcher's to stop.
  if [[ -z "$KEEP" ]] && ((code != OTHER)); then
    for try in 1 2 3 4; do
      if line="$(listed)"; then
        if [[ "$line" == MISSING ]]; then
          # What was asked for a moment ago may not be listed yet.
          [[ -n "$ASKED" ]] && ((try == 1)) || exit "$code"
        elif [[ -n "$(differences "$line")" ]]; then
          # Another launcher made it, while this one was refused.
          refuse "$line"
          exit "$((code ? code : OTHER))"
        else
          ((try == 4)) || delete || true
        fi
      fi
      ((try == 4)) || sleep "$PAUSE_S"
    done
    ((code)) || code="$FAILED"
  fi
  say "$NAME may still cost money; delete it by:
launch/tpu_vm.sh $(quoted --name="$NAME" --zone="$ZONE" \
    ${PROJECT:+--project="$PROJECT"} --owner="$OWNER" --delete)"
  exit "$code"
}

main() {
  parse "$@"
  check
  trap 'leave 130' INT
  trap 'leave 143' TERM HUP
  trap 'leave $?' EXIT
  if [[ -n "$DELETE" ]]; then
    MINE=1
    KEEP=''
    return
  fi
  COMMAND+=(--gin.Experiment.output="'$OUTPUT'")
  check_command "$MOUNTED" "${COMMAND[@]}"
  SCRATCH="$(mktemp -d)"
  ARCHIVE="$SCRATCH/ttc.tar.gz"
  source_archive "$ARCHIVE" "${COMMAND[@]}"
  JOB="$(job_digest "$ARCHIVE" "${COMMAND[@]}" --distributed)"
  JOB="${JOB:0:16}"  # the start of pod.sh's digest
  work
  [[ -z "$FETCH" ]] || fetch
}

main "$@"
