#!/bin/sh
# Installs the foreign verifiers where they are missing and prints the path of a
# program for each. Safe to run at once from many tests: one works, the others
# wait and find it done.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=${1:-${CARGO_TARGET_DIR:-$here/../../target}}
mkdir -p "$target/foreign"
target=$(cd "$target" && pwd)
out=$target/foreign

exec 9>"$out/lock"
flock 9

root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# The package lists of a fresh image may be empty or old: try, refresh, try again.
debian() {
    root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 && return
    root apt-get update -q >&2
    root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

library=/usr/share/gocode
if ! command -v go >/dev/null || ! [ -d $library/src/golang.org/x/mod/sumdb/tlog ] ||
    ! [ -d $library/src/golang.org/x/crypto/ed25519 ]; then
    debian golang-go golang-golang-x-mod-dev golang-golang-x-crypto-dev
fi
if ! [ -x "$out/verify-go" ] || [ "$here/go/main.go" -nt "$out/verify-go" ]; then
    GO111MODULE=off GOFLAGS='' GOPATH=$library GOCACHE=$out/go-cache \
        go build -o "$out/verify-go.new" "$here/go/main.go" >&2
    mv "$out/verify-go.new" "$out/verify-go"
fi

# It declares a newer Python than Debian has and runs on 3.11 all the same.
version=0.2.1
if ! "$out/venv/bin/python" -c "import aics_tlog; assert aics_tlog.__version__ == '$version'" 2>/dev/null; then
    rm -rf "$out/venv"
    python3 -m venv "$out/venv" >&2 || {
        debian python3-venv
        python3 -m venv "$out/venv" >&2
    }
    "$out/venv/bin/pip" install -q --disable-pip-version-check --ignore-requires-python "aics-tlog==$version" >&2
fi
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$out/venv/bin/python" "$here/aics/check.py" >"$out/verify-aics.new"
chmod +x "$out/verify-aics.new"
mv "$out/verify-aics.new" "$out/verify-aics"

echo "$out/verify-go"
echo "$out/verify-aics"
