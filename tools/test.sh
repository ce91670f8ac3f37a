#!/usr/bin/env bash
# Every test, stage by stage; each stage prints how long it took.
set -euo pipefail
cd "$(dirname "$0")/.."
export QUELL_SEEDS=${QUELL_SEEDS:-2000}
# The same cases in every run, like the worlds; `make chance` draws others.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}
# Public alerts and attack traces, which are not part of this repository.
corpus=${QUELL_CORPUS:-$PWD/../shared/signals}
if [[ -d $corpus ]]; then
  export QUELL_CORPUS=$corpus
else
  unset QUELL_CORPUS
  echo "no corpus of public alerts at $corpus (QUELL_CORPUS): what reads it has nothing to read"
fi

stage() {
  local name=$1 began=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  printf '== %s: %d s\n' "$name" "$((SECONDS - began))"
}

stage "format" cargo fmt --all --check
stage "console is built" tools/console.sh build
stage "build" cargo build --workspace --all-targets
stage "tests" cargo nextest run --workspace --no-fail-fast --status-level fail --final-status-level slow -E 'not package(quell-sim)'
stage "console, units" tools/console.sh unit
stage "console, in a browser" tools/console.sh browser
stage "worlds are built" cargo nextest run --cargo-profile worlds -p quell-sim --no-run
stage "worlds" cargo nextest run --cargo-profile worlds -p quell-sim --no-fail-fast --status-level fail
stage "lints" cargo clippy --workspace --all-targets --quiet -- -D warnings
