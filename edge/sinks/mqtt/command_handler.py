"""Carries out commands in the thread that watches the stream."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import numpy as np

from edge.contract.commands import Acknowledge, Answer, Command, Inbox, Refusal, RotateLog, Snapshot
from edge.messages import Samples

SNAPSHOT_S = 10.0
# Each costs room, in the log's folder or on the way to the broker.
_ROTATE_EVERY_S, _SNAPSHOT_EVERY_S = 10.0, 1.0
Rotate = Callable[[], str]
"""Begins a new log and returns where the old one is; may raise `OSError`."""


class LastSamples:
    """The last seconds of signal as they came.

    Parameters
    ----------
    n : int
        Samples to keep.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._blocks: deque[Samples] = deque()
        self._held = 0

    def add(self, block: Samples) -> None:
        """Take a block; what lies before a loss is forgotten."""
        if self._blocks and self._blocks[-1].end != block.start:
            self._blocks.clear()
            self._held = 0
        self._blocks.append(block)
        self._held += len(block.mv)
        while self._held - len(self._blocks[0].mv) >= self._n:
            self._held -= len(self._blocks.popleft().mv)

    def samples(self) -> Samples | None:
        """Return them; None if there are none yet."""
        if not self._blocks:
            return None
        mv = np.concatenate([block.mv for block in self._blocks])[-self._n :]
        return Samples(start=self._blocks[-1].end - len(mv), mv=mv)


class CommandHandler:
    """Does what waits in an inbox.

    Parameters
    ----------
    device : str
        Device id.
    inbox : Inbox
        Where commands arrive.
    rotate : callable, optional
        Begins a new log of alerts.
    """

    def __init__(self, device: str, inbox: Inbox, rotate: Rotate | None = None) -> None:
        self._device = device
        self._inbox = inbox
        self._rotate = rotate
        self._done_s: dict[type[Command], float] = {}

    def next(self, *, acknowledge: Callable[[UUID, str | None], bool], snapshot: Callable[[], bool]) -> Answer | None:
        """Carry out the next command; return what to answer, None if there is nothing to do."""
        command = self._inbox.take()
        if command is None:
            return None
        if isinstance(command, Refusal):
            return self._answer(None, None, command.reason)
        return self._answer(_name(command), command.request, self._do(command, acknowledge, snapshot))

    def _do(
        self, command: Command, acknowledge: Callable[[UUID, str | None], bool], snapshot: Callable[[], bool]
    ) -> str | None:
        """Carry it out; return why it could not be done."""
        match command:
            case Acknowledge():
                return None if acknowledge(command.alert, command.by) else "no alert in force has this id"
            case Snapshot():
                return self._too_soon(Snapshot, _SNAPSHOT_EVERY_S) or self._sent(snapshot)
            case RotateLog():
                return self._too_soon(RotateLog, _ROTATE_EVERY_S) or self._rotated()

    def _too_soon(self, kind: type[Command], every_s: float) -> str | None:
        """Say that this was done just now; it is not done more often than is of use to anybody."""
        too_soon = time.monotonic() - self._done_s.get(kind, -every_s) < every_s
        return f"was done less than {every_s:g} s ago" if too_soon else None

    def _sent(self, snapshot: Callable[[], bool]) -> str | None:
        if not snapshot():
            return "there are no samples yet"
        self._done_s[Snapshot] = time.monotonic()
        return None

    def _rotated(self) -> str | None:
        if self._rotate is None:
            return "no log of alerts is written"
        try:
            self._rotate()
        except OSError as error:
            return error.strerror or "the log cannot be rotated"
        self._done_s[RotateLog] = time.monotonic()
        return None

    def _answer(self, command: str | None, request: str | None, problem: str | None) -> Answer:
        return Answer(
            device=self._device,
            command=command,
            request=request,
            ok=problem is None,
            reason=problem,
            time=datetime.now(UTC),
        )


def _name(command: Command) -> str:
    name = command.__struct_config__.tag
    return str(name)
