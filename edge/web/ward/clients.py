"""Browsers that look at the ward, and what waits for each of them: bounded, the newest word on a bed only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

import msgspec

# Three seconds of samples; a browser that has not taken them by then cannot keep up.
_MOST_WAITING = 30
WARD, ALL = " ward", " all"
"""What events are about that are of no bed: no device is called so."""


class EventClient:
    """Told states: of each bed, and of the ward, the newest that it has not taken yet."""

    def __init__(self) -> None:
        self._waiting: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self._closed = False

    def put(self, about: str, event: bytes) -> None:
        """Leave the newest state of a bed, or of the ward, in the place of the one before."""
        self._waiting[about] = event
        self._news.set()

    def close(self) -> None:
        """Tell it nothing more."""
        self._closed = True
        self._news.set()

    async def take(self) -> bytes:
        """Wait for news and return all of it; nothing at the end."""
        await self._news.wait()
        self._news.clear()
        taken = b"".join(self._waiting.values())
        self._waiting.clear()
        return b"" if self._closed else taken


class Lost(msgspec.Struct, frozen=True):
    """Told to a browser that does not keep up: how many blocks of samples it was not given."""

    lost: int


class WaveClient:
    """Given samples, of all beds or of some.

    Attributes
    ----------
    hopeless : bool
        Whether it has kept up so badly, for so long, that it is better sent away.
    """

    def __init__(self) -> None:
        self.beds: frozenset[int] | None = None
        self.hopeless = False
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._overflows = 0
        self._news = asyncio.Event()
        self._closed = False

    def put(self, frames: Iterable[tuple[int, bytes]]) -> None:
        """Leave some frames; where too much waits already, all of it is thrown away and that is told."""
        wanted = [frame for bed, frame in frames if self.beds is None or bed in self.beds]
        if not wanted:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._lost += len(self._waiting)
            self._waiting.clear()
            self._overflows += 1
            self.hopeless = self._overflows >= 3
        self._waiting.append(b"".join(wanted))
        self._news.set()

    def close(self) -> None:
        """Give it nothing more."""
        self._closed = True
        self._news.set()

    async def take(self) -> Lost | bytes | None:
        """Wait for samples and return them, or first how many were lost; None at the end."""
        while not self._closed and not self.hopeless:
            if self._lost:
                lost, self._lost = self._lost, 0
                return Lost(lost)
            if self._waiting:
                frames = b"".join(self._waiting)
                self._waiting.clear()
                return frames
            self._overflows = 0
            self._news.clear()
            await self._news.wait()
        return None
