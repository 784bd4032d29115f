"""Plays a record as a board in software."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np

from edge.errors import SourceError, printable
from edge.messages import Samples
from edge.service.replay import EXIT_INTERRUPTED, stop_on_signal
from edge.sources.wfdb_record import open_record
from firmware_bridge.boards import make_board
from firmware_bridge.emulator import Emulator, Line, Pty, RealPort
from firmware_bridge.link_faults import LinkFaults


class Emulation(msgspec.Struct, frozen=True, kw_only=True):
    """What to play, and how.

    Attributes
    ----------
    record : str
        Path or name of a WFDB record.
    data : Path or None
        Folder to look in first.
    format : str
        One of `firmware_bridge.boards.FORMATS`.
    link : Path or None
        A symbolic link to make to the pty.
    port : str or None
        A real port to play on instead.
    baud : int
        Its line speed.
    speed : float
        Times real time.
    wait : bool
        Begin only once a reader has said something.
    uv_per_lsb : float
        Resolution of a native board.
    faults : LinkFaults
        What happens on the way.
    """

    record: str
    data: Path | None = None
    format: str = "native"
    link: Path | None = None
    port: str | None = None
    baud: int = 115200
    speed: float = 1.0
    wait: bool = False
    uv_per_lsb: float = 5.0
    faults: LinkFaults = LinkFaults()


def run(emulation: Emulation) -> int:
    """Play the record once; return the command's exit code."""
    source = open_record(emulation.record, emulation.data)
    stream = source.stream
    blocks = [block.mv for block in source.blocks(round(60 * stream.fs_hz)) if isinstance(block, Samples)]
    board = make_board(
        emulation.format,
        np.concatenate(blocks),
        stream.fs_hz,
        stream.leads,
        running=not emulation.wait,
        uv_per_lsb=emulation.uv_per_lsb,
    )
    line = _line(emulation)
    emulator = Emulator(board, line, speed=emulation.speed, faults=emulation.faults)
    print(line.path, flush=True)
    _say(f"{stream.name} at {board.fs_hz:g} Hz as {emulation.format}; Ctrl-C ends it")
    with stop_on_signal() as stop:
        try:
            emulator.run(stop)
        finally:
            line.close()
        if emulator.unsent:
            _say(f"{emulator.unsent:,} packets found nobody listening")
        return EXIT_INTERRUPTED if stop.is_set() else 0


def _line(emulation: Emulation) -> Line:
    where = emulation.port or str(emulation.link or "pty")
    try:
        return RealPort(emulation.port, emulation.baud) if emulation.port else Pty(emulation.link)
    except FileExistsError as error:
        raise SourceError(where, "is something else already", "give --link a name that is free") from error
    except OSError as error:
        raise SourceError(where, f"cannot be opened ({error.strerror or error})") from error


def _say(text: str) -> None:
    print(f"ecg-edge: {printable(text)}", file=sys.stderr, flush=True)
