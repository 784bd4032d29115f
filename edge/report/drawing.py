"""What a picture is made of, in millimetres; `edge.report.svg` and `edge.report.pdf` put it on screen and paper.

The origin is at the top left, y goes down.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Anchor = Literal["start", "middle", "end"]

INK, PAPER = "#111111", "#ffffff"
GREY = "#6b6b6b"
PALE = "#d9d9d9"
ACCENT = "#1f5f8b"
GRID_1MM, GRID_5MM = "#f6d5d5", "#eaa9a9"
PRIORITY = {"high": "#c8102e", "medium": "#b8860b", "low": "#1a7a86"}
"""Red, yellow and cyan of IEC 60601-1-8, dark enough to be read on paper."""
BEAT = {"N": "#8a8a8a", "S": "#7a3fb0", "V": "#c8102e", "F": "#c25e00", "Q": "#8a8a8a"}

TRACE_MM = 0.3


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all marks."""


class Line(Mark, frozen=True, kw_only=True, eq=False):
    """A line through points.

    Attributes
    ----------
    points : float array, shape (n, 2)
        mm; at NaN the pen is lifted.
    width : float
        mm.
    colour : str
        `#rrggbb`.
    """

    points: NDArray[np.float64]
    width: float = TRACE_MM
    colour: str = INK


class Box(Mark, frozen=True, kw_only=True):
    """A rectangle, filled or hatched.

    Attributes
    ----------
    x, y, w, h : float
        mm.
    fill : str
        `#rrggbb`.
    opacity : float
        0 to 1.
    hatched : bool
        Slanted lines instead of a fill: what could not be read.
    """

    x: float
    y: float
    w: float
    h: float
    fill: str = PALE
    opacity: float = 1.0
    hatched: bool = False


class Area(Mark, frozen=True, kw_only=True, eq=False):
    """A filled polygon; points in mm, shape (n, 2)."""

    points: NDArray[np.float64]
    fill: str = PALE
    opacity: float = 1.0


class Text(Mark, frozen=True, kw_only=True):
    """One line of text; `size` in mm, `y` is its baseline."""

    x: float
    y: float
    text: str
    size: float = 2.8
    colour: str = INK
    anchor: Anchor = "start"
    bold: bool = False


class Grid(Mark, frozen=True, kw_only=True):
    """ECG paper: lines each mm and, stronger, each 5 mm from `x`, `y` on."""

    x: float
    y: float
    w: float
    h: float


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """A picture.

    Attributes
    ----------
    width, height : float
        mm.
    marks : tuple of Mark
        Later ones over earlier ones.
    title : str
        What it shows, for those who do not see it.
    """

    width: float
    height: float
    marks: tuple[Mark, ...]
    title: str


def pieces(points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the points of a line between which the pen stays down.

    >>> [len(piece) for piece in pieces(np.array([[0, 0], [1, 0], [2, np.nan], [3, 0]]))]
    [2, 1]
    """
    there = np.isfinite(points).all(axis=1)
    if there.all():
        return [points]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    return [points[a:b] for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


def line(x1: float, y1: float, x2: float, y2: float, *, width: float = 0.2, colour: str = INK) -> Line:
    """Return a straight line."""
    return Line(points=np.array([[x1, y1], [x2, y2]]), width=width, colour=colour)
