#!/bin/bash
# Both promises of the README on a machine where nothing is installed: `make run` and `make test` in a bare Debian 12.
#   tools/clean_room.sh            (root, network, a few GB under $TMPDIR or /var/tmp)
#
#   RUN_SECONDS=30    how long `make run` runs
#   PART=20-unit      only this part of `make test`
#   KEEP=1            keep the tree and print its path (a tree that failed is kept too)
#   CARRY="FILE..."   files of this machine that its package clients need (settings of a proxy or a mirror)
#
# What is tested is the last commit, not the working folder. The package archive is the one that this machine uses;
# its proxy settings for apt, its proxy variables and certificates are carried over. The tree has its own mounts and
# processes, which end with this script.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

skip() {
    echo "SKIP clean room: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
[ "$(id -u)" -eq 0 ] || skip "needs root (debootstrap, chroot)"
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "needs Debian on amd64"
unshare --mount --pid --fork true 2>/dev/null || skip "this machine does not let root make mount and process namespaces"
if ! command -v debootstrap >/dev/null; then
    echo "clean room: installing debootstrap"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap; } \
        >/dev/null 2>&1 || skip "debootstrap cannot be installed (no network?)"
fi
mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
    awk '$1 == "bookworm" && $3 == "main" { print $2; exit }')
[ -n "$mirror" ] || skip "apt has no archive of Debian 12 here"

base=${TMPDIR:-/var/tmp}
tree=$(mktemp -d "$base/leat-clean-room-XXXXXX")
chmod 755 "$tree"
passed=0 failed=0
cleanup() {
    if [ "${KEEP:-}" = 1 ] || [ $failed -gt 0 ]; then
        echo "clean room: the tree is kept: $tree"
    else
        rm -rf --one-file-system "$tree"
    fi
}
trap cleanup EXIT

echo "clean room: debootstrap of Debian 12 into $tree"
debootstrap --variant=minbase bookworm "$tree" "$mirror" >"$tree.log" 2>&1 || {
    tail -n 5 "$tree.log"
    skip "debootstrap failed, see $tree.log"
}
rm -f "$tree.log"
# The sources of this machine for Debian itself (security updates too), and how it reaches them.
apt-get indextargets --format '$(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$1 ~ /^bookworm(-updates|-security)?$/ && $4 == "main" { print "deb", $2, $3, $4 }' |
    sort -u >"$tree/etc/apt/sources.list"
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
    if [ -f "$file" ] && grep -qiE 'proxy|Acquire' "$file"; then
        cp "$file" "$tree/etc/apt/apt.conf.d/"
    fi
done
for file in /etc/resolv.conf /etc/hosts ${CARRY:-}; do
    mkdir -p "$tree$(dirname "$file")"
    cp -L "$file" "$tree$file"
done
mkdir -p "$tree/etc/ssl/certs" "$tree/usr/local/share/ca-certificates"
cp -RL /usr/local/share/ca-certificates/. "$tree/usr/local/share/ca-certificates/" 2>/dev/null || true
mkdir -p "$tree/src"
git clone -q --no-local "$root" "$tree/src/leat"

environ=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI=true)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY LEAT_SLOW LEAT_JOBS ${CARRY_ENV:-}; do
    [ -z "${!name:-}" ] || environ+=("$name=${!name}")
done

# inside COMMAND: a shell command in the tree, with mounts and processes that end with it.
inside() {
    unshare --mount --pid --fork --kill-child --propagation private bash -c '
        set -e
        mount --bind "$0" "$0" # so that / is a mount point inside, as on a machine
        cd "$0"
        mount -t proc proc "$0/proc"
        mount --rbind /sys "$0/sys"
        mount --rbind /dev "$0/dev"
        exec chroot "$0" /usr/bin/env -i "${@:2}" /bin/sh -c "$1"
    ' "$tree" "$1" "${environ[@]}" </dev/null
}
judge() { # judge NAME STATUS
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok $1"
    else
        failed=$((failed + 1))
        echo "FAIL $1: exit status $2"
    fi
}

line=$(grep -oE '(sudo )?apt-get install [a-z -]*git[a-z -]*make[a-z -]*' README.md | head -n 1 | sed 's/^sudo //')
judge "README names the apt-get line" $([ -n "$line" ]; echo $?)
status=0
inside "apt-get update >/dev/null && $line -y --no-install-recommends >/dev/null" || status=$?
judge "the apt-get line of README: $line" $status
# Nothing else may be there before the first command.
status=0
inside 'for c in gcc clang-14 node java python3; do ! command -v $c || exit 1; done' || status=$?
judge "the room is clean" $status
# The certificates of the machine, if it has its own: only the tools that come later use them.
if compgen -G "$tree/usr/local/share/ca-certificates/*" >/dev/null; then
    inside 'apt-get install -y --no-install-recommends ca-certificates >/dev/null && update-ca-certificates >/dev/null' ||
        echo "clean room: could not carry the certificates over"
fi
# The room has the ports of this machine. When another process has leat's, leat takes free ones.
places=
if ss -Hltn 'sport = :9092 or sport = :8080' 2>/dev/null | grep -q .; then
    echo "clean room: port 9092 or 8080 is taken on this machine: make run uses free ports"
    places="LEAT_RUN_KAFKA=127.0.0.1:0 LEAT_RUN_HTTP=127.0.0.1:0"
fi
status=0
inside "cd /src/leat && $places RUN_SECONDS=${RUN_SECONDS:-30} timeout -s INT 900 make run" || status=$?
judge "make run (${RUN_SECONDS:-30} s)" $status
status=0
inside "cd /src/leat && make test PART=${PART:-}" || status=$?
judge "make test" $status
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
