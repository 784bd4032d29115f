"""The thread that stays at the port: opens it, reads, recognises, decodes, and opens it again when it is gone.

It hands over what boards say in a bounded queue and never waits for whoever takes it out.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import msgspec

from edge.errors import SourceError
from edge.sources.serial import ports
from edge.sources.serial.boards import FORMATS
from edge.sources.serial.boards.items import Block, BoardFormat, Description, Item
from edge.sources.serial.boards.text import Layout, Text
from edge.sources.serial.recognition import Recognised, Recogniser
from edge.sources.serial.settings import AUTO, FormatName, Sensor
from firmware_bridge import codec, cyton, frames

# A board that resets when its port is opened (every Arduino) may sit in its bootloader for two seconds first, and say
# nothing while it starts.
_SILENCE_S = 8.0
_ASK_S = 1.0
_STALL_S = 2.0
_PING_EVERY_S = 1.0
_BACKOFF_S = (0.1, 5.0)
# So long a board may take to change its rate.
_RATE_S = 2.0


class Found(msgspec.Struct, frozen=True):
    """The port is open, the format known, and what the board is."""

    device: str
    format: FormatName
    what: str


class Gone(msgspec.Struct, frozen=True):
    """The port cannot be opened or read, or what comes cannot be understood; `others` are still to be tried."""

    error: SourceError
    others: bool = False


class Dropped(msgspec.Struct, frozen=True):
    """Samples that found the queue full."""

    n: int


class Stalled(msgspec.Struct, frozen=True):
    """The port is open, and nothing that is understood has come; `sends` is whether anything has."""

    seconds: float
    sends: bool


class Sent(msgspec.Struct, frozen=True):
    """A ping was sent."""

    token: int


class Damaged(msgspec.Struct, frozen=True):
    """How many stretches of bytes could not be understood so far on this connection."""

    n: int


News = Item | Found | Gone | Dropped | Stalled | Sent | Damaged


class Mailbox:
    """A bounded queue whose sender never waits: what does not fit is counted.

    Parameters
    ----------
    capacity : int
        Most messages kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[tuple[News, float]] = deque()
        self._dropped = 0
        self._ready = threading.Condition()

    def put(self, news: News, now_s: float) -> None:
        """Add news that came at `now_s`; samples only if there is room."""
        with self._ready:
            if isinstance(news, Block):
                if len(self._items) >= self._capacity:
                    self._dropped += len(news.mv)
                    return
                if self._dropped:
                    self._items.append((Dropped(self._dropped), now_s))
                    self._dropped = 0
            elif len(self._items) >= 2 * self._capacity:
                return
            self._items.append((news, now_s))
            self._ready.notify()

    def take(self, timeout_s: float) -> list[tuple[News, float]]:
        """Return everything there is, waiting for the first of it up to `timeout_s`."""
        with self._ready:
            if not self._items:
                self._ready.wait(timeout_s)
            taken = list(self._items)
            self._items.clear()
            return taken


class Reader(threading.Thread):
    """Reads a board until told to stop.

    Parameters
    ----------
    settings : Sensor
        Which port, and how.
    mailbox : Mailbox
        Where its news go.
    lister : callable
        Lists the ports there are.
    """

    def __init__(self, settings: Sensor, mailbox: Mailbox, lister: ports.Lister = ports.list_ports) -> None:
        super().__init__(name="serial-reader", daemon=True)
        self._settings = settings
        self._mailbox = mailbox
        self._lister = lister
        self._stop_asked = threading.Event()
        self._wanted = settings.port
        self._turn = self._n_devices = 0
        self._only: FormatName | None = None if settings.format == AUTO else settings.format
        self._layout: Layout | None = None
        self._ever = self._understood = False
        self.understood_s = 0.0
        """What came until then has been handed over, or was found to be nothing."""

    def stop(self) -> None:
        """Close the port and end; returns once it is done."""
        self._stop_asked.set()
        if self.is_alive():
            self.join(timeout=5)

    def run(self) -> None:
        """Keep at it."""
        backoff_s = _BACKOFF_S[0]
        while not self._stop_asked.is_set():
            self._understood = False
            try:
                self._one_connection()
            except SourceError as error:
                self._tell(Gone(error, others=self._turn < self._n_devices))
            except OSError:
                # pyserial's words for it ("readiness to read but returned no data") help nobody.
                self._tell(Gone(SourceError(self._settings.port, "unplugged", "waiting for it to come back")))
            except Exception as error:  # whatever a driver does, the reader goes on
                reason = f"unexpected {type(error).__name__}, {error}"
                self._tell(Gone(SourceError(self._settings.port, reason, "trying again")))
            if self._understood:
                backoff_s = _BACKOFF_S[0]
            self._stop_asked.wait(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_S[1])

    def _tell(self, news: News) -> None:
        self._mailbox.put(news, time.monotonic())

    def _one_connection(self) -> None:
        devices = ports.candidates(self._wanted, self._lister)
        self._n_devices = len(devices)
        device = devices[self._turn % len(devices)]
        # Whichever of several ports turns out not to be a board, the next one is tried next time.
        self._turn += 1
        port = ports.open_port(device, self._settings.baud)
        try:
            while not self._stop_asked.is_set():
                errors_before = port.framing_errors() or 0
                try:
                    board = self._recognise(port, device)
                except SourceError as error:
                    explained = self._explained(error, device, (port.framing_errors() or 0) - errors_before)
                    if not self._stays:
                        raise explained from error
                    self._tell(Gone(explained))
                    continue
                if board is not None:
                    self._listen(port, board)
        finally:
            port.close()

    @property
    def _stays(self) -> bool:
        """Whether to go on listening to what is not understood: many a board boots again when its port is opened."""
        return self._n_devices == 1 and (self._settings.wait or self._ever)

    def _explained(self, error: SourceError, device: str, framing_errors: int) -> SourceError:
        reason = error.reason
        if framing_errors > 0:
            reason += f"; {framing_errors:,} framing errors: the board does not send at {self._settings.baud} baud"
        return SourceError(device, reason, error.fix)

    def _recognise(self, port: ports.Port, device: str) -> BoardFormat | None:
        """Return the board's format, having passed on what it said so far; None if told to stop."""
        recogniser = Recogniser(self._only, self._settings, self._layout)
        opened_s = time.monotonic()
        port.write(FORMATS[self._only or "native"](self._settings).wake)
        asked_cyton = self._only is not None
        while not self._stop_asked.is_set():
            recognised = recogniser.push(port.read_some(), now_s := time.monotonic())
            if recognised is not None:
                self._accept(recognised, device, port, now_s)
                return recognised.format
            silent_s = now_s - opened_s if not recogniser.n_bytes else 0.0
            if silent_s > _ASK_S and not asked_cyton:
                # The one known board that says nothing until it is asked.
                port.write(cyton.START)
                asked_cyton = True
            if silent_s > _SILENCE_S:
                raise SourceError(
                    device, f"silent for {silent_s:.0f} s", "is the board powered and its sketch running?"
                )
        return None

    def _accept(self, recognised: Recognised, device: str, port: ports.Port, now_s: float) -> None:
        # After a break the same board is expected: no need to find out again, and no other will do.
        self._only = recognised.format.name
        if self._wanted == AUTO:
            self._wanted, self._turn = ports.pinned(device, self._lister), 0
        self._ever = self._understood = True
        self._rate = _RateRequest(self._settings.rate_hz if self._only == "native" else None)
        self._tell(Found(device, self._only, recognised.description.what))
        self._deliver(recognised.items, port, now_s)

    def _listen(self, port: ports.Port, board: BoardFormat) -> None:
        """Pass on what the board says until told to stop, or until it sends otherwise than before."""
        heard_s = asked_s = time.monotonic()
        token, bad, stalled = 0, 0, False
        sends = False
        while not self._stop_asked.is_set():
            data = port.read_some()
            now_s = time.monotonic()
            items = board.push(data, now_s) if data else []
            self._layout = board.layout if isinstance(board, Text) else None
            self._deliver(items, port, now_s)
            self.understood_s = now_s
            sends = sends or bool(data)
            if board.bad != bad:
                bad = board.bad
                self._tell(Damaged(bad))
            silent_s = now_s - heard_s
            if any(isinstance(item, Block) for item in items):
                heard_s, stalled, sends = now_s, False, False
            elif silent_s > _STALL_S and not stalled:
                stalled = True
                self._tell(Stalled(silent_s, sends))
                port.write(board.wake)
            elif silent_s > 4 * _STALL_S and self._settings.format == AUTO and data:
                # It sends, but not what it sent before.
                self._only = self._layout = None
                what = f"nothing understood for {silent_s:.0f} s"
                self._tell(Gone(SourceError(self._settings.port, what, "finding out anew")))
                return
            if board.name == "native" and now_s - asked_s >= _PING_EVERY_S:
                asked_s = now_s
                token = (token + 1) & 0xFFFFFFFF
                self._tell(Sent(token))
                port.write(codec.encode(frames.Ping(token=token)))

    def _deliver(self, items: list[Item], port: ports.Port, now_s: float) -> None:
        for item in items:
            if self._rate.holds(item, now_s, port):
                continue
            self._mailbox.put(item, now_s)


class _RateRequest:
    """Asks a board for another rate, and holds back what it sends at the old one.

    Parameters
    ----------
    wanted_hz : float or None
        The rate to ask for; None leaves the board as it is.
    """

    def __init__(self, wanted_hz: float | None) -> None:
        self._wanted_hz = wanted_hz
        self._until_s: float | None = None

    def holds(self, item: Item, now_s: float, port: ports.Port) -> bool:
        """Whether `item` is not to be passed on."""
        if self._wanted_hz is None:
            return False
        if isinstance(item, Description):
            if item.fs_hz == self._wanted_hz:
                self._wanted_hz = None
                return False
            if self._until_s is None:
                self._until_s = now_s + _RATE_S
                port.write(codec.encode(frames.SetRate(rate_mhz=round(self._wanted_hz * 1000))))
            return True
        if self._until_s is not None and now_s > self._until_s:
            refused = f"cannot sample at {self._wanted_hz:g} Hz"
            raise SourceError("board", refused, "set sensor.rate_hz to a rate it can, or leave it out")
        return True
