#!/bin/sh
# Installs what is missing, builds, and runs the whole service against its own simulator until Ctrl-C.
set -eu
cd "$(dirname "$0")/.."

sh deploy/install-packages.sh
cmake --preset release >/dev/null
cmake --build --preset release --target spreadwatch
exec build/release/spreadwatch demo --config config/demo.yaml
