#!/bin/sh
# clang-tidy over the sources changed since BASE (default: the commit of a day ago, or everything when there is
# none). Stops after TIDY_SECONDS (default 480) and says which files it did not reach.
set -eu
cd "$(dirname "$0")/.."

base=${BASE:-$(git rev-list -1 --before='1 day ago' HEAD)}
[ -n "$base" ] || base=$(git hash-object -t tree /dev/null)
files=$(git diff --name-only --diff-filter=AM "$base" HEAD -- '*.cpp' | grep -v '^tests/' || :)
[ -n "$files" ] || { echo "no source changed"; exit 0; }

cmake --preset tidy >/dev/null
failed=0
left=""
end=$(($(date +%s) + ${TIDY_SECONDS:-480}))
for file in $files; do
  if [ "$(date +%s)" -ge "$end" ]; then
    left="$left $file"
  else
    clang-tidy --quiet -p build/tidy "$file" 2>/dev/null || failed=1
  fi
done
[ -z "$left" ] || echo "NOT REACHED in time:$left"
exit "$failed"
