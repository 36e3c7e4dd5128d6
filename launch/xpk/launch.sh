#!/usr/bin/env bash
# Starts the cells that `ttc sweep --xpk=FOLDER` wrote as workloads of xpk on a
# GKE cluster that xpk made. Further options go on to `xpk workload create`.
#
#   launch/xpk/launch.sh FOLDER --cluster=NAME --tpu-type=v5litepod-16 \
#     [--project=NAME] [--zone=ZONE] [--docker-image=IMAGE] [--dry-run]
#
# Without an image that holds ttc, as launch/image.sh makes one, xpk adds this
# repository's tracked files to a Python image and each workload installs them
# first. Run again, this starts what xpk does not list. A workload that is taken starts
# again by itself and continues, since its output is in a bucket.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
START="$PWD"
cd "$HERE/../.."
. launch/environment.sh
. launch/machines.sh
. launch/jobs.sh

PLACE=() IMAGE='' NONCE=(--env-file="$HERE/nonce.env")

started() {
  xpk workload list "${PLACE[@]}" | awk '{ print $1 }'
}

launch_cell() {
  local command image=()
  command="$(cat "$FOLDER/$1.command")"
  if [[ -z "$IMAGE" ]]; then
    image=(--base-docker-image=python:3.11 --script-dir="$SOURCE")
    command="bash launch/install.sh '[tpu,gcs]' && exec .venv/bin/$command"
  else
    command="exec $command"
  fi
  # The nonce by which the workload's processes know each other.
  TTC_JOIN_NONCE="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" \
    cloud xpk workload create --workload="$1" --command="$command" \
    --max-restarts=100 --termination-grace-period-seconds=60 \
    "${NONCE[@]}" "${image[@]}" "${OPTIONS[@]}"
}

parse_jobs "$HERE/launch.sh" "$@"
check_kind xpk command
for option in "${OPTIONS[@]}"; do
  case "$option" in
    --cluster=* | --project=* | --zone=*) PLACE+=("$option") ;;
    --docker-image=*) IMAGE="$option" ;;
    # xpk takes only one of these; without a nonce the pod's addresses decide.
    --env | --env=* | --env-file | --env-file=*) NONCE=() ;;
  esac
done
[[ " ${PLACE[*]} " == *' --cluster='* ]] || fail 'give --cluster=NAME.'
[[ " ${OPTIONS[*]} " == *' --tpu-type='* ]] ||
  fail 'give --tpu-type=TYPE, such as v5litepod-16.'
[[ -n "$IMAGE" ]] || stage command
launch_all command
