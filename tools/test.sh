#!/usr/bin/env bash
# Every test, stage by stage; each stage prints how long it took.
set -euo pipefail
cd "$(dirname "$0")/.."
# Worlds of the simulator in the short form; `make seeds` plays thousands, and
# there known faults are open: see CHANGELOG.md.
export QUELL_SEEDS=${QUELL_SEEDS:-20}
export QUELL_CORPUS=${QUELL_CORPUS:-$PWD/../shared/signals}

stage() {
  local name=$1 began=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  printf '== %s: %d s\n' "$name" "$((SECONDS - began))"
}

stage "format" cargo fmt --all --check
stage "build" cargo build --workspace --all-targets
stage "tests" cargo nextest run --workspace --no-fail-fast --status-level fail --final-status-level slow -E 'not package(quell-sim)'
stage "worlds are built" cargo nextest run --cargo-profile worlds -p quell-sim --no-run
stage "worlds" cargo nextest run --cargo-profile worlds -p quell-sim --no-fail-fast --status-level fail -E "not test(a_crash_at_any_point)"
stage "lints" cargo clippy --workspace --all-targets --quiet
