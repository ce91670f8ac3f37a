#!/usr/bin/env bash
# The web console: `console.sh build` makes what `cargo build` then puts into the
# binary; `console.sh unit` and `console.sh browser` test it. Installs what is
# missing and says so before.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)

say() { printf 'console: %s\n' "$*"; }

. tools/node.sh
cd console
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing the console's packages from the npm registry into console/node_modules, 130 MB (remove them with: rm -rf console/node_modules)"
  npm ci --no-progress --loglevel=error
  touch node_modules/.package-lock.json
fi
case "${1:-build}" in
  build) npm run --silent build ;;
  unit) npm test --silent ;;
  browser)
    command -v chromium >/dev/null || [ -n "${CHROMIUM:-}" ] || { echo "console: Chromium is missing; tools/setup.sh tests installs it, or say where it is with CHROMIUM=" >&2; exit 1; }
    QUELL_BIN=${QUELL_BIN:-$target/debug} CONSOLE_ARTEFACTS=${CONSOLE_ARTEFACTS:-$target/console} npm run --silent e2e
    ;;
  *) echo "console: expected build, unit or browser, found \`$1\`" >&2; exit 2 ;;
esac
