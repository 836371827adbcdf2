#!/bin/sh
# Installs what is missing, builds, and runs the whole service against its own simulator until Ctrl-C.
set -eu
cd "$(dirname "$0")/.."

sh deploy/install-packages.sh
cmake --preset release >/dev/null
cmake --build --preset release --target spreadwatch

program=build/release/spreadwatch
ready=$(mktemp)
"$program" simulate --config config/demo.yaml >"$ready" &
simulator=$!
service=
stop() { kill -TERM $service "$simulator" 2>/dev/null || :; }
trap stop INT TERM
trap 'stop; rm -f "$ready"' EXIT

until grep -q '"type":"ready"' "$ready"; do
  kill -0 "$simulator" 2>/dev/null || { wait "$simulator"; exit $?; }
  sleep 0.1
done

"$program" run --config config/demo.yaml &
service=$!
echo "board: http://127.0.0.1:8080   metrics: http://127.0.0.1:9464/metrics   stop: Ctrl-C" >&2
# A signal ends the first wait early; the service then still has to finish what it accepted.
status=0
wait "$service" || status=$?
if kill -0 "$service" 2>/dev/null; then
  status=0
  wait "$service" || status=$?
fi
exit "$status"
