#!/usr/bin/env bash
# Starts the cells that `ttc sweep --sky=FOLDER` wrote as managed jobs of
# SkyPilot, in whose environment this is to be run.
#
#   launch/sky/launch.sh FOLDER [--dry-run]
#
# Run again, it starts what failed, was cancelled or never began, and leaves the
# rest alone. Jobs get this repository's tracked files. A job that is taken
# continues on another slice by itself, since its output is in a bucket;
# `ttc status gs://...` tells where the sweep stands.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
START="$PWD"
cd "$HERE/../.."
. launch/environment.sh
. launch/machines.sh
. launch/jobs.sh

# started: names of jobs that are under way or done.
started() {
  sky jobs queue --all --output json | "$(find_python)" -c '
import json, sys

def jobs(value):
  if isinstance(value, dict) and "job_name" in value:
    yield value
  elif isinstance(value, (dict, list)):
    for item in value.values() if isinstance(value, dict) else value:
      yield from jobs(item)

text = sys.stdin.read()
starts = [place for place in map(text.find, "[{") if place >= 0]
found = json.loads(text[min(starts):]) if starts else []
for job in jobs(found):
  state = str(job["status"]).rsplit(".", 1)[-1]
  if not state.startswith(("FAILED", "CANCELL")):
    print(job["job_name"])
'
}

launch_cell() {
  # The nonce by which the job's processes know each other; sky takes its value
  # from here.
  TTC_JOIN_NONCE="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" \
    cloud sky jobs launch --yes --detach-run --workdir="$SOURCE" --name "$1" \
    --secret=TTC_JOIN_NONCE "$FOLDER/$1.yaml"
}

parse_jobs "$HERE/launch.sh" "$@"
((!${#OPTIONS[@]})) || fail "unknown option ${OPTIONS[0]}; see --help"
check_kind sky yaml
stage yaml
launch_all yaml
