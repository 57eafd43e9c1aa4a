#!/bin/sh
# Installs what is missing, and only that. With everything in place it neither calls apt nor needs a network.
#
#   tools/deps.sh GROUP...      build run test clients kafka bench
#
#   build    compiler and libraries           run      node for the order-flow example, kcat
#   test     cmocka, clang 14, tools,         clients  node, java, python and go clients of test/compat
#            PostgreSQL, Chromium
#   kafka    a real Apache Kafka, in build/deps/kafka (version: tools/kafka/pom.xml), and Redis
#   bench    the same, and valgrind; NATS in build/deps/nats where there is Go (left out if it cannot be had)
#
# Debian packages have the version of the distribution (Debian 12). Everything else is pinned: npm by
# package-lock.json, pip by requirements.txt, Maven by tools/kafka/pom.xml, Go by go.sum. node, java, mvn, python
# and go that came by other means are accepted if they are new enough.
# LEAT_DEPS=skip: trust the machine, install nothing.
set -eu
cd "${LEAT_ROOT:-$(dirname "$0")/..}"
deps=${LEAT_DEPS_DIR:-$PWD/build/deps}

say() { echo "deps: $*"; }
die() {
    echo "deps: $*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# major COMMAND...: the first number in what the command prints, 0 if there is none.
major() { "$@" 2>&1 | sed -n 's/^[^0-9]*\([0-9][0-9]*\).*/\1/p' | head -n 1 | grep . || echo 0; }

node_major() { if have node; then major node --version; else echo 0; fi; }
java_major() { if have java && have javac; then major javac -version; else echo 0; fi; }
go_minor() { if have go; then go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p' | grep . || echo 0; else echo 0; fi; }

# ---- Debian packages -------------------------------------------------------------------------------

packages_of() {
    case $1 in
    build)
        echo gcc g++ libc6-dev make libssl-dev zlib1g-dev liblz4-dev libzstd-dev libsnappy-dev libisal-dev \
            libhttp-parser-dev libyaml-dev libsimdjson-dev libjansson-dev librdkafka-dev libsqlite3-dev \
            libcurl4-openssl-dev libpq-dev
        ;;
    run)
        have python3 || echo python3
        packages_node
        echo kcat
        ;;
    test)
        have python3 || echo python3
        echo git libcmocka-dev clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev llvm-14 mandoc \
            e2fsprogs util-linux mount iproute2 procps openssl postgresql
        have chromium || echo chromium
        ;;
    clients)
        packages_node
        packages_java
        have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3 python3-venv
        echo kcat
        ;;
    kafka)
        packages_java
        have mvn || echo maven
        have redis-check-rdb || echo redis-tools # the server under another name, without a service that starts
        ;;
    bench)
        packages_of kafka
        have python3 || echo python3
        echo git valgrind postgresql libcurl4-openssl-dev
        ;;
    esac
}
packages_node() {
    [ "$(node_major)" -ge 18 ] || echo nodejs
    have npm || echo npm
}
packages_java() { [ "$(java_major)" -ge 17 ] || echo openjdk-17-jdk-headless; }

install_packages() {
    wanted=""
    for group in "$@"; do
        wanted="$wanted $(packages_of "$group" | tr '\n' ' ')"
    done
    [ "${LEAT_DEPS:-}" = skip ] && return
    if ! have dpkg-query || ! have apt-get; then
        die "this machine has no apt-get. Install these by your own means, then set LEAT_DEPS=skip:" \
            "$(unique $wanted)"
    fi
    missing=""
    for package in $(unique $wanted); do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
        installed) ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    root=""
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || die "not root, and there is no sudo. As root: apt-get install -y$missing"
        root="sudo"
        [ -t 0 ] || sudo -n true 2>/dev/null ||
            die "not root, and sudo asks for a password. As root: apt-get install -y$missing"
    fi
    say "installing:$missing"
    log=$(mktemp)
    $root env DEBIAN_FRONTEND=noninteractive apt-get update >"$log" 2>&1 || true
    if ! $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing \
        >>"$log" 2>&1; then
        if grep -qE 'resolv|Could not connect|Cannot initiate|Unable to connect|Failed to fetch' "$log"; then
            rm -f "$log"
            die "no network: apt-get cannot reach the package archive. Missing:$missing"
        fi
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get could not install:$missing (its last words are above)"
    fi
    rm -f "$log"
}
unique() { printf '%s\n' "$@" | sort -u | tr '\n' ' '; }

# ---- Packages of languages -------------------------------------------------------------------------

# fetch WHAT COMMAND...: runs it quietly; on failure shows its last words and one clear line.
fetch() {
    what=$1
    shift
    say "fetching $what"
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        if grep -qiE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|resolve|unreachable|Unknown host|NewConnectionError|no such host' "$log"; then
            rm -f "$log"
            die "no network: could not fetch $what"
        fi
        tail -n 8 "$log" >&2
        rm -f "$log"
        die "could not fetch $what (its last words are above)"
    fi
    rm -f "$log"
}

# npm_folder DIR: node_modules exactly as package-lock.json says. A folder whose package.json asks for a newer
# node than this machine has is left alone: its tests are skipped, with the reason.
npm_folder() {
    [ -f "$1/package-lock.json" ] || return 0
    wants=$(sed -n 's/.*"node": *">= *\([0-9]*\).*/\1/p' "$1/package.json" | head -n 1)
    if [ "$(node_major)" -lt "${wants:-0}" ]; then
        say "$1 needs node $wants or newer (here: $(node_major)): not installed"
        return 0
    fi
    cmp -s "$1/package-lock.json" "$1/node_modules/.installed-lock.json" && return 0
    fetch "node packages of $1" npm --prefix "$1" ci --no-audit --no-fund \
        --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=10000
    cp "$1/package-lock.json" "$1/node_modules/.installed-lock.json"
}

python_venv() {
    set -- test/compat/*/requirements.txt
    [ -f "$1" ] || return 0
    [ -x "$deps/venv/bin/python" ] || python3 -m venv "$deps/venv"
    cat "$@" | cmp -s - "$deps/venv/installed.txt" && return 0
    arguments=""
    for file in "$@"; do
        arguments="$arguments -r $file"
    done
    fetch "python packages" "$deps/venv/bin/python" -m pip install --disable-pip-version-check -q $arguments
    cat "$@" >"$deps/venv/installed.txt"
}

go_modules() {
    for file in test/compat/*/go.mod; do
        [ -f "$file" ] || return 0
        wants=$(sed -n 's/^go 1\.\([0-9]*\).*/\1/p' "$file")
        if [ "$(go_minor)" -lt "${wants:-23}" ]; then
            say "${file%/go.mod} needs Go 1.${wants:-23} or newer: not installed"
            continue
        fi
        mark=$deps/$(echo "${file%/go.mod}" | tr / -).go.sum
        cmp -s "${file%.mod}.sum" "$mark" && continue
        fetch "go modules of ${file%/go.mod}" env GOTOOLCHAIN=local go -C "${file%/go.mod}" mod download
        cp "${file%.mod}.sum" "$mark"
    done
}

real_kafka() {
    cmp -s tools/kafka/pom.xml "$deps/kafka/pom.xml" && return 0
    rm -rf "$deps/kafka" "$deps/kafka.new"
    mkdir -p "$deps/kafka.new"
    fetch "Apache Kafka" mvn -q -B -f tools/kafka/pom.xml dependency:copy-dependencies \
        -DoutputDirectory="$deps/kafka.new/libs"
    ls "$deps/kafka.new/libs"/kafka_*.jar >/dev/null 2>&1 || die "Maven gave no Kafka jar"
    cp tools/kafka/pom.xml "$deps/kafka.new/pom.xml"
    mv "$deps/kafka.new" "$deps/kafka"
}

# A peer of the benchmark, not needed for anything else: what stands in the way is said, and fails nothing.
nats_version=v2.15.2
nats_server() {
    [ "$(cat "$deps/nats/version" 2>/dev/null)" = "$nats_version" ] && return 0
    if [ "$(go_minor)" -lt 26 ]; then
        say "NATS needs Go 1.26 or newer: it will be left out of the benchmark"
        return 0
    fi
    mkdir -p "$deps/nats"
    say "building NATS $nats_version"
    if GOBIN="$deps/nats" GOTOOLCHAIN=local GOFLAGS=-modcacherw go install \
        "github.com/nats-io/nats-server/v2@$nats_version" >"$deps/nats/log" 2>&1; then
        echo "$nats_version" >"$deps/nats/version"
    else
        say "NATS could not be built (see $deps/nats/log): it will be left out of the benchmark"
    fi
}

[ $# -gt 0 ] || die "say what for: build run test clients kafka bench"
for group in "$@"; do
    case $group in
    build | run | test | clients | kafka | bench) ;;
    *) die "there is no group '$group': use build, run, test, clients, kafka or bench" ;;
    esac
done
install_packages "$@"
mkdir -p "$deps"
[ "${LEAT_DEPS:-}" = skip ] && exit 0
# Two makes at once must not both fill the same folder.
exec 9>"$deps/.lock"
if have flock; then
    flock 9
fi
for group in "$@"; do
    case $group in
    run)
        for folder in examples/*/ examples/*/*/; do
            npm_folder "${folder%/}"
        done
        ;;
    clients)
        for folder in test/compat/*/; do
            npm_folder "${folder%/}"
        done
        python_venv
        go_modules
        ;;
    kafka) real_kafka ;;
    bench)
        real_kafka
        nats_server
        ;;
    esac
done
