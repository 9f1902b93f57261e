"""Ports of the loopback interface."""

from __future__ import annotations

import secrets
import socket

from flowtrack.errors import RuntimeStateError

HOST = "127.0.0.1"
_RANGE = range(20_000, 32_000)  # below the client ports of Linux (from 32,768) and of others (from 49,152)
_TRIES = 100


def free_port() -> int:
    """Give a port that nobody uses now, and that no client connection takes by chance a moment later.

    A port that the system itself gives lies in the range from which it serves client connections, too: between the
    question and its use somebody may have got it.

    Raises:
        RuntimeStateError: none of many ports is free.
    """
    for _ in range(_TRIES):
        port = _RANGE.start + secrets.randbelow(len(_RANGE))
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
    raise RuntimeStateError(
        f"no free port found between {_RANGE.start} and {_RANGE.stop}",
        where=HOST,
        help="look for what listens on so many, or for what forbids to listen",
    )


def check_free(port: int) -> None:
    """Make sure that nobody listens on a port.

    Raises:
        RuntimeStateError: somebody does; names the process where the system tells.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise RuntimeStateError(
                f"port `{port}` is in use{_by_whom(port)}",
                where=f"{HOST}:{port}",
                help="stop that process, or choose another port with --port",
            ) from error


def _by_whom(port: int) -> str:
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return ""
    pids = {c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port and c.pid}
    return f" by process {min(pids)}" if pids else ""
