#!/bin/sh
# Runs fuzz targets of a build from their seeds: run.sh BUILD_DIR SECONDS [TARGET...], as many at a time as there are
# processors. A line a target; the end of the log of those that found something. What is learned stays in
# BUILD_DIR/fuzz/TARGET, a find in BUILD_DIR/fuzz/TARGET-*.
set -eu
build=$(cd "$1" && pwd)
seconds=$2
shift 2
[ $# -gt 0 ] || set -- $(cd "$build" && find . -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sed 's|^\./||' | sort)
work=$build/fuzz
mkdir -p "$work"
"$build/seed_corpus" "$work/seeds"

export work build seconds
printf '%s\n' "$@" | xargs -P "$(nproc)" -I TARGET sh -c '
  log=$work/TARGET.log
  mkdir -p "$work/TARGET"
  if "$build/TARGET" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -max_len=65536 -len_control=0 -detect_leaks=1 \
    -print_final_stats=1 -artifact_prefix="$work/TARGET-" "$work/TARGET" "$work/seeds/TARGET" >"$log" 2>&1; then
    printf "%-16s %s\n" TARGET "$(grep -E "DONE|INITED" "$log" | tail -n 1)"
  else
    printf "%-16s FOUND SOMETHING\n" TARGET
    grep -v "^#[0-9]" "$log" | tail -n 50
    exit 1
  fi'
