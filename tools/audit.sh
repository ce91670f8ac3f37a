#!/usr/bin/env bash
# Licences, bans and sources of every dependency, by deny.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! cargo deny --version >/dev/null 2>&1; then
  echo "audit: installing cargo-deny from crates.io (remove it with: cargo uninstall cargo-deny)"
  cargo install --locked --quiet cargo-deny
fi
cargo deny --offline check bans licenses sources
