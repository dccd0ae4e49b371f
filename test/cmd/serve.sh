# shellcheck shell=bash disable=SC2034 # what is unused here is for the scripts
# serve.sh: for test scripts to source, with checks.sh: a scratch directory, and servers that are started, awaited and ended.
: "${bin:?where the programs are}"
scratch=$(mktemp -d)
pids=()
end_all() {
  [[ $BASHPID == "$$" ]] || return 0 # a subshell that a signal has ended
  ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null || true
  rm -rf "$scratch"
}
trap end_all EXIT

# Root keeps being root here, so that what it makes in $scratch can be exported.
as_me=()
((EUID)) || as_me=(--runas root)

# start STYXD-ARGUMENT...: run it until it is ready; its pid is $pid, its outputs are $scratch/out and $scratch/err. Words in
# $STYXD_FLAGS are arguments too: so every script can be run with --no-lending.
start() {
  local flags
  read -r -a flags <<<"${STYXD_FLAGS:-}"
  rm -f "$scratch/ready"
  mkfifo "$scratch/ready"
  "${wrap[@]}" "$bin/styxd" --ready-fd 9 "${flags[@]}" "$@" 9>"$scratch/ready" >"$scratch/out" 2>"$scratch/err" </dev/null &
  pid=$!
  pids+=("$pid")
  read -r -t 30 <"$scratch/ready" || { cat "$scratch/err"; return 1; }
}
wrap=(env)

# here WHAT COMMAND...: check, in this very shell: for what sets variables or waits for a process of ours.
here() {
  local what=$1
  shift
  if "$@" >"$scratch/said" 2>&1; then check "$what" true; else check "$what" not cat "$scratch/said"; fi
}

# serve PROGRAM ADDRESS: the same for an example, which says nothing: it is ready when it accepts.
serve() {
  "$@" >"$scratch/out" 2>"$scratch/err" </dev/null &
  pid=$!
  pids+=("$pid")
  for ((i = 0; i < 1000; i++)); do
    ! "$bin/test/killmid" -n 0 "$2" >/dev/null 2>&1 || return 0
    kill -0 "$pid" || { cat "$scratch/err"; return 1; }
  done
  return 1
}

# stop [SIGNAL]: end the last one in an orderly way; its exit status.
stop() {
  local status=0
  kill "-${1:-TERM}" "$pid"
  wait "$pid" 2>/dev/null || status=$?
  return $status
}

# says FILE TEXT: a line of it contains the text.
says() { grep -qF -e "$2" "$scratch/$1" || { cat "$scratch/$1"; return 1; }; }

# soon COMMAND...: succeeds within 20 seconds.
soon() {
  local end=$((SECONDS + 20))
  until "$@" >/dev/null 2>&1; do ((SECONDS < end)) || return 1; done
}

# port: the TCP port that the last styxd has chosen.
port() { sed -n 's/^styxd: listening on tcp!.*!\([0-9]*\)$/\1/p' "$scratch/out" | head -n 1; }

alive() { "$bin/test/killmid" -n 0 "$1"; }
