"""What a picture of ECG paper turned out to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mv = NDArray[np.float32]
"""One lead in mV, NaN where nothing was read."""

Cause = Literal[
    "unreadable",
    "too large",
    "too small",
    "no paper",
    "no grid",
    "blurred",
    "glare",
    "not an ECG",
    "overlap",
    "no trace",
]


@dataclass(frozen=True)
class Refusal:
    """Why a picture was not read.

    Attributes
    ----------
    cause : Cause
        In two words, for machines.
    reason : str
        In one line, for people.
    hint : str
        What to do about it.
    """

    cause: Cause
    reason: str
    hint: str

    def __str__(self) -> str:
        return f"{self.reason}; {self.hint}"


class RefusedError(Exception):
    """Raised inside this room to end the reading of a picture; never leaves it."""

    def __init__(self, cause: Cause, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(cause, reason, hint)


def no_grid() -> RefusedError:
    """Return the refusal of a picture in which nothing repeats as an ECG's grid does."""
    hint = "photograph the whole paper sharply, from straight above"
    return RefusedError("no grid", "no ECG grid is seen", hint)


@dataclass(frozen=True)
class Lead:
    """How well one lead was read.

    Attributes
    ----------
    name : str
        As it is called.
    start_s, stop_s : float
        Where its longest piece lies, in seconds from the page's first column.
    covered : float
        Share of it in which there was ink to follow, 0 to 1.
    quality : float
        0 to 1: coverage, less what had to be jumped over.
    """

    name: str
    start_s: float
    stop_s: float
    covered: float
    quality: float


@dataclass(frozen=True)
class Digitized:
    """A picture, read or refused.

    Attributes
    ----------
    refused : Refusal or None
        Why it was not read; then the rest is empty.
    leads : dict of str to float32 array, shape (n,)
        mV over time by lead, all of one length; NaN where a lead has no trace. The first sample is at the first
        column's beginning.
    fs_hz : float
        Samples a second.
    layout : str
        ``strip``, ``rows``, ``3x4``, ``3x4+1``, ``3x4+3``, ``6x2``, ``6x2+1`` or ``12x1``.
    px_per_mm : (float, float)
        Of the picture, along the time and the voltage axis; in a distorted picture at its middle.
    mm_per_s, mm_per_mv : float
        Paper speed and gain.
    assumed : tuple of str
        What the picture does not say and was taken for granted, one line each.
    quality : tuple of Lead
        One per lead.
    overlay : uint8 array, shape (height, width, 3), or None
        BGR picture of what was read, over the straightened paper.
    """

    refused: Refusal | None = None
    leads: dict[str, Mv] = field(default_factory=dict)
    fs_hz: float = 500.0
    layout: str = ""
    px_per_mm: tuple[float, float] = (0.0, 0.0)
    mm_per_s: float = 25.0
    mm_per_mv: float = 10.0
    assumed: tuple[str, ...] = ()
    quality: tuple[Lead, ...] = ()
    overlay: NDArray[np.uint8] | None = None
