#!/usr/bin/env bash
# One real Apache Kafka broker for tests, without Docker.
#
#   real_kafka.sh [DIR]
#
# Fetches the broker's jars with Maven into a cache (once), formats DIR (default: a temporary directory) and
# runs one KRaft node on free loopback ports. Prints `bootstrap=127.0.0.1:PORT` when it accepts connections.
# SIGTERM, SIGINT or the end of its standard input stops it; a temporary directory is then removed. Lines on its
# standard input: `kill` kills the broker at once and answers `killed`; `start` starts it again on the same
# port with its data and answers as at first; `wipe` deletes its data, so that the next `start` is that of a
# new and empty broker, and answers `wiped`. Lines of KAFKA_PROPERTIES are added to server.properties.
#
# Exit codes: 0 stopped as asked, 1 the broker did not start, 77 java or mvn is missing or the jars cannot be
# fetched (nothing to test with).
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/spreadwatch/kafka"

for tool in java mvn flock; do
  command -v "$tool" >/dev/null || { echo "real_kafka.sh: $tool is not installed" >&2; exit 77; }
done

# The jars are those of this pom; another pom is another folder.
libs="$cache/$(sha256sum "$here/pom.xml" | cut -c1-16)"
mkdir -p "$cache"
(
  flock 9
  if [[ ! -e "$libs/complete" ]]; then
    echo "real_kafka.sh: fetching the broker's jars into $libs" >&2
    rm -rf "$libs"
    mkdir -p "$libs"
    cp "$here/pom.xml" "$libs/pom.xml"
    mvn -q -B -f "$libs/pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs" >&2 || exit 77
    touch "$libs/complete"
  fi
) 9>"$cache/lock"

if [[ $# -ge 1 ]]; then
  dir="$1"
  mkdir -p "$dir"
  temporary=""
else
  dir="$(mktemp -d)"
  temporary="$dir"
fi
broker=""
stop() {
  if [[ -n "$broker" ]]; then
    kill -TERM "$broker" 2>/dev/null || true
    wait "$broker" 2>/dev/null || true
  fi
  if [[ -n "$temporary" ]]; then rm -rf "$temporary"; fi
}
trap stop EXIT
trap 'exit 0' TERM INT

answers() { (exec 4<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    if ! answers "$port"; then
      echo "$port"
      return
    fi
  done
}
# Starts the broker on $port; false when it ended or was not there within a minute.
start() {
  java -Xmx512m -cp "$libs/*" kafka.Kafka "$dir/server.properties" </dev/null \
    >>"$dir/broker.log" 2>&1 &
  broker=$!
  for _ in $(seq 600); do
    if answers "$port"; then
      echo "bootstrap=127.0.0.1:$port"
      return 0
    fi
    kill -0 "$broker" 2>/dev/null || break
    sleep 0.1
  done
  kill_broker
  return 1
}
kill_broker() {
  kill -KILL "$broker" 2>/dev/null || true
  wait "$broker" 2>/dev/null || true
  broker=""
}
# Makes the data directory anew, empty.
format() {
  local id
  rm -rf "$dir/data"
  id="$(java -cp "$libs/*" kafka.tools.StorageTool random-uuid 2>/dev/null | tail -1)"
  java -cp "$libs/*" kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" \
    >"$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; exit 1; }
}
# Obeys standard input until it ends.
serve() {
  local line status
  while :; do
    # The time limit lets the traps run and a broker that ended be noticed.
    status=0
    read -r -t 1 line || status=$?
    if [[ $status -gt 128 ]]; then
      if [[ -n "$broker" ]] && ! kill -0 "$broker" 2>/dev/null; then
        echo "real_kafka.sh: the broker ended" >&2
        return 1
      fi
    elif [[ $status -ne 0 ]]; then
      return 0
    elif [[ "$line" == kill ]]; then
      kill_broker
      echo killed
    elif [[ "$line" == wipe ]]; then
      format
      echo wiped
    elif [[ "$line" == start ]]; then
      start || return 1
    fi
  done
}

# The ports are only very likely free: another program may take one before the broker does.
for _ in 1 2 3; do
  port="$(free_port)"
  controller="$(free_port)"
  rm -rf "$dir/data"
  cat >"$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
${KAFKA_PROPERTIES:-}
EOF
  format
  if start; then
    serve
    exit
  fi
done
tail -n 20 "$dir/broker.log" >&2
exit 1
