# shellcheck shell=bash
# checks.sh: for test scripts to source. check WHAT COMMAND... counts one check; checks_done prints the counts and ends.
checks_passed=0 checks_failed=0

check() {
  local what=$1 output
  shift
  if output=$("$@" 2>&1); then
    checks_passed=$((checks_passed + 1))
  else
    checks_failed=$((checks_failed + 1))
    printf 'not ok: %s\n' "$what"
    [[ -z $output ]] || printf '%s\n' "$output" | sed 's/^/    /'
  fi
}

# not COMMAND...: succeed when it fails.
not() { if "$@"; then return 1; fi; }

# none COMMAND...: succeed when it prints nothing; show what it prints.
none() {
  local found
  found=$("$@" || true)
  [[ -z $found ]] || { printf '%s\n' "$found"; return 1; }
}

checks_done() {
  printf '%d passed, %d failed\n' "$checks_passed" "$checks_failed"
  ((checks_failed == 0 && checks_passed > 0))
  exit
}
