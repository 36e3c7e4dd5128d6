# shellcheck shell=bash
# Sourced by the commands beside it: a Python, a virtual environment and the
# package in it. Finished work is not done again.

fail() {
  printf 'ttc: %s\n' "$1" >&2
  exit 2
}

# In an installed package these files have no source around them.
[[ -d ttc || "$PWD" != */ttc/shipped ]] ||
  fail "$PWD is of an installed package; run ttc unpack FOLDER, and this there."

is_fit_python() {
  "$1" -c 'import sys, venv, ensurepip
sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}

# Prints a Python, 3.11 to 3.13, that can make virtual environments.
find_python() {
  local candidate
  if [[ -n "${PYTHON:-}" ]]; then
    is_fit_python "$PYTHON" ||
      fail "PYTHON=$PYTHON is not Python 3.11, 3.12 or 3.13 with venv."
    printf '%s\n' "$PYTHON"
    return
  fi
  for candidate in python3.11 python3.12 python3.13 python3 python; do
    if is_fit_python "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "no Python 3.11, 3.12 or 3.13 with venv was found; install one (on
Debian and Ubuntu: apt install python3 python3-venv), or say where it is by
PYTHON=/path/to/python3.11."
}

# Whether launch/locked.txt has the hashes of what this Python would install.
has_hashes() {
  "$1" -c '
import platform, sys
libc, version = platform.libc_ver()
sys.exit(not (
  sys.platform == "linux"
  and platform.machine() in ("x86_64", "aarch64")
  and sys.implementation.name == "cpython"
  and sys.version_info[:2] in ((3, 11), (3, 12))
  and libc == "glibc"
  and tuple(map(int, version.split("."))) >= (2, 28)
))' 2>/dev/null
}

pip_install() {
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# Installs exactly the files whose hashes are known. What builds those without
# wheels, and this package, is one of them: pip would otherwise fetch a newer
# one for each build, unchecked.
install_locked() {
  pip_install --require-hashes --requirement launch/locked_build.txt
  pip_install --require-hashes --no-build-isolation --use-pep517 \
    --requirement launch/locked.txt
  pip_install --no-deps --no-build-isolation --editable .
}

# install EXTRAS: makes $VENV hold this package, editable, with its EXTRAS
# (such as '[test]', or nothing). A stamp tells what is already there.
VENV="${TTC_VENV:-.venv}"
install() {
  local extras="$1" python stamp
  stamp="$(cat setup.py constraints.txt launch/locked*.txt | cksum | tr ' ' -)"
  stamp="$stamp $extras"
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
  if [[ -z "$extras" ]] && has_hashes "$VENV/bin/python"; then
    install_locked
  else
    [[ -n "$extras" ]] || printf '%s\n' "launch/locked.txt has no hashes for \
this Python or system: the versions of constraints.txt, unchecked." >&2
    pip_install --constraint constraints.txt --editable ".$extras"
  fi
  # With extras is more than without.
  printf '%s\n' "$stamp" "${stamp% *} " >>"$VENV/ttc-installed"
}
