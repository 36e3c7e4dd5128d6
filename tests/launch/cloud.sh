#!/usr/bin/env bash
# Stands in for docker, gcloud, ssh, scp, sky and xpk: links of these names lead
# here.
# Every call is recorded in $CLOUD/calls. Slices are files of one state in
# $CLOUD/slices, described by 'type|image|owner|job' in $CLOUD/nodes; VMs that
# have no queued resource are files in $CLOUD/vms; a worker is a folder in
# $CLOUD/workers, where its commands are really run. What goes wrong is scripted by the test:
#   CLOUD_SIGNAL, CLOUD_AT  the signal that the launcher gets after that call
#   $CLOUD/preempt          how many more jobs lose their slice when followed
#   $CLOUD/broken           a pattern; calls that match it fail
#   $CLOUD/lost             commands that are run when a slice is lost
#   $CLOUD/busy             jobs run on while it exists; following ends it
#   $CLOUD/rival            the node of another owner's slice of the same name,
#                           which is there when ours is created
set -euo pipefail

name="$(basename "$0")"
printf '%q ' "$name" "$@" | sed 's/ $/\n/' >>"$CLOUD/calls"

option() {
  local word
  for word in "${words[@]}"; do
    [[ "$word" != "$1="* ]] || printf '%s' "${word#*=}"
  done
}

# in_worker FOLDER COMMAND: as its login shell would.
in_worker() {
  local code=0
  mkdir -p "$1"
  (cd "$1" && HOME="$1" bash -c "${2//bash launch\/install.sh/bash $CLOUD/install.sh}") || code=$?
  if [[ -e "$CLOUD/busy" && "$2" == *'worker.sh start'* ]]; then
    # The job is in a session of its own before a signal may reach its group.
    until [[ -e "$CLOUD/runs" ]]; do sleep 0.02; done
  fi
  return "$code"
}

lose_slice() {
  local worker
  [[ ! -e "$CLOUD/lost" ]] || bash "$CLOUD/lost"
  for worker in "$CLOUD/workers/$1".*; do
    [[ -e "$worker/ttc-job/.job/pid" ]] &&
      kill -KILL -- "-$(cat "$worker/ttc-job/.job/pid")" 2>/dev/null
    rm -rf "$worker"
  done
  return 0
}

tpu_ssh() {
  local slice="$1" command index code=0
  command="$(option --command)"
  [[ "$(cat "$CLOUD/slices/$slice" 2>/dev/null)" == ACTIVE ]] || return 255
  if [[ "$command" == *follow* && "$(cat "$CLOUD/preempt")" -gt 0 ]]; then
    echo "$(($(cat "$CLOUD/preempt") - 1))" >"$CLOUD/preempt"
    echo SUSPENDED >"$CLOUD/slices/$slice"
    lose_slice "$slice"
    return 255
  fi
  for index in 0 1; do
    in_worker "$CLOUD/workers/$slice.$index" "$command" || code=$?
  done
  return "$code"
}

# label NAME: of a slice that is created.
label() {
  option --labels | tr , '\n' | sed -n "s/^$1=//p"
}

queued() {
  local verb="$1" file="$CLOUD/slices/$2" state
  case "$verb" in
    create)
      # A rival asks for the name at the same moment.
      [[ ! -e "$CLOUD/rival" ]] ||
        { cp "$CLOUD/rival" "$CLOUD/nodes/$2"; echo ACTIVE >"$file"; }
      [[ ! -e "$file" ]] || { echo 'ALREADY_EXISTS' >&2; return 1; }
      echo "$(option --accelerator-type)|$(option --runtime-version)|$(
        label ttc-owner)|$(label ttc-job)" >"$CLOUD/nodes/$2"
      echo WAITING_FOR_RESOURCES >"$file"
      ;;
    list)
      for file in "$CLOUD"/slices/*; do
        [[ -e "$file" ]] || continue
        state="$(cat "$file")"
        printf '%s|%s|%s\n' "$(basename "$file")" "$state" \
          "$(cat "$CLOUD/nodes/$(basename "$file")")"
        [[ "$state" != WAITING* ]] || echo ACTIVE >"$file"
      done
      ;;
    delete)
      [[ -e "$file" ]] || { echo 'NOT_FOUND' >&2; return 1; }
      lose_slice "$2"
      rm "$file"
      ;;
  esac
}

scp_() {
  local from="$1" to="$2" index
  if [[ "$name" == gcloud ]]; then
    for index in 0 1; do
      mkdir -p "$CLOUD/workers/${to%%:*}.$index"
      cp "$from" "$CLOUD/workers/${to%%:*}.$index/${to#*:}"
    done
  else
    mkdir -p "$CLOUD/workers/${to%%:*}"
    cp "$from" "$CLOUD/workers/${to%%:*}/${to#*:}"
  fi
}

# upload FOLDER: the names of its files, for the test.
upload() {
  [[ -z "$1" ]] || (cd "$1" && find . -type f) >"$CLOUD/uploaded"
}

play() {
  local line="$name ${words[*]}"
  if [[ -e "$CLOUD/broken" && "$line" =~ $(cat "$CLOUD/broken") ]]; then
    echo 'the stand-in was told to fail' >&2
    return 1
  fi
  [[ "$line" != *'worker.sh follow'* ]] || rm -f "$CLOUD/busy"
  case "$line" in
    *queued-resources*) queued "${plain[3]}" "${plain[4]:-}" ;;
    *'tpu-vm list'*) ls "$CLOUD/vms" ;;
    *'tpu-vm ssh'*) tpu_ssh "${plain[4]}" ;;
    *'tpu-vm scp'*) scp_ "${plain[4]}" "${plain[5]}" ;;
    scp*) scp_ "${plain[@]: -2}" ;;
    ssh*) in_worker "$CLOUD/workers/${plain[*]: -2:1}" "${plain[*]: -1}" ;;
    'docker build'*) tar --list --gzip >"$CLOUD/uploaded" ;;
    *'jobs queue'*)
      printf 'Fetching managed jobs...\n[%s]\n' "$(sed \
        's/.*/{"job_id": 1, "job_name": "&", "status": "RUNNING"}/' \
        "$CLOUD/jobs" | paste -sd ,)"
      ;;
    *'jobs launch'*)
      upload "$(option --workdir)"
      printf '%s\n' "${plain[2]}" >>"$CLOUD/jobs"
      ;;
    *'workload list'*)
      printf 'Jobset Name   Created Time\n'
      sed 's/$/   2026-11-21/' "$CLOUD/jobs"
      ;;
    *'workload create'*)
      upload "$(option --script-dir)"
      printf '%s\n' "$(option --workload)" >>"$CLOUD/jobs"
      ;;
  esac
}

words=("$@") plain=()
for word in "$@"; do
  [[ "$word" == --* ]] || plain+=("$word")
done
code=0
play || code=$?
if [[ "$(wc -l <"$CLOUD/calls")" == "${CLOUD_AT:-}" ]]; then
  kill -s "$CLOUD_SIGNAL" -- "$([[ "$CLOUD_SIGNAL" == KILL ]] && printf -- -)$(cat "$CLOUD/launcher")"
fi
exit "$code"
