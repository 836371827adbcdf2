#!/bin/sh
# Adds a tenth exchange to a copy of the sources, the way CONTRIBUTING.md tells ("Add an exchange"), and tests it:
#  - a file is changed if and only if CONTRIBUTING names it;
#  - what holds for every venue holds for it, and the simulator takes it;
#  - the row left out of a table does not compile, and the one left out of a page fails a test.
# The exchange is Korbit under another name, so what is added is of the size of a real one. Prints the files and lines it
# took. The build is as cheap as can be: unoptimised, and of the simulator only the files that have the table.
# Usage: tenth_venue.sh <source dir> <scratch dir> <compiler> <cmake> <generator>
set -eu
source=$1
work=$2
compiler=$3
cmake=$4
generator=$5
tree=$work/tree

fail() {
  echo "$*" >&2
  exit 1
}

# The build folder stays from run to run.
rm -rf "$tree" "$work/before"
mkdir -p "$tree" "$work/before"
(cd "$source" && tar -cf - --exclude=node_modules CMakeLists.txt CONTRIBUTING.md cmake core config http metrics ingest fx \
  spread publish history api sim app tests) | tar -xf - -C "$tree"
cp -R "$tree/." "$work/before"
cd "$tree"

# Whatever has Korbit's name is there a second time, behind it.
renamed() { sed 's/korbit/tenthex/g; s/Korbit/Tenthex/g' "$@"; }
add() {
  awk '
    function renamed(text) { gsub(/korbit/, "tenthex", text); gsub(/Korbit/, "Tenthex", text); return text }
    /^ *\{VenueId::k/ { taking = /VenueId::kKorbit,/ }
    !taking { printf "%s", row; row = "" }
    taking { row = row renamed($0) "\n" }
    { print }
    !taking && /^ *kKorbit,$|case .*kKorbit:$|make_korbit|kKorbitWallets|^\| korbit |"korbit",$/ { print renamed($0) }
  ' "$1" >"$1.new" && mv "$1.new" "$1"
}

tables="core/venue.h ingest/decode/venues/registry.h sim/venues.h tests/ingest/samples.h tests/sim/faults_test.cpp"
for folder in ingest/decode/venues sim/venues; do renamed $folder/korbit.cpp >$folder/tenthex.cpp; done
for table in $tables; do add $table; done
for schema in publish/schema/*.json; do add "$schema"; done

# Every table asks for its row, and the simulator has the venue: its own file, and those that go over the venues.
compiles() { "$compiler" -std=c++20 -Wall -Werror=switch -I "$1" -I "$tree" -fsyntax-only -x c++ "$2" 2>"$work/errors"; }
check_tables() {
  for table in $tables; do
    test $table != core/venue.h || continue
    rm -rf "$work/without"
    mkdir -p "$work/without/$(dirname $table)"
    cp "$work/before/$table" "$work/without/$table"
    echo "#include \"$table\"" >"$work/without/unit"
    compiles "$work/without" "$work/without/unit" && fail "$table compiles without the row of a venue"
    grep -q 'a venue of core/venue.h has no row in' "$work/errors" || fail "$(cat "$work/errors")"
    echo "without a row in $table: $(grep -o 'has no row in [A-Za-z]*' "$work/errors" | sort -u | sed 's/.* //' |
      tr '\n' ' ')will not compile"
  done
  for file in sim/venues/tenthex.cpp sim/market.cpp tests/sim/faults_test.cpp; do
    compiles "$tree" $file || fail "$(cat "$work/errors")"
  done
}
check_tables >"$work/tables" 2>&1 &
tables_checked=$!

# Of a build folder that another generator has made CMake makes nothing.
grep -qs "^CMAKE_GENERATOR:INTERNAL=$generator\$" "$work/build/CMakeCache.txt" || rm -rf "$work/build"
"$cmake" -S "$tree" -B "$work/build" -G "$generator" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 -DCMAKE_CXX_COMPILER="$compiler" \
  >"$work/log" || fail "$(cat "$work/log")"
"$cmake" --build "$work/build" --target conformance_test --parallel 2 >"$work/log" 2>&1 || fail "$(tail -n 50 "$work/log")"
"$work/build/conformance_test" >"$work/log" && fail "the venue's row in ingest/contracts.md is not missed"
grep -q 'TEST CASE:  the page of contracts is the table in code' "$work/log" || fail "$(tail -n 50 "$work/log")"
add ingest/contracts.md
"$work/build/conformance_test" >"$work/log" || fail "$(cat "$work/log")"
grep '^\[doctest\] test cases' "$work/log"
wait $tables_checked || fail "$(cat "$work/tables")"
cat "$work/tables"

# What was changed is what CONTRIBUTING names.
sed -n '/^\*\*Add an exchange/,/^$/p' CONTRIBUTING.md | grep -o '`[a-z_/<>]*\.[a-z]*`' | tr -d '\140' | sort -u >"$work/named"
diff -rqN "$work/before" "$tree" | sed "s|^Files .* and $tree/\(.*\) differ\$|\1|; s|tenthex|<name>|" | sort >"$work/changed"
diff "$work/named" "$work/changed" || fail "what CONTRIBUTING names (<) is not what had to be changed (>)"
files=$(wc -l <"$work/changed")
rows=$(diff -r -x tenthex.cpp "$work/before" "$tree" | grep -c '^>')
echo "a tenth exchange: 2 files of its own ($(cat ./*/venues/tenthex.cpp ingest/decode/venues/tenthex.cpp | wc -l) lines)," \
  "$rows lines in $((files - 2)) others"
