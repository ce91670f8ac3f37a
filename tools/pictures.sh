#!/usr/bin/env bash
# The pictures of README and docs: taken by the browser tests on a real server, never drawn.
# With a folder, the pictures that an earlier run left there; without, the tests run first.
set -euo pipefail
cd "$(dirname "$0")/.."
from=${1:-}
if [[ -z $from ]]; then
  tools/console.sh browser
  from=target/console
fi
mkdir -p docs/pictures
for name in queue-light case-waiting-light case-proven-dark approval-phone-first-light identity-proven-light; do
  cp "$from/$name.png" "docs/pictures/$name.png"
  echo "docs/pictures/$name.png"
done
