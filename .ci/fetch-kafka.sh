#!/bin/sh
# Fetches the jars of Apache Kafka into a directory, for the tests that need a real broker.
# Usage: .ci/fetch-kafka.sh [DIRECTORY]   (default .cache/kafka-jars, where the tests look)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-"$here/../.cache/kafka-jars"}
mkdir -p "$target"
target=$(cd "$target" && pwd)
if ls "$target"/kafka_2.13-*.jar >/dev/null 2>&1; then
    echo "kafka jars are in $target"
    exit 0
fi
command -v mvn >/dev/null 2>&1 || { echo "mvn is not installed: no kafka jars fetched" >&2; exit 1; }
mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$target"
echo "kafka jars fetched into $target"
