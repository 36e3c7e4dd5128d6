# shellcheck shell=bash
# Sourced by the commands beside it: a Python, a virtual environment and the
# package in it. Finished work is not done again.

fail() {
  printf 'ttc: %s\n' "$1" >&2
  exit 2
}

is_recent_python() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
    >/dev/null 2>&1
}

# Prints a Python of at least 3.11 that can make virtual environments.
find_python() {
  local candidate
  if [[ -n "${PYTHON:-}" ]]; then
    is_recent_python "$PYTHON" ||
      fail "PYTHON=$PYTHON is not Python 3.11 or later with venv."
    printf '%s\n' "$PYTHON"
    return
  fi
  for candidate in python3.11 python3.12 python3.13 python3 python; do
    if is_recent_python "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "no Python 3.11 or later with venv was found; install one (on Debian
and Ubuntu: apt install python3 python3-venv), or say where it is by
PYTHON=/path/to/python3.11."
}

# install EXTRAS: makes $VENV hold this package, editable, with its EXTRAS
# (such as '[test]', or nothing). A stamp tells what is already there.
VENV="${TTC_VENV:-.venv}"
install() {
  local extras="$1" python stamp
  stamp="$(cat setup.py constraints.txt | cksum | tr ' ' -) $extras"
  if [[ -x "$VENV/bin/ttc" ]] &&
    grep -qxF "$stamp" "$VENV/ttc-installed" 2>/dev/null; then
    return
  fi
  python="$(find_python)"
  if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    printf 'Making %s with %s\n' "$VENV" "$("$python" --version)" >&2
    "$python" -m venv "$VENV"
  fi
  printf 'Installing ttc%s (a minute or two, 3 GB)\n' "$extras" >&2
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable ".$extras"
  # With extras is more than without.
  printf '%s\n' "$stamp" "${stamp% *} " >>"$VENV/ttc-installed"
}
