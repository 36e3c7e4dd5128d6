#!/usr/bin/env bash
# Lint and tests on a fresh machine. Arguments go on to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. launch/environment.sh

install '[test]'
"$VENV/bin/ruff" format --check
"$VENV/bin/ruff" check
# A file is tested by one process: its fixtures, some of them whole experiments,
# are made once.
exec "$VENV/bin/python" -m pytest --numprocesses 2 --dist loadfile \
  --no-loadscope-reorder "$@"
