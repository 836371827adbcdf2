#!/bin/sh
# Installs what building and running spreadwatch needs on Debian 12; with "tests", also what its tests use.
# Does nothing when everything is there, so it costs a second the next time.
set -eu

build="g++ cmake ninja-build ccache mold pkg-config
  libboost1.74-dev libboost-system1.74-dev libcpprest-dev libssl-dev librdkafka-dev nlohmann-json3-dev libsimdjson-dev
  libyaml-cpp-dev libcli11-dev prometheus-cpp-dev libspdlog-dev libsqlite3-dev zlib1g-dev libdeflate-dev libzstd-dev
  doctest-dev libbenchmark-dev ca-certificates"
tests="curl kcat prometheus chromium default-jre-headless maven clang clang-tidy clang-format libclang-rt-14-dev"

wanted="$build"
[ "${1:-}" = tests ] && wanted="$build $tests"

missing=""
for package in $wanted; do
  # A package may be there under the name of one that provides it, as java and clang often are.
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
# A JDK or Maven that did not come from a package serves as well.
command -v java >/dev/null 2>&1 && missing=$(printf '%s' "$missing" | sed 's/ default-jre-headless//')
command -v mvn >/dev/null 2>&1 && missing=$(printf '%s' "$missing" | sed 's/ maven//')
[ -z "$missing" ] && exit 0

echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# The packages bring services of their own; they must not start here.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
# shellcheck disable=SC2086  # the list is split on purpose
apt-get install -y -qq --no-install-recommends $missing >/dev/null
