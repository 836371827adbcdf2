#!/bin/sh
# Runs every fuzz target of a build for some seconds: run.sh BUILD_DIR SECONDS. A find is left in BUILD_DIR/fuzz.
set -eu
build=$1
seconds=$2
work=$build/fuzz
mkdir -p "$work"
status=0
for target in "$build"/fuzz_*; do
  [ -x "$target" ] && [ -f "$target" ] || continue
  name=$(basename "$target")
  mkdir -p "$work/$name"
  "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$work/$name-" \
    "$work/$name" >"$work/$name.log" 2>&1 || { status=1; tail -n 40 "$work/$name.log"; }
  tail -n 1 "$work/$name.log"
done
exit "$status"
