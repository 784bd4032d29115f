"""Draws a strip of ECG in text: braille characters, two columns by four rows of dots each, or ASCII."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_BLANK = 0x2800
# Bit of each dot of a braille character, by row and column (Unicode 16, 22.1).
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
# By whether the upper and the lower half of a character has a dot.
_ASCII = np.array([[" ", "."], ["'", "|"]])
# Less than this is no signal worth magnifying.
_MIN_SPAN_MV = 0.5


def chart(mv: NDArray[np.float64], width: int, rows: int, *, braille: bool = True) -> list[str]:
    """Draw one lead.

    Parameters
    ----------
    mv : float array, shape (n_samples,)
        The signal; NaN is left blank.
    width, rows : int
        Size in characters.
    braille : bool
        Whether the terminal has braille characters.

    Returns
    -------
    list of str
        `rows` lines of `width` characters.
    """
    dots = np.zeros((rows * 4, width * 2), bool)
    finite = mv[np.isfinite(mv)]
    if len(finite):
        low, high = float(finite.min()), float(finite.max())
        span = max(high - low, _MIN_SPAN_MV)
        top = (low + high + span) / 2
        y = np.clip((top - mv) / span * (rows * 4 - 1), 0, rows * 4 - 1)
        _trace(dots, y)
    cells = dots.reshape(rows, 4, width, 2).astype(np.uint8)
    if not braille:
        halves = cells.reshape(rows, 2, 2, width, 2).any(axis=(2, 4))
        return ["".join(row) for row in _ASCII[halves[:, 0].astype(int), halves[:, 1].astype(int)]]
    codes = _BLANK + np.einsum("rdwc,dc->rw", cells, _DOTS, dtype=np.int32)
    return ["".join(map(chr, row)) for row in codes]


def _trace(dots: NDArray[np.bool_], y: NDArray[np.float64]) -> None:
    """Set the dots of a line; each column spans what happens in it, up to where the next begins."""
    n_columns = dots.shape[1]
    edges = np.linspace(0, len(y), n_columns + 1).astype(int)
    for column in range(n_columns):
        part = y[edges[column] : max(edges[column + 1] + 1, edges[column] + 1)]
        part = part[np.isfinite(part)]
        if len(part):
            dots[round(float(part.min())) : round(float(part.max())) + 1, column] = True


def letters(marks: Iterable[tuple[float, str]], width: int) -> str:
    """Return a line with letters above their places.

    Parameters
    ----------
    marks : iterable of (float, str)
        Place from 0 to 1, and letter.
    width : int
        Characters.
    """
    line = [" "] * width
    for place, letter in marks:
        if 0 <= place < 1:
            line[int(place * width)] = letter
    return "".join(line)
