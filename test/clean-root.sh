#!/usr/bin/env bash
# clean-root: what a newcomer does, on a machine that has nothing. A bare Debian 12 root is made beside the system (debootstrap
# minbase, from wherever this machine's apt gets its packages), HEAD is cloned into it, and inside it `./dev run` must serve,
# the lines that it prints must work when pasted, and `./dev test` must pass. Needs root. Mounts and processes live in
# namespaces of their own, so they are gone when the script is, however it ends.
#
#   CLEAN_ROOT_DIR   where to make the root (default: under /var/tmp); it is removed at the end
set -euo pipefail
cd "$(dirname "$0")/.."
self=$PWD/test/clean-root.sh
release=bookworm

# ---- inside the namespaces: $1 is the root ----

in_root() { chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI=true \
  ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} bash -c "$2" </dev/null; }

# The lines that styxd prints for the reader are those that begin with a program's path or name after blanks.
try_run() {
  local root=$1 out=$1/tmp/run.out line ran=0
  : >"$out"
  in_root "$root" 'cd /src/libstyx && exec ./dev run' >"$out" 2>&1 &
  local server=$!
  # Until it prints how to connect, or ends.
  grep -qE '^ +([^ ]*/)?styx -a ' < <(tail -n +1 -f --pid="$server" "$out") || {
    tail -n 40 "$out"
    echo "./dev run ended without serving"
    return 1
  }
  tail -n 20 "$out"
  while read -r line; do
    echo "+ $line"
    in_root "$root" "cd /src/libstyx && PATH=\$PWD/build/release/bin:\$PATH && $line"
    ran=$((ran + 1))
  done < <(sed -nE 's/^ +(([^ ]*\/)?styx -a .*)/\1/p' "$out")
  kill "$server"
  wait "$server" || true
  ((ran > 0))
}

inside() {
  local root=$1
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount --bind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/dev/shm"
  in_root "$root" 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends git'
  in_root "$root" 'git clone -q /tmp/libstyx.bundle /src/libstyx'
  try_run "$root"
  in_root "$root" 'cd /src/libstyx && exec ./dev test' | tee "$root/tmp/test.out"
  tail -n 1 "$root/tmp/test.out" | grep -qE '^[0-9]+ passed, 0 failed$'
}

# ---- outside ----

# This machine's package sources for the release, as sources.list lines: whatever mirror it is behind.
apt_sources() {
  apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' |
    awk -v release="$release" '$2 ~ "^" release "(-updates|-security)?$" {print "deb", $1, $2, $3}' | sort -u
}

main() {
  ((EUID == 0)) || exec sudo "$self"
  local root mirror status=0
  mirror=$(apt_sources | awk -v release="$release" '$3 == release {print $2; exit}')
  [[ -n $mirror ]] || { echo "clean-root: apt on this machine has no source for $release" >&2; exit 1; }
  [[ -z $(git status --porcelain) ]] || echo "clean-root: there are uncommitted changes; HEAD is what is tested"
  root=$(mktemp -d "${CLEAN_ROOT_DIR:-/var/tmp}/styx-clean-root.XXXXXX")
  # shellcheck disable=SC2064 # root is what it is now
  trap "rm -rf --one-file-system '$root'" EXIT
  chmod 755 "$root"
  debootstrap --variant=minbase "$([[ $mirror == https:* ]] && echo --include=ca-certificates || echo --include=apt)" \
    "$release" "$root" "$mirror"
  apt_sources >"$root/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::(http|https)::[Pp]roxy' >"$root/etc/apt/apt.conf.d/proxy" || true
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  git bundle create -q "$root/tmp/libstyx.bundle" HEAD
  unshare --mount --propagation private --pid --fork --kill-child "$self" --inside "$root" || status=$?
  exit "$status"
}

if [[ ${1:-} == --inside ]]; then
  inside "$2"
else
  main "$@"
fi
