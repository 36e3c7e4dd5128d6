#!/usr/bin/env bash
# The paper in miniature on a fresh machine: environment, install, the whole
# pipeline, and a report under runs/quickstart/.
#
#   launch/quickstart.sh [OPTIONS]
#
# Options go on to `ttc run`, such as --only=NAME, or bindings of
# gin/experiments/worksheet_quickstart.gin: --gin.Experiment.seeds='(0, 1)'.
# PYTHON=/path/to/python3.11 is what makes the environment, TTC_VENV=FOLDER is
# where (.venv).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. launch/environment.sh
. launch/machines.sh

for word in "$@"; do
  case "$word" in
    -h | --help)
      usage launch/quickstart.sh
      exit 0
      ;;
  esac
done
install ''
# XLA runs programs this small on one core each, so two cores are two devices
# with half of the rows. Accelerators are not affected.
export JAX_NUM_CPU_DEVICES="${JAX_NUM_CPU_DEVICES:-2}"
exec "$VENV/bin/ttc" run \
  --gin_file=gin/experiments/worksheet_quickstart.gin "$@"
