"""What boards say, whatever their format: descriptions, blocks in mV, states; and what a format is."""

from __future__ import annotations

from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.sources.serial.settings import FormatName


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a board says of a stretch of its samples.

    Attributes
    ----------
    stream : int
        Number of the stretch.
    name : str
        Id of the board.
    fs_hz : float or None
        Rate; None where the format does not say it.
    leads : tuple of str
        Lead names in column order.
    range_mv : tuple of (float, float) or None
        What each lead's converter can give.
    what : str
        Board and format in words.
    modulo : int or None
        What the counter of blocks counts up to; None if there is no counter.
    notes : tuple of str
        What a user should know besides: what is left out, what was guessed.
    lead_off_detection : bool
        Whether the board says when an electrode is off.
    question : str or None
        What only the user can say before this may be believed.
    """

    stream: int
    name: str
    fs_hz: float | None
    leads: tuple[str, ...]
    range_mv: tuple[tuple[float, float], ...] | None
    what: str
    modulo: int | None
    notes: tuple[str, ...] = ()
    lead_off_detection: bool = False
    question: str | None = None

    def same_signal(self, other: Description) -> bool:
        """Whether samples of both may stand in one stream: the same board, and it samples as before."""
        mine = (self.name, self.fs_hz, self.leads, self.range_mv)
        return mine == (other.name, other.fs_hz, other.leads, other.range_mv)


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive samples.

    Attributes
    ----------
    stream : int
        The stretch they belong to.
    counter : int or None
        Number of the first sample, modulo the format's `modulo`.
    board_us : int or None
        Board time of the first sample, modulo 2^32.
    mv : float32 array, shape (n_samples, n_leads)
        NaN where there is no value.
    """

    stream: int
    counter: int | None
    board_us: int | None
    mv: NDArray[np.float32]


class BoardState(msgspec.Struct, frozen=True, kw_only=True):
    """State of a board: whether each lead has lost an electrode, battery in per cent, samples it could not send."""

    stream: int
    leads_off: tuple[bool, ...]
    battery: int | None
    dropped: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to a ping."""

    token: int
    board_us: int


Item = Description | Block | BoardState | Answer


class BoardFormat(Protocol):
    """One way of putting samples on a wire.

    Attributes
    ----------
    name : FormatName
        What `--format` calls it.
    wake : bytes
        To be sent to the board when the port has been opened.
    good, bad : int
        Packets, frames or lines understood; stretches that were not.
    """

    name: FormatName
    wake: bytes

    @property
    def good(self) -> int: ...  # noqa: D102  # see the class

    @property
    def bad(self) -> int: ...  # noqa: D102

    def push(self, data: bytes, now_s: float | None = None) -> list[Item]:
        """Take bytes in that were there at `now_s`; return what they lead to."""
