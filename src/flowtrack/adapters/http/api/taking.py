"""A long answer that ends when nobody takes it: a client that stops reading must not hold a place for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

import structlog
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from flowtrack.adapters.http.api.guard import BrokenOffError

_PIECE_BYTES: Final = 1 << 18
"""What has to be taken in time: the smaller, the slower a client may be, and the more often we look."""


_log = structlog.get_logger(__name__)


class Taken(StreamingResponse):
    """Streams pieces for as long as the client takes them.

    Args:
        pieces: closed in any case, so that whatever they hold is given back.
        stall_s: the client may take so long for each 256 KiB.
        media_type: of the whole.
        headers: likewise.
    """

    def __init__(
        self, pieces: AsyncGenerator[bytes, None], *, stall_s: float, media_type: str, headers: dict[str, str]
    ) -> None:
        super().__init__(_cut(pieces), media_type=media_type, headers=headers)
        self._stall_s = stall_s
        self._pieces = pieces

    async def stream_response(self, send: Send) -> None:
        """Send all pieces.

        Raises:
            BrokenOffError: the client stopped reading.
        """

        async def sent(message: Message) -> None:
            try:
                async with asyncio.timeout(self._stall_s):
                    await send(message)
            except TimeoutError:
                _log.warning("an export is ended: its client takes nothing", after_s=self._stall_s)
                raise BrokenOffError from None

        async with aclosing(self._pieces):
            await super().stream_response(sent)


async def _cut(pieces: AsyncIterator[bytes]) -> AsyncIterator[memoryview]:
    async for piece in pieces:
        whole = memoryview(piece)
        for begin in range(0, len(whole), _PIECE_BYTES):
            yield whole[begin : begin + _PIECE_BYTES]
