#!/usr/bin/env bash
# Builds the image of the Dockerfile from this repository's tracked files, and
# pushes it to a registry that xpk and GKE read.
#
#   launch/image.sh --image=REGION-docker.pkg.dev/PROJECT/REPOSITORY/ttc:TAG \
#     [OPTIONS]
#
#   --extras=gcs   what is installed beside the package (tpu,gcs)
#   --user=0       the user that commands run as (1000)
#   --local        does not push
#   --dry-run      prints the commands
#
# launch/xpk/launch.sh takes it as --docker-image.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$HERE/.."
. launch/environment.sh
. launch/machines.sh

IMAGE='' EXTRAS='tpu,gcs' ID='1000' LOCAL=''
for word in "$@"; do
  case "$word" in
    --image=*) IMAGE="$(value "$word")" ;;
    --extras=*) EXTRAS="$(value "$word")" ;;
    --user=*) ID="$(value "$word")" ;;
    --local) LOCAL=1 ;;
    --dry-run) DRY_RUN=1 ;;
    --help)
      usage "$HERE/image.sh"
      exit 0
      ;;
    *) fail "unknown option $word; see launch/image.sh --help" ;;
  esac
done
[[ -n "$IMAGE" ]] || fail 'give --image=NAME:TAG.'
[[ "$ID" =~ ^[0-9]+$ ]] || fail "--user=$ID is no number of a user."

SCRATCH="$(mktemp -d)"
trap 'rm -rf "$SCRATCH"' EXIT
source_archive "$SCRATCH/ttc.tar.gz"
REVISION="$(git describe --always --dirty --abbrev=12 --exclude='*' \
  2>/dev/null || true)"
cloud docker build --tag="$IMAGE" --build-arg="EXTRAS=$EXTRAS" \
  --build-arg="USER=$ID" --build-arg="REVISION=$REVISION" - \
  <"$SCRATCH/ttc.tar.gz"
[[ -n "$LOCAL" ]] || cloud docker push "$IMAGE"
