"""A board in software on a pty, and a sensor that listens to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from edge.messages import Gap, Samples, SourceState
from edge.sources import SourceMessage
from edge.sources.serial.sensor import SerialSensor
from firmware_bridge.boards import Board
from firmware_bridge.emulator import Emulator, Pty
from firmware_bridge.link_faults import LinkFaults

FS_HZ = 360.0


@contextmanager
def running(
    board: Board, line: Pty, *, speed: float = 1.0, faults: LinkFaults | None = None
) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=Emulator(board, line, speed=speed, faults=faults).run, args=(stop,))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()
        line.close()


def listen(sensor: SerialSensor, seconds: float, until: threading.Thread | None = None) -> list[SourceMessage]:
    """Collect what a sensor says for some time, or until a board has sent everything and a moment longer."""
    stop = threading.Event()

    def wait() -> None:
        if until is None:
            time.sleep(seconds)
        else:
            until.join(seconds)
            time.sleep(0.5)
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    return list(sensor.messages(stop))


def whole(messages: list[SourceMessage]) -> NDArray[np.float32]:
    """Return the samples as one array, NaN in the gaps; they must follow each other without a hole."""
    parts: list[NDArray[np.float32]] = []
    at = 0
    for message in messages:
        if isinstance(message, Samples):
            assert message.start == at
            parts.append(message.mv)
            at = message.end
        elif isinstance(message, Gap):
            assert message.start == at
            parts.append(np.full((message.n, 2), np.nan, np.float32))
            at += message.n
    return np.concatenate(parts)


def states(messages: list[SourceMessage]) -> list[SourceState]:
    return [message for message in messages if isinstance(message, SourceState)]
