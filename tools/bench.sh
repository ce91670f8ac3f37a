#!/usr/bin/env bash
# `make bench`: builds as released and measures; prints what was reached, also
# where it falls short.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-target/bench}
tools/setup.sh demo
echo "building as released (several minutes the first time)"
cargo build --profile bench -p quell -p quell-lab --bins
exec "${CARGO_TARGET_DIR:-target}/release/quell-lab-bench" --out "$out" --only "${2:-}"
