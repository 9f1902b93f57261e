#!/bin/bash
# Starts Kafka in a container as the public image does: KAFKA_… variables become properties (KAFKA_NODE_ID is node.id;
# two underscores stand for one, three for a dash), the storage is formatted once under CLUSTER_ID, and the broker runs
# as process 1, so that `docker stop` reaches it.
set -euo pipefail
properties=${KAFKA_DATA:-/var/lib/kafka}/server.properties
mkdir -p "$(dirname "$properties")"

# What tunes the JVM is no property.
env | grep -E '^KAFKA_[A-Z0-9_]+=' | grep -vE '^KAFKA_(DATA|HEAP_OPTS|OPTS|JVM_PERFORMANCE_OPTS|VERSION)=' |
    while IFS='=' read -r name value; do
        key=$(printf %s "${name#KAFKA_}" | tr '[:upper:]' '[:lower:]' | sed -e 's/___/-/g' -e 's/__/\x01/g' -e 's/_/./g' -e 's/\x01/_/g')
        printf '%s=%s\n' "$key" "$value"
    done >"$properties"

java=(java ${KAFKA_HEAP_OPTS:--Xmx512m} ${KAFKA_JVM_PERFORMANCE_OPTS:-} ${KAFKA_OPTS:-} -cp '/opt/kafka/libs/*')
"${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t "${CLUSTER_ID:-Zmxvd3RyYWNrLXRlc3RzLQ}" -c "$properties"
exec "${java[@]}" kafka.Kafka "$properties"
