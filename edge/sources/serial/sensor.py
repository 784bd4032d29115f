"""A board on a serial port as a source of samples: survives unplugging, loss, restarts and a slow pipeline."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import numpy as np

from edge.messages import Samples
from edge.sources import SourceMessage
from edge.sources.serial import ports
from edge.sources.serial.assembly import SILENT_S, Assembler
from edge.sources.serial.reader import Damaged, Dropped, Found, Gone, Mailbox, News, Reader, Sent, Stalled
from edge.sources.serial.settings import Sensor

STATE_EVERY_S = 10.0
# Blocks are joined up to about so many samples: to catch up is then cheap, and takes no more memory the more there is.
_JOINED = 1024
# For longer than this no reader that works is behind with what has come.
_BUSY_S = 4.0


class SerialSensor:
    """Samples of a board.

    Parameters
    ----------
    settings : Sensor
        Which port, and how.
    lister : callable, optional
        Lists the ports there are.
    """

    def __init__(self, settings: Sensor, lister: ports.Lister = ports.list_ports) -> None:
        self._settings = settings
        self._mailbox = Mailbox(settings.queue)
        self._reader = Reader(settings, self._mailbox, lister)
        self._assembler = Assembler(settings.port, _utc_offset_s())
        self._problem: str | None = "no board yet"
        # Before this connection, and on it.
        self._damaged = (0, 0)
        self._connections = 0
        self.found: Found | None = None

    def messages(self, stop: threading.Event) -> Iterator[SourceMessage]:
        """Yield what the board sends, as it comes, until `stop` is set.

        Raises
        ------
        SourceError
            If there is no usable board at the start and `wait` was not asked for, or if it samples at a rate that
            cannot be used.
        """
        self._reader.start()
        said_s = time.monotonic()
        try:
            while not stop.is_set():
                # What has come and is not yet understood, on a machine that is busy or still loads, is no silence.
                asked_s = max(self._reader.understood_s, time.monotonic() - _BUSY_S)
                yield from _joined(self._take(0.1))
                # All that had come until then has been taken in.
                if self._problem is None and self._assembler.silent_s(asked_s) > SILENT_S:
                    self._problem = f"{self._settings.port}: no new samples for {SILENT_S:.0f} s, although it sends"
                    yield self._assembler.state(asked_s, self._problem)
                now_s = time.monotonic()
                if self._problem is not None:
                    yield from self._assembler.absent(now_s)  # type: ignore[misc]  # gaps
                if now_s - said_s >= STATE_EVERY_S:
                    said_s = now_s
                    self._assembler.utc_offset_s = _utc_offset_s()
                    yield self._assembler.state(now_s, self._problem)
        finally:
            self._reader.stop()

    def _take(self, timeout_s: float) -> Iterator[SourceMessage]:
        for news, now_s in self._mailbox.take(timeout_s):
            yield from self._understand(news, now_s)

    def _understand(self, news: News, now_s: float) -> Iterator[SourceMessage]:
        assembler = self._assembler
        match news:
            case Found():
                self._connections += 1
                assembler.counts["reconnects"] = self._connections - 1
                self.found = news
            case Gone():
                yield from self._gone(news, now_s)
            case Stalled():
                what = "nothing of what comes was understood" if news.sends else "nothing has come"
                self._problem = f"{self._settings.port}: {what} for {news.seconds:.0f} s"
                yield assembler.state(now_s, self._problem)
            case Dropped():
                assembler.dropped(news.n)
            case Sent():
                assembler.sent_ping(news.token, now_s)
            case Damaged():
                self._damaged = (self._damaged[0], news.n)
                assembler.counts["damaged"] = sum(self._damaged)
            case _:
                out = assembler.push(news, now_s)
                yield from out  # type: ignore[misc]  # an assembler gives nothing else
                if self._problem is not None and any(isinstance(message, Samples) for message in out):
                    self._problem = None
                    yield assembler.state(now_s)

    def _gone(self, gone: Gone, now_s: float) -> Iterator[SourceMessage]:
        error = gone.error
        if self._assembler.stream is None and not self._settings.wait and not gone.others:
            raise error
        self._assembler.disconnected()
        self._damaged = (sum(self._damaged), 0)
        # How many bytes or seconds there were until now is no news.
        if _without_numbers(self._problem or "") != _without_numbers(str(error)):
            self._problem = str(error)
            yield self._assembler.state(now_s, self._problem)


def _joined(messages: Iterator[SourceMessage]) -> Iterator[SourceMessage]:
    """Join blocks that follow each other: what came while the pipeline was busy is then taken in at once."""
    blocks: list[Samples] = []
    for message in messages:
        if not isinstance(message, Samples):
            yield from _as_one(blocks)
            blocks = []
            yield message
            continue
        blocks.append(message)
        if message.end - blocks[0].start >= _JOINED:
            yield from _as_one(blocks)
            blocks = []
    yield from _as_one(blocks)


def _as_one(blocks: list[Samples]) -> Iterator[Samples]:
    if len(blocks) == 1:
        yield blocks[0]
    elif blocks:
        yield Samples(start=blocks[0].start, mv=np.concatenate([block.mv for block in blocks]))


def _without_numbers(text: str) -> str:
    return re.sub(r"[\d.,]+", "", text)


def _utc_offset_s() -> float:
    """Return what makes the monotonic clock UTC; asked again now and then, for the system's clock may be set."""
    return time.time() - time.monotonic()
