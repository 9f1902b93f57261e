"""What a client asks ClickHouse's HTTP interface for, and what the tests' front does to it instead of answering."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from typing import Literal, NamedTuple, Self
from urllib.parse import parse_qsl

import cramjam

_INSERT = re.compile(rb"\A\s*INSERT\s+INTO\s+(?P<into>[^\n]*?)\s+FORMAT\s+(?P<format>\w+)[ \t]*\n", re.IGNORECASE)
_TABLE = re.compile(r"\A(?:`?\w+`?\.)?`?(?P<table>\w+)`?")
# What the transport itself takes; everything else in a URL is a setting of the statement.
_TRANSPORT = frozenset(
    {
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "quota_key",
        "role",
        "buffer_size",
        "wait_end_of_query",
        "compress",
        "decompress",
        "client_protocol_version",
        "enable_http_compression",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
    }
)


class Request(NamedTuple):
    """One request, taken apart.

    `statement` is without the data of an insert; `settings` are those of the statement, `transport` those of HTTP.
    """

    user: str
    password: str
    statement: str
    data: bytes | None
    parameters: dict[str, str]
    settings: dict[str, str]
    transport: dict[str, str]
    accept: str

    @property
    def into(self) -> str:
        """Table and columns of an insert that brings its data; empty for every other statement."""
        match = _INSERT.match(f"{self.statement}\n".encode())
        return match["into"].decode() if match and self.data is not None else ""

    @property
    def table(self) -> str:
        """Name of the table that such an insert writes to, without its database."""
        match = _TABLE.match(self.into)
        return match["table"] if match else ""

    @property
    def data_format(self) -> str:
        """Format of an insert's data."""
        match = _INSERT.match(f"{self.statement}\n".encode())
        return match["format"].decode() if match else ""

    def reading(self, path: str) -> str:
        """Such an insert as the engine runs it, which takes no data behind a statement: from a file."""
        if self.table != self.into and "FROM input(" in self.into:
            return "INSERT INTO " + self.into.replace("FROM input(", f"FROM file('{path}', '{self.data_format}', ")
        return f"INSERT INTO {self.into} FROM INFILE '{path}' COMPRESSION 'none' FORMAT {self.data_format}"

    @property
    def token(self) -> str:
        """The deduplication token of an insert: by it one client can be told from another."""
        return self.settings.get("insert_deduplication_token", "")

    @property
    def reads(self) -> bool:
        """Whether the statement gives a result."""
        return (
            self.statement.lstrip("( \n\t")[:8]
            .upper()
            .startswith(("SELECT", "WITH", "SHOW", "DESC", "EXPLAIN", "EXIST"))
        )


Matching = Callable[[Request], bool]
"""Which requests are meant."""


def inserts(table: str = "", token: str = "") -> Matching:
    """Inserts with data into a table (any, when empty) whose token begins so."""
    return lambda request: bool(request.into) and table in {"", request.table} and request.token.startswith(token)


def reads(words: str = "") -> Matching:
    """Queries whose statement holds these words."""
    return lambda request: request.reads and words in request.statement


def writes(words: str = "") -> Matching:
    """Statements without data that change something, e.g. `CREATE TABLE`, and hold these words."""
    return lambda request: not request.reads and not request.into and words in request.statement


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of an ordinary answer.

    Attributes:
        runs: whether the statement takes effect.
        answer: `whole`, `half` of the body, `none` (the client waits until it gives up), or `dropped` (the connection
            ends without a byte).
        status, headers, body: of the answer, in place of the engine's.
        delay_s: how long the answer waits.
    """

    runs: bool = False
    answer: Literal["whole", "half", "none", "dropped"] = "whole"
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0

    @classmethod
    def unanswered(cls, *, runs: bool) -> Self:
        """The client's time runs out, before or after the statement took effect."""
        return cls(runs=runs, answer="none")

    @classmethod
    def dropped(cls, *, runs: bool) -> Self:
        """The connection breaks, before or after the statement took effect."""
        return cls(runs=runs, answer="dropped")

    @classmethod
    def half(cls) -> Self:
        """The statement takes effect, and the connection breaks in the middle of its answer."""
        return cls(runs=True, answer="half")

    @classmethod
    def unavailable(cls, status: int = 503, *, retry_after_s: int | None = None) -> Self:
        """A proxy before the server says that there is none."""
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        return cls(status=status, headers=headers, body=b"upstream connect error\n")

    @classmethod
    def says(cls, code: int, name: str, *, status: int = 500, text: str = "of a test", runs: bool = False) -> Self:
        """The server refuses with an exception of its own."""
        body = f"Code: {code}. DB::Exception: {text}. ({name}) (version 26.9.2.1)\n".encode()
        return cls(runs=runs, status=status, headers={"X-ClickHouse-Exception-Code": str(code)}, body=body)

    @classmethod
    def answers(cls, body: bytes) -> Self:
        """Something else than the engine would say, e.g. another version."""
        return cls(status=200, body=body)

    @classmethod
    def slow(cls, delay_s: float) -> Self:
        """An ordinary answer, later."""
        return cls(runs=True, delay_s=delay_s)


def unpacked(body: bytes, encoding: str) -> bytes:
    """A body as it was before its `Content-Encoding`."""
    match encoding:
        case "" | "identity":
            return body
        case "lz4":
            return bytes(cramjam.lz4.decompress(body))
        case "zstd":
            return bytes(cramjam.zstd.decompress(body))
        case "gzip":
            return bytes(cramjam.gzip.decompress(body))
    raise ValueError(encoding)


def packed(body: bytes, accept: str) -> tuple[bytes, str]:
    """A body in the first encoding of those accepted that is known here, and that encoding's name."""
    for encoding in (part.partition(";")[0].strip() for part in accept.split(",")):
        match encoding:
            case "lz4":
                return bytes(cramjam.lz4.compress(body)), encoding
            case "zstd":
                return bytes(cramjam.zstd.compress(body)), encoding
            case "gzip":
                return bytes(cramjam.gzip.compress(body)), encoding
    return body, ""


def taken_apart(query_string: str, headers: Mapping[str, str], body: bytes, user: str, password: str) -> Request:
    """Read a request: URL parameters, the body in its encoding, and form fields where parameters are long."""
    given = dict(parse_qsl(query_string, keep_blank_values=True))
    body = unpacked(body, headers.get("Content-Encoding") or "")
    kind = headers.get("Content-Type") or ""
    if kind.startswith("multipart/form-data"):
        form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=HTTP)
        for part in form.iter_parts():
            name = part.get_param("name", header="content-disposition")
            given[str(name)] = bytes(part.get_payload(decode=True) or b"").decode()
        body = b""
    query = given.get("query", "").encode()
    whole = query + b"\n" + body if query and body else query or body
    insert = _INSERT.match(whole)
    data = whole[insert.end() :] if insert else None
    statement = (whole[: insert.end()] if insert else whole).decode().rstrip("\n")
    return Request(
        user=given.get("user", user),
        password=given.get("password", password),
        statement=statement,
        data=data,
        parameters={name[6:]: value for name, value in given.items() if name.startswith("param_")},
        settings={n: v for n, v in given.items() if n not in _TRANSPORT and not n.startswith("param_")},
        transport={name: value for name, value in given.items() if name in _TRANSPORT},
        accept=headers.get("Accept-Encoding") or "",
    )
