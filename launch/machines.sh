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

# source_archive FILE: this repository, without what git ignores.
source_archive() {
  local files=(constraints.txt gin launch README.md setup.py ttc)
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    mapfile -d '' files < <(git ls-files -z --cached --others \
      --exclude-standard --deduplicate)
  fi
  tar --create --gzip --ignore-failed-read --file="$1" -- "${files[@]}" \
    2>/dev/null
}
