#!/usr/bin/env bash
# Lint and tests on a fresh machine. Arguments go on to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. launch/environment.sh

install '[test]'
"$VENV/bin/ruff" format --check
"$VENV/bin/ruff" check
# Hundreds of processes would each compile what none of them may keep.
unset PYTHONDONTWRITEBYTECODE
# A file is tested by one process: its fixtures, some of them whole experiments,
# are made once. Three processes keep two cores busy: some wait for their own.
exec "$VENV/bin/python" -m pytest --numprocesses 3 --dist loadfile \
  --no-loadscope-reorder "$@"
