#!/bin/sh
# Checks the simulated exchanges with clients that we did not write.
# Usage: run.sh ccxt|tardis|cryptofeed|sdk PROGRAM FOLDER. The clients are installed under FOLDER, in the pinned versions, by their
# ordinary package managers. Exit code 77: a client could not be had, so nothing was checked.
set -eu
part=$1
program=$2
folder=$3/$part
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"

skip() {
  echo "SKIPPED: $1; the $part part has checked nothing" >&2
  exit 77
}

# need COMMAND PACKAGE...: installs the Debian packages unless the command is there.
need() {
  command=$1
  shift
  command -v "$command" >/dev/null 2>&1 && return 0
  [ "$(id -u)" = 0 ] || skip "one of $* is not installed"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
    >"$folder/apt.log" 2>&1 || skip "$* cannot be installed (see $folder/apt.log)"
}

# True when FOLDER holds what the list of versions asks for.
current() { [ -e "$folder/installed" ] && cmp -s "$1" "$folder/installed"; }

# node_packages FOLDER: installs what the lock file in FOLDER names.
node_packages() {
  need node nodejs npm
  need npm nodejs npm
  cp "$1/package.json" "$1/package-lock.json" "$folder/"
  current "$1/package-lock.json" && return 0
  (cd "$folder" && npm ci --no-audit --no-fund --ignore-scripts) >"$folder/npm.log" 2>&1 ||
    skip "npm cannot install $part (see $folder/npm.log)"
  cp "$1/package-lock.json" "$folder/installed"
}

# python_packages LIST [DEBIAN_PACKAGE...]: installs what LIST names, which may need more of Debian than Python.
python_packages() {
  list=$1
  shift
  need python3 python3 python3-venv
  current "$list" && return 0
  rm -rf "$folder/python"
  ready='import ensurepip, os, sys, sysconfig, venv
assert len(sys.argv) == 1 or os.path.exists(sysconfig.get_path("include") + "/Python.h")'
  python3 -c "$ready" "$@" 2>/dev/null || need - python3-venv "$@"
  python3 -m venv "$folder/python" >"$folder/pip.log" 2>&1 ||
    skip "no virtual environment (see $folder/pip.log)"
  "$folder/python/bin/pip" install -q --no-deps -r "$list" >>"$folder/pip.log" 2>&1 ||
    skip "pip cannot install $part (see $folder/pip.log)"
  cp "$list" "$folder/installed"
}

tls=false
case $part in
  ccxt)
    node_packages "$here"
    cp "$here/ccxt_watch.mjs" "$folder/"
    ;;
  tardis)
    node_packages "$here/tardis"
    cp "$here/tardis_watch.cjs" "$folder/"
    ;;
  cryptofeed)
    tls=true # it refuses addresses without
    # One of its libraries comes as source only.
    python_packages "$here/requirements.txt" python3-dev g++
    ;;
  sdk)
    python_packages "$here/sdk_requirements.txt"
    ;;
  *)
    echo "usage: $0 ccxt|tardis|cryptofeed|sdk PROGRAM FOLDER" >&2
    exit 2
    ;;
esac

cat >"$folder/simulate.yaml" <<YAML
assets: [BTC, ETH, XRP]
venues: { upbit: }
simulate: { base_port: 0, control_port: 0, tls: $tls }
YAML
ready=$folder/ready.json
: >"$ready"
"$program" simulate --config "$folder/simulate.yaml" >"$ready" &
simulator=$!
trap 'kill "$simulator" 2>/dev/null || true; wait "$simulator" || true' EXIT
tries=0
until grep -q '"ready"' "$ready"; do
  tries=$((tries + 1))
  [ "$tries" -le 200 ] || { echo "the simulator does not get ready" >&2; exit 1; }
  sleep 0.1
done
control=$(sed 's/.*"control_url":"\([^"]*\)".*/\1/' "$ready")

fetch='import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())'
failed=0
case $part in
  ccxt)
    # Two at a time: each is a program of its own, and most of its time goes into loading ccxt.
    printf '%s\n' upbit bithumb coinone okx bybit gateio binance kraken |
      (cd "$folder" && xargs -P 2 -I '{}' timeout 60 node ccxt_watch.mjs "$ready" 5 '{}') || failed=1
    ;;
  tardis)
    (cd "$folder" && timeout 60 node tardis_watch.cjs "$ready" 6) || failed=1
    ;;
  cryptofeed)
    "$folder/python/bin/python" -c "$fetch" "$control/v1/certificate" >"$folder/certificate.pem"
    SSL_CERT_FILE=$folder/certificate.pem REQUESTS_CA_BUNDLE=$folder/certificate.pem \
      timeout 90 "$folder/python/bin/python" "$here/cryptofeed_watch.py" "$ready" 8 || failed=1
    ;;
  sdk)
    timeout 60 "$folder/python/bin/python" "$here/sdk_watch.py" "$ready" 8 || failed=1
    ;;
esac
case $part in
  ccxt | tardis)
    violations=$(node -e 'fetch(process.argv[1]).then((a) => a.text()).then((t) => console.log(t))' "$control/v1/violations")
    ;;
  *)
    violations=$("$folder/python/bin/python" -c "$fetch" "$control/v1/violations")
    ;;
esac
if [ "$(echo "$violations" | tr -d '[:space:]')" != "[]" ]; then
  echo "the simulator counted violations: $violations" >&2
  failed=1
fi
exit "$failed"
