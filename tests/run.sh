#!/bin/sh
# Installs what is missing, builds, and runs all tests; the last lines are ctest's summary.
set -eu
cd "$(dirname "$0")/.."

sh deploy/install-packages.sh tests
cmake --preset release >/dev/null
cmake --build --preset release
exec ctest --preset release -j2
