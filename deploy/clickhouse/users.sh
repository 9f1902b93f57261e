#!/bin/bash
# Run by the image's entrypoint on a server's first start: an account for each part of Flowtrack, with its role.
# What a role may do comes with `flowtrack store migrate` (FLOWTRACK_CLICKHOUSE__MANAGE_ROLES=true).
set -euo pipefail

ask() {
    clickhouse-client --user "$CLICKHOUSE_USER" --password "$CLICKHOUSE_PASSWORD" --query "$1"
}

account() { # name, role, file with the password: only its hash goes into a statement, which the server logs
    [[ -f "$3" ]] || return 0 # who has no password here is not wanted here
    local hash
    hash=$(tr -d '\n' < "$3" | sha256sum | cut -d' ' -f1)
    ask "CREATE ROLE IF NOT EXISTS $2"
    ask "CREATE USER IF NOT EXISTS $1 IDENTIFIED WITH sha256_hash BY '$hash'"
    ask "GRANT $2 TO $1"
}

account flowtrack_sink flowtrack_writer /run/secrets/clickhouse_sink_password
account flowtrack_api flowtrack_auditor /run/secrets/clickhouse_api_password
