#!/usr/bin/env bash
# Builds a local image of Apache Kafka where no registry can be reached: Debian by debootstrap, Java, Kafka's jars.
# Its name goes to standard output, everything else to standard error.  It obeys the same variables as the public
# image (apache/kafka), so that the tests use either: FLOWTRACK_TEST_KAFKA_IMAGE names it.
#
# Usage: .ci/docker-image.sh [JARS]   (default .cache/kafka-jars; needs root, debootstrap and a Docker daemon)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
jars=${1:-"$here/../.cache/kafka-jars"}
suite=bookworm # its openjdk-17 is what the jars are tested with
packages=openjdk-17-jre-headless

broker=$(find "$jars" -maxdepth 1 -name 'kafka_2.13-*.jar' -printf '%f\n' | head -n 1)
[ -n "$broker" ] || { echo "no Kafka jars in $jars: run .ci/fetch-kafka.sh" >&2; exit 1; }
version=${broker#kafka_2.13-}
# The tag changes with whatever the image is made of.
made_of=$({ cat "$0" "$here/kafka/start.sh"; ls "$jars"; } | sha256sum | head -c 8)
image=flowtrack-tests/kafka:${version%.jar}-$made_of
if docker image inspect "$image" >/dev/null 2>&1; then
    echo "$image"
    exit 0
fi

command -v debootstrap >/dev/null || { echo "debootstrap is not installed: no image built" >&2; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include="$packages" "$suite" "$root" >"$root.log" 2>&1 || {
    tail -n 3 "$root.log" >&2
    echo "debootstrap failed: the whole log is $root.log" >&2
    exit 1
}
rm -rf "$root.log" "$root"/var/cache/apt "$root"/var/lib/apt/lists
install -D -m 0755 "$here/kafka/start.sh" "$root/etc/kafka/docker/run"
install -d "$root/opt/kafka/libs" && cp "$jars"/*.jar "$root/opt/kafka/libs/"
tar -C "$root" -c . | docker import --change 'CMD ["/etc/kafka/docker/run"]' --change 'EXPOSE 9092' - "$image" >&2
echo "$image"
