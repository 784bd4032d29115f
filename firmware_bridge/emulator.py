"""Runs a board in software against the real clock, on a pty or on a real port."""

from __future__ import annotations

import contextlib
import os
import re
import select
import threading
import time
import tty
from pathlib import Path
from typing import Protocol

from firmware_bridge.boards import Board
from firmware_bridge.link_faults import FaultInjector, LinkFaults

_TICK_S = 0.002
# So often a board that waits for its reader looks whether it is to stop.
_PATIENCE_S = 0.2
# Names of pseudo terminals, on Linux and on macOS.
_PTY = re.compile(r"/dev/(pts/|ttys)\d+")


class Line(Protocol):
    """Where a board's bytes go.

    Attributes
    ----------
    path : str
        What a reader opens.
    """

    path: str

    def read(self) -> bytes:
        """Return what the host has sent, without waiting."""

    def write(self, data: bytes, wait_s: float) -> int:
        """Send; give up after `wait_s` if nobody takes it in. Return how many bytes were sent."""

    def unplug(self) -> None:
        """Vanish."""

    def plug(self) -> None:
        """Be there again."""

    def close(self) -> None:
        """Be gone for good."""


class Pty:
    """A pseudo terminal; every plugging-in gives another one.

    Parameters
    ----------
    link : Path, optional
        A symbolic link that always points to it while it is plugged in; one to a pseudo terminal, that an emulator has
        left, is replaced, and nothing else is.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._link = link
        self._fds: tuple[int, int] | None = None
        self._next: tuple[int, int] | None = None
        self.path = ""
        self.plug()

    def plug(self) -> None:
        """Be there, as a pseudo terminal of another number than before."""
        self._fds, self._next = self._next or _open(), None
        self.path = os.ttyname(self._fds[1])
        if self._link is not None:
            if _PTY.fullmatch(_target(self._link)):
                self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.path)

    def unplug(self) -> None:
        """Hang up: a reader gets an error, and the link is gone."""
        # Opened before the old one is closed, or it would get its number.
        self._next = self._next or _open()
        self._hang_up()

    def close(self) -> None:
        """Be gone for good."""
        self._hang_up()
        _shut(self._next)
        self._next = None

    def _unlink(self) -> None:
        """Take the link away, but nothing else that may stand in its place by now."""
        if self._link is not None and self.path and _target(self._link) == self.path:
            self._link.unlink(missing_ok=True)

    def _hang_up(self) -> None:
        self._unlink()
        _shut(self._fds)
        self._fds = None

    def read(self) -> bytes:
        """Return what the host has sent."""
        try:
            return os.read(self._fds[0], 4096) if self._fds else b""
        except BlockingIOError:
            return b""

    def write(self, data: bytes, wait_s: float) -> int:
        """Send, waiting until there is room."""
        sent = 0
        while self._fds is not None and sent < len(data):
            if not select.select([], [self._fds[0]], [], wait_s)[1]:
                break
            with contextlib.suppress(BlockingIOError):
                sent += os.write(self._fds[0], data[sent:])
        return sent


def _target(link: Path) -> str:
    """Return where a symbolic link points; nowhere if there is none."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _open() -> tuple[int, int]:
    master, slave = os.openpty()
    # Before the first byte: an echo would send the board's own bytes back to it.
    tty.setraw(slave)
    os.set_blocking(master, False)
    return master, slave


def _shut(fds: tuple[int, int] | None) -> None:
    for fd in fds or ():
        os.close(fd)


class RealPort:
    """A real serial port, whose other end a reader listens to.

    Parameters
    ----------
    device : str
        Path or pyserial URL.
    baud : int
        Line speed.
    """

    def __init__(self, device: str, baud: int) -> None:
        import serial  # noqa: PLC0415  # only here

        self.path = device
        self._port = serial.serial_for_url(device, baudrate=baud, timeout=0)

    def read(self) -> bytes:
        """Return what the host has sent."""
        data: bytes = self._port.read(4096)
        return data

    def write(self, data: bytes, wait_s: float) -> int:
        """Send."""
        self._port.write_timeout = max(wait_s, 0.5)
        return int(self._port.write(data))

    def unplug(self) -> None:
        """Close."""
        self._port.close()

    def plug(self) -> None:
        """Open again."""
        self._port.open()

    close = unplug


class Emulator:
    """Paces a board and faults what it sends.

    Parameters
    ----------
    board : Board
        What sends.
    line : Line
        Where to.
    speed : float
        Board seconds a second; at other speeds than 1 the board waits for its reader instead of losing samples.
    faults : LinkFaults
        What happens on the way.
    """

    def __init__(self, board: Board, line: Line, *, speed: float = 1.0, faults: LinkFaults | None = None) -> None:
        self._board = board
        self._line = line
        self._faults = faults or LinkFaults()
        self._injector = FaultInjector(self._faults)
        self._rate = speed * (1 + self._faults.drift_ppm * 1e-6)
        self._patient = speed != 1.0
        self._stop = threading.Event()
        self._plugged = True
        self.unsent = 0

    def run(self, stop: threading.Event | None = None) -> None:
        """Run until the board has sent everything or `stop` is set; the line stays open."""
        self._stop = stop or self._stop
        began_s = time.monotonic()
        while not self._board.finished and not self._stop.is_set():
            self._tick((time.monotonic() - began_s) * self._rate)
            self._stop.wait(_TICK_S)

    def _tick(self, board_s: float) -> None:
        self._replug(self._faults.plugged(board_s))
        self._board.lead_off = self._faults.electrode_off(board_s)
        if self._plugged:
            self._send(self._board.receive(self._line.read(), board_s))
        if not self._faults.stalled(board_s):
            self._send(self._injector.pass_on(self._board.due(board_s)))

    def _replug(self, plugged: bool) -> None:
        if plugged != self._plugged:
            self._plugged = plugged
            (self._line.plug if plugged else self._line.unplug)()

    def _send(self, packets: list[bytes]) -> None:
        for packet in packets:
            rest = packet[self._line.write(packet, 0.0) :] if self._plugged else packet
            while rest and self._plugged and self._patient and not self._stop.is_set():
                rest = rest[self._line.write(rest, _PATIENCE_S) :]
            self.unsent += bool(rest)
