"""Ports of the loopback interface."""

from __future__ import annotations

import socket

from flowtrack.errors import RuntimeStateError

HOST = "127.0.0.1"


def free_port() -> int:
    """Give a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


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
