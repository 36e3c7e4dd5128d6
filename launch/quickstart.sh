#!/usr/bin/env bash
# The paper in miniature on a fresh machine: environment, install, the whole
# pipeline, and a report under runs/quickstart/. Options go on to `ttc run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. launch/environment.sh

install ''
# XLA runs programs this small on one core each, so two cores are two devices
# with half of the rows. Accelerators are not affected.
export JAX_NUM_CPU_DEVICES="${JAX_NUM_CPU_DEVICES:-2}"
exec "$VENV/bin/ttc" run \
  --gin_file=gin/experiments/worksheet_quickstart.gin "$@"
