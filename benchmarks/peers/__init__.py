"""What others do with the same input: each a process of its own, told everything by its environment.

`FLOWTRACK_KAFKA__BOOTSTRAP_SERVERS` says where Kafka is, `FLOWTRACK_BENCH_DECISION` names a file of decisions with
marks for an event's fields, `FLOWTRACK_BENCH_STATE` a folder of the peer's own; it writes `FLOWTRACK_READY_FILE` once
it can begin, and ends at SIGTERM.  The peers need no Flowtrack: one of them runs in an environment without it.
"""
