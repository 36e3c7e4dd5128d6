# shellcheck shell=bash
# Sourced by the commands beside it: talking, quoting, running or printing.

say() {
  printf 'ttc: %s\n' "$1" >&2
}

# quoted WORDS: one line that a shell reads as these words.
quoted() {
  local line
  printf -v line '%q ' "$@"
  printf '%s' "${line% }"
}

# cloud COMMAND: runs it; with --dry-run prints it instead.
DRY_RUN="${DRY_RUN:-}"
cloud() {
  if [[ -n "$DRY_RUN" ]]; then
    printf '%s\n' "$(quoted "$@")"
  else
    "$@"
  fi
}

# value OPTION: what follows the '=' of --name=value; it must not be empty.
value() {
  [[ -n "${1#*=}" ]] || fail "${1%%=*} needs a value: ${1%%=*}=..."
  printf '%s' "${1#*=}"
}

# usage FILE: the comment at its head.
usage() {
  sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$1"
}

# In a checkout of something else around this folder, git would list nothing.
is_checkout() {
  git ls-files --error-unmatch setup.py >/dev/null 2>&1
}

# source_files: what a job needs of this checkout, each name ended by NUL. An
# untracked file may be a credential, so only tracked files are copied, as they
# are in the working tree. A download without git has no list of them: there,
# files of the package's kinds.
source_files() {
  local file
  if is_checkout; then
    git ls-files -z --deduplicate | while IFS= read -r -d '' file; do
      if [[ -e "$file" || -L "$file" ]]; then printf '%s\0' "$file"; fi
    done
  else
    { find Dockerfile constraints.txt gin launch pyproject.toml README.md \
      setup.py ttc -type f \( -name '*.py' -o -name '*.gin' -o -name '*.sh' \
      -o -name '*.md' -o -name cell.yaml -o -name Dockerfile \
      -o -name constraints.txt -o -name 'locked*.txt' \
      -o -name pyproject.toml -o -name revision.txt \) \
      -print0 2>/dev/null || true; } | LC_ALL=C sort -z
  fi
}

# source_archive FILE WORDS: archives the source files for the command WORDS.
# The same files make the same archive, whenever and by whomever they were
# checked out: its digest is a part of the job's identity.
source_archive() {
  local archive="$1"
  shift
  source_files | tar --create --no-recursion --null --files-from=- \
    --mtime=@0 --mode=u=rwX,go=rX --owner=0 --group=0 --numeric-owner |
    gzip --no-name >"$archive"
  check_travels "$archive" "$@"
  ! is_checkout || tell_changes
}

tell_changes() {
  local changed new
  read -r changed new < <(git status --porcelain --untracked-files=all -- . |
    awk '/^[?]/ { new++ } END { print NR - new, new + 0 }')
  ((changed + new == 0)) ||
    say "tracked files are copied, $changed of them with uncommitted changes; \
$new untracked files are not."
}

# check_travels ARCHIVE WORDS: fails if WORDS name a gin file that is here and
# not in the archive, before a slice is asked for in vain.
check_travels() {
  local word file names
  names="$(tar --list --gzip --file="$1")"
  for word in "${@:2}"; do
    file="${word#--gin_file=}"
    [[ "$word" == --gin_file=* && "$file" != /* && -e "$file" ]] || continue
    grep -qxF -- "${file#./}" <<<"$names" ||
      fail "$file is not tracked by git and would not be copied; git add it."
  done
}

# check_command MOUNTED WORDS: fails if `ttc WORDS` cannot work, as far as that
# shows before a machine is paid for. MOUNTED is a folder that the machines have,
# or nothing.
check_command() {
  local mounted="$1" program="$VENV/bin/ttc" options=(--check=elsewhere)
  shift
  [[ "$1" != ttc ]] ||
    fail "leave out the word ttc after --, as in: -- ${*:2:1} ..."
  case "$1" in
    sweep) fail 'ttc sweep is not run on a pod: write its cells as jobs with
--sky or --xpk, or give each command that it prints after --.' ;;
    compare_runs | convert | evaluate | export | grade | plan | serve | solve | \
      status | unpack | verify)
      fail "ttc $1 does not run on several machines; give run, or a kind of \
stage, after --." ;;
  esac
  if [[ ! -x "$program" ]]; then
    say "the command is not checked before it starts there, since $program is \
missing; bash launch/install.sh makes it."
    return
  fi
  [[ -z "$mounted" ]] || options+=(--mounted="$mounted")
  "$program" "$@" "${options[@]}" || exit
}

# job_digest ARCHIVE WORDS: identifies the job that runs WORDS with the source.
job_digest() {
  local archive="$1"
  shift
  # The bytes of gzip differ between its versions.
  { gzip --decompress --stdout "$archive" && printf '%s\0' "$@"; } |
    sha256sum | cut -d ' ' -f 1
}
