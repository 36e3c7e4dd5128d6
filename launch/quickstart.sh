#!/usr/bin/env bash
# The paper in miniature on a fresh machine: environment, install, the whole
# pipeline, and a report under runs/quickstart/. Options go on to `ttc run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. launch/environment.sh

install ''
exec "$VENV/bin/ttc" run \
  --gin_file=gin/experiments/worksheet_quickstart.gin "$@"
