# shellcheck shell=bash
# Sourced by sky/launch.sh and xpk/launch.sh: a job for each file of a folder
# that `ttc sweep` wrote, unless there is one of its name. They say how by
# the functions started and launch_cell, and where they were called in START.

FOLDER='' OPTIONS=() SCRATCH='' SOURCE=''

parse_jobs() {
  local script="$1" option
  shift
  for option in "$@"; do
    case "$option" in
      --dry-run) DRY_RUN=1 ;;
      --help)
        usage "$script"
        exit 0
        ;;
      # Mistyped, it would start what it was to print.
      -*dry*) fail "there is no option $option; did you mean --dry-run?" ;;
      -*) OPTIONS+=("$option") ;;
      *)
        [[ -z "$FOLDER" ]] ||
          fail "$FOLDER and $option: one folder at a time; write --NAME=VALUE \
for options."
        FOLDER="$option"
        ;;
    esac
  done
  [[ "$FOLDER" == /* ]] || FOLDER="$START/$FOLDER"
  [[ -f "$FOLDER/sweep.json" ]] ||
    fail "'$FOLDER' holds no sweep.json; write it by ttc sweep."
}

# check_kind KIND ENDING: fails if the jobs are of another cluster's kind.
check_kind() {
  compgen -G "$FOLDER/t-*.$2" >/dev/null ||
    fail "'$FOLDER' holds no jobs of ttc sweep --$1."
}

# stage ENDING: SOURCE, a copy of the tracked files. sky and xpk upload a whole
# folder, and with this one the credentials that may be in it.
stage() {
  local files
  SCRATCH="$(mktemp -d)"
  trap 'rm -rf "$SCRATCH"' EXIT
  SOURCE="$SCRATCH/source"
  mkdir "$SOURCE"
  mapfile -t files < <(grep -hoE -- '--gin_file=[A-Za-z0-9_./-]+' \
    "$FOLDER"/*."$1" | sort -u)
  source_archive "$SCRATCH/ttc.tar.gz" "${files[@]}"
  tar -xmzf "$SCRATCH/ttc.tar.gz" -C "$SOURCE"
}

# launch_all ENDING: what is not there yet; 1 where one could not be started.
launch_all() {
  local file name there='' code=0 count=0
  # The folder of the sweep then says what is still waiting.
  cloud gcloud storage cp "$FOLDER/sweep.json" \
    "$(<"$FOLDER/output")/sweep.json"
  [[ -n "$DRY_RUN" ]] || there="$(started)"
  for file in "$FOLDER"/*."$1"; do
    name="$(basename "$file" ".$1")"
    if grep -qxF -- "$name" <<<"$there"; then
      continue
    fi
    if launch_cell "$name"; then
      count=$((count + 1))
    else
      say "$name was not started; the same command tries again."
      code=1
    fi
  done
  say "started $count jobs."
  return "$code"
}
