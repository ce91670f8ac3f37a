#!/usr/bin/env bash
# `make bench`: builds as released and measures; prints what was reached, also
# where it falls short.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-target/bench}
tools/setup.sh demo
mapfile -t nodered < <(tools/nodered.sh)
echo "building as released (several minutes the first time)"
cargo build --profile bench -p quell -p quell-lab --bins
beside=()
if [ "${#nodered[@]}" = 2 ]; then
  beside=(--nodered "${nodered[0]}" --node "${nodered[1]}")
else
  echo "bench: Node-RED could not be installed; it is left out" >&2
fi
exec "${CARGO_TARGET_DIR:-target}/release/quell-lab-bench" --out "$out" --only "${2:-}" "${beside[@]}"
