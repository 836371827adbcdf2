#!/bin/sh
# clang-tidy over the sources that changed since BASE (default: where the branch left origin/main; without one, the
# last 20 commits; "all" = every source), newest change first, on every core. Stops after TIDY_SECONDS (default 300)
# and names the files it did not reach. Tests and benchmarks are left out.
set -eu
cd "$(dirname "$0")/.."

base=${BASE:-$(git merge-base HEAD origin/main 2>/dev/null || :)}
[ -n "$base" ] && [ "$base" != "$(git rev-parse HEAD)" ] || base=$(git rev-list --first-parent -n 20 HEAD | tail -n 1)
[ "$base" = all ] && base=$(git hash-object -t tree /dev/null)
files=$(git diff --name-only --diff-filter=AM "$base" HEAD -- '*.cpp' | grep -v '^tests/' || :)
[ -n "$files" ] || { echo "clang-tidy: no source changed"; exit 0; }
files=$(for file in $files; do git log -1 --format="%ct $file" -- "$file"; done | sort -rn | cut -d' ' -f2)

cmake --preset tidy >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "$files" >"$work/files"
# Each file leaves its name in `done` when it passed; an output of its own keeps the findings of two files apart.
export work
# shellcheck disable=SC2016  # expanded by the inner shell
timeout "${TIDY_SECONDS:-300}" xargs -P "$(nproc)" -n 1 sh -c '
  out=$(mktemp -p "$work")
  if clang-tidy --quiet -p build/tidy "$0" >"$out" 2>/dev/null; then echo "$0" >>"$work/passed"
  else echo "$0" >>"$work/failed"; cat "$out"; fi' <"$work/files" || :
touch "$work/passed" "$work/failed"
cat "$work/passed" "$work/failed" | sort >"$work/seen"
left=$(sort "$work/files" | comm -23 - "$work/seen" | tr '\n' ' ')
echo "clang-tidy: $(wc -l <"$work/passed") clean, $(wc -l <"$work/failed") with findings"
[ -z "$left" ] || echo "clang-tidy: NOT REACHED in time: $left"
[ ! -s "$work/failed" ]
