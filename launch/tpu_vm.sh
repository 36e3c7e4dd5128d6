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
#   --fetch=FOLDER   copies the output there in the end
#   --keep           leaves the slice; the last line says how to delete it
#   --project=NAME   else that of gcloud
#   --runtime=NAME   else that which fits the type
#   --dry-run        prints the commands
#
# Whatever was finished is in the bucket, so a new slice continues there. Run
# twice, this asks for one slice; interrupted, it deletes it. The exit code is 0
# when all is complete. The last line names a slice that may still cost money.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
START="$PWD"
cd "$HERE/.."
. launch/environment.sh
. launch/machines.sh

readonly FAILED=1 AGAIN=75
NAME='' ZONE='' TYPE='' OUTPUT='' PROJECT='' RUNTIME='' FETCH=''
SPOT='' KEEP='' DELETE='' ATTEMPTS=20 COMMAND=()
PAUSE_S="${TTC_PAUSE_S:-20}"
MINE=''   # set once a slice may exist
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
  [[ -z "$DELETE" ]] || return 0
  [[ -n "$TYPE" ]] || fail 'give --type=TYPE, such as v5litepod-16.'
  [[ "$OUTPUT" == gs://?* ]] ||
    fail "--output=$OUTPUT must be gs://...: what a slice holds goes with it."
  [[ "$OUTPUT" != *[\'\\]* ]] || fail "--output=$OUTPUT has a quote in it."
  [[ "$ATTEMPTS" =~ ^[1-9][0-9]*$ ]] || fail "--attempts=$ATTEMPTS is no number."
  ((${#COMMAND[@]})) || fail 'say what to run after --, as in: -- run ...'
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

# state: of the slice, 'MISSING' where there is none; fails where nobody tells.
# A list that lacks it is an answer; an error of `describe` might be any.
state() {
  local listed
  listed="$(queued list --format='value(name.basename(),state.state)')" ||
    return 1
  awk -v name="$NAME" '$1 == name { found = $2 }
    END { print found ? found : "MISSING" }' <<<"$listed"
}

# known: the state, asked for until somebody tells.
known() {
  local try
  for try in 1 2 3 4 5; do
    state && return
    ((try == 5)) || sleep "$PAUSE_S"
  done
  say 'gcloud does not answer.'
  return 1
}

create() {
  local flags=(--node-id="$NAME" --accelerator-type="$TYPE"
    --runtime-version="$RUNTIME")
  [[ -z "$SPOT" ]] || flags+=(--spot)
  MINE=1
  queued create "$NAME" "${flags[@]}"
}

delete() {
  queued delete "$NAME" --force
}

# ready: returns when the slice is there, asking for it where it is not.
ready() {
  local now
  while :; do
    if [[ -n "$DRY_RUN" ]]; then
      create
      return
    fi
    now="$(known)" || return 1
    [[ "$now" == MISSING ]] || MINE=1
    case "$now" in
      ACTIVE) return ;;
      MISSING)
        ((ATTEMPTS-- > 0)) || return 1
        say "asking for $TYPE as $NAME."
        create || return 1
        ;;
      FAILED | SUSPENDED)
        say "$NAME is $now; deleting it to ask again."
        delete || return 1
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
  local code stops="$ATTEMPTS" where=(--tpu="$NAME" --zone="$ZONE")
  [[ -z "$PROJECT" ]] || where+=(--project="$PROJECT")
  while :; do
    ready || {
      say 'no slice: out of attempts, or gcloud refused.'
      return "$FAILED"
    }
    code=0
    # In the background, since a trap waits for what is in the foreground.
    bash launch/pod.sh "${where[@]}" -- "${COMMAND[@]}" \
      --gin.Experiment.output="'$OUTPUT'" &
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

# leave CODE: nothing that costs money stays, or the last line names it.
leave() {
  local code="$1" try
  trap '' INT TERM HUP
  trap - EXIT
  [[ -z "$CHILD" ]] || kill "$CHILD" 2>/dev/null || true
  [[ -n "$MINE" ]] || exit "$code"
  if [[ -z "$KEEP" ]]; then
    for try in 1 2 3; do
      delete || true
      if [[ -n "$DRY_RUN" || "$(state)" == MISSING ]]; then
        exit "$code"
      fi
      ((try == 3)) || sleep "$PAUSE_S"
    done
    ((code)) || code="$FAILED"
  fi
  say "$NAME may still cost money; delete it by:
launch/tpu_vm.sh $(quoted --name="$NAME" --zone="$ZONE" \
    ${PROJECT:+--project="$PROJECT"} --delete)"
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
  work
  [[ -z "$FETCH" ]] || fetch
}

main "$@"
