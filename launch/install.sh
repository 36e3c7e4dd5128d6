#!/usr/bin/env bash
# Makes the environment on a machine that may be fresh from its image:
#   bash launch/install.sh '[tpu]'
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. launch/environment.sh

# TPU images of Ubuntu 22.04 come with Python 3.10. Their own updates hold the
# package manager for the first minutes.
if ! (find_python >/dev/null 2>&1) && command -v apt-get >/dev/null; then
  sudo apt-get -o DPkg::Lock::Timeout=600 update -qq
  sudo DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=600 install -qq -y \
    python3.11 python3.11-venv >&2
fi
install "${1:-}"
