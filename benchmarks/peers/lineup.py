"""The peers of the checker: how each is got ready and started, or why it is not to be had here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_QUIX = ROOT / ".cache" / "quix"
_QUIX_NEEDS = ("quixstreams==3.28.1", "msgspec")
_STREAMS = ROOT / ".cache" / "kafka-streams"
_STREAMS_PROJECT = ROOT / "benchmarks" / "kafka_streams"
_BUILD_S = 300.0
_FAUST_EVENTS = 5_000  # at 3,000 a second: enough for a rate


class PeerMissingError(Exception):
    """A peer is not to be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that does the bare work of the checker on the same topics."""

    key: str
    """How it is called on the command line; its consumer group, with `bench-` before it."""
    title: str
    ready: Callable[[], list[str]]
    """Builds or installs it if need be, and gives its command without the group.

    Raises:
        PeerMissingError: it is not to be had here.
    """
    options: tuple[str, ...] = ()
    events_max: int | None = None
    """How many events suffice, where it would take minutes over all."""
    warm_part: float = 0.05
    """Which part of its events is worked before the clock starts."""

    @property
    def group(self) -> str:
        """Its consumer group."""
        return f"bench-{self.key}"

    def command(self) -> list[str]:
        """Give the whole command.

        Raises:
            PeerMissingError: it is not to be had here.
        """
        return [*self.ready(), self.group, *self.options]

    @staticmethod
    def environment(folder: Path) -> Mapping[str, str]:
        """What it finds in its environment besides Kafka's address."""
        return {
            "FLOWTRACK_BENCH_DECISION": str(ROOT / "benchmarks" / "peers" / "decisions.jsonl"),
            "FLOWTRACK_BENCH_STATE": str(folder),
        }


def _here(module: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.peers.{module}"]


def _streams() -> list[str]:
    java, maven = shutil.which("java"), shutil.which("mvn")
    jar = _STREAMS / "bare-streams.jar"
    newest = max(path.stat().st_mtime for path in _STREAMS_PROJECT.rglob("*") if path.is_file())
    if java is None:
        raise PeerMissingError("there is no `java`: install a JDK")
    if not jar.exists() or jar.stat().st_mtime < newest:
        if maven is None:
            raise PeerMissingError("there is no `mvn` to build it with: install Maven and a JDK")
        _run([maven, "-q", "-B", "-f", str(_STREAMS_PROJECT), "package"])
    classes = f"{jar}:{_STREAMS}/lib/*"
    return [
        java,
        "-Xmx1g",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        "-cp",
        classes,
        "flowtrack.bench.BareStreams",
    ]


def _quix() -> list[str]:
    python = _QUIX / "bin" / "python"
    done = _QUIX / "installed"
    if not done.exists() or done.read_text(encoding="utf-8") != repr(_QUIX_NEEDS):
        _run([sys.executable, "-m", "venv", "--clear", str(_QUIX)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_QUIX_NEEDS])
        done.write_text(repr(_QUIX_NEEDS), encoding="utf-8")
    return [str(python), "-m", "benchmarks.peers.quix_loop"]


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_BUILD_S)
    except subprocess.TimeoutExpired as error:
        raise PeerMissingError(f"`{Path(command[0]).name}` took more than {_BUILD_S:g} s") from error
    except subprocess.CalledProcessError as error:
        said = (error.stdout + error.stderr).strip().splitlines() or [f"status {error.returncode}"]
        raise PeerMissingError(f"`{Path(command[0]).name}` failed: {said[0]}") from error


PEERS = (
    Peer("bare", "bare loop", lambda: _here("bare_loop")),
    Peer("bare-transactions", "bare loop, transactions", lambda: _here("bare_loop"), ("--transactions",)),
    Peer("streams", "Kafka Streams, exactly_once_v2", _streams, warm_part=0.5),  # the JVM compiles all that while
    Peer("quix", "Quix Streams", _quix),
    Peer("faust", "stock Faust", lambda: _here("stock_faust"), events_max=_FAUST_EVENTS),
)
"""In the order in which they take their turns."""
