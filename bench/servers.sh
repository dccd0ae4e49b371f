# shellcheck shell=bash disable=SC2034,SC2154 # what is unused or unset here is the scripts'
# servers.sh: for scripts of this folder to source: servers that are started, awaited and ended. Server K has a name, a command, the
# address where styxbench finds it, a dialect, a tree and a user. In these, %a is the address where it is to listen, %p a free TCP
# port, %d an empty directory. $build is where the programs are.
die() { progress ''; echo "${0##*/}: $1" >&2; exit "${2:-1}"; }

check_times() {
  [[ $rounds =~ ^[1-9][0-9]*$ ]] || die "-n: the rounds must be a number from 1, not '$rounds'" 2
  [[ $secs =~ ^[0-9]*\.?[0-9]+$ ]] && awk -v s="$secs" 'BEGIN { exit !(s >= 0.01 && s <= 86400) }' ||
    die "-s: the seconds must be a number from 0.01, not '$secs'" 2
}

need_programs() {
  local program
  for program in "$@"; do
    [[ -x $build/bin/$program ]] || die "there is no $build/bin/$program; build it with: ./dev build release" 2
  done
}

# progress TEXT: on one line of a terminal, else a line for each new beginning of it, up to a comma.
said=''
progress() {
  if [[ -t 2 ]]; then
    printf '\r\033[K%s' "$1" >&2
  elif [[ $1 && ${1%%,*} != "$said" ]]; then
    said=${1%%,*}
    echo "${0##*/}: $said" >&2
  fi
}

names=() commands=() addrs=() dialects=() anames=() unames=()
add_server() { # NAME COMMAND [ADDRESS [DIALECT [TREE [USER]]]]
  names+=("$1") commands+=("$2") addrs+=("${3:-%a}") dialects+=("${4:-9P2000}") anames+=("${5:-}") unames+=("${6:-}")
}

# What is exported must be ours to write: root stays root.
as_me=''
((EUID)) || as_me=' --runas root'

mapfile -t allowed < <(taskset -cp $$ | sed 's/.*: //; s/,/\n/g' | awk -F- '{ for (i = $1; i <= (NF > 1 ? $2 : $1); i++) print i }')
first_cpus() { local IFS=,; echo "${allowed[*]:0:$1}"; }

model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
machine="${#allowed[@]} CPUs, ${model:-of unknown model}, Linux $(uname -r | cut -d- -f1)"

# ---- processes ----

pids=() reach=()
port=$((20000 + RANDOM % 20000))
stop_servers() {
  ((${#pids[@]})) || return 0
  kill -TERM "${pids[@]}" 2>/dev/null || true
  wait "${pids[@]}" 2>/dev/null || true
  pids=()
}
clean_up() { stop_servers; rm -rf "$scratch" "$dirs"; }
scratch_make() {
  scratch=$(mktemp -d)
  dirs=$(mktemp -d "/dev/shm/${0##*/}.XXXXXX" 2>/dev/null) ||
    { dirs=$scratch/dirs; echo "${0##*/}: there is no /dev/shm; directories are in $dirs" >&2; }
  trap clean_up EXIT
  trap 'exit 130' INT TERM
}

expand() { # TEXT K
  local text=${1//%a/unix!$scratch/$2}
  text=${text//%p/$port}
  echo "${text//%d/$dirs/$2}"
}

# start K CPUS [ARGUMENT...]: server K on these CPUs ("" for all of them); reach[K] is what styxbench needs for it.
start() {
  local k=$1 pin=() words
  [[ -z $2 ]] || pin=(taskset -c "$2")
  port=$((port + 1))
  mkdir -p "$dirs/$k"
  read -ra words <<<"$(expand "${commands[k]}" "$k") ${*:3}"
  "${pin[@]}" "${words[@]}" >"$scratch/log.$k" 2>&1 </dev/null &
  pids[k]=$!
  reach[k]="-a $(expand "${addrs[k]}" "$k") -D ${dialects[k]}"
  [[ -z ${anames[k]} ]] || reach[k]+=" -A $(expand "${anames[k]}" "$k")"
  [[ -z ${unames[k]} ]] || reach[k]+=" -u ${unames[k]}"
}

# soon COMMAND...: succeeds within 20 seconds, tried ten times in each.
soon() {
  local end=$((SECONDS + 20))
  until "$@"; do
    ((SECONDS < end)) || return 1
    read -r -t 0.1 <> <(:) || true
  done
}

# await K: until it accepts.
accepts() { "$build/bin/styxbench" "$@" -s 0.01 idle >/dev/null 2>"$scratch/why"; }
ready() { kill -0 "${pids[$1]}" 2>/dev/null || return 0; accepts "${@:2}"; }
await() {
  local words
  read -ra words <<<"${reach[$1]}"
  if soon ready "$1" "${words[@]}" && accepts "${words[@]}"; then return; fi
  cat "$scratch/why" "$scratch/log.$1" >&2
  die "${names[$1]} did not start: ${commands[$1]}"
}
