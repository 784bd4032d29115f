"""A seeded renderer of ECG paper: records in, a picture and the truth about it out.

Shares no code with the digitizer, so that what one gets wrong the other does not cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.pages import drawing
from training.pages.layouts import Place, arrange
from training.pages.look import Look
from training.pages.photograph import photograph
from training.pages.surface import Points, Surface, lay

__all__ = ["Look", "Page", "Printed", "render_page"]

_ROW_MM = {"strip": 40.0, "rows": 32.0, "12x1": 19.0, "6x2": 25.0, "6x2+1": 22.0}
_ROW_3X4_MM = 30.0
_PULSE_S, _PULSE_FOOT_S = 0.2, 0.06
_FOOTER_MM = 9.0


@dataclass(frozen=True)
class Printed:
    """One piece of a lead as it stands on the page.

    Attributes
    ----------
    lead : str
        Its name.
    mv : float32 array, shape (n,)
        True signal in mV, relative to the printed baseline.
    fs_hz : float
        Its rate.
    t0_s : float
        Where it begins in the recording.
    origin : (float, float)
        Pixel of the flat page where its first sample would be if it were 0 mV.
    box : (float, float, float, float)
        x0, y0, x1, y1 of its column in its row, in pixels of the flat page.
    """

    lead: str
    mv: NDArray[np.float32]
    fs_hz: float
    t0_s: float
    origin: tuple[float, float]
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Page:
    """A picture of ECG paper, and what is true of it.

    Attributes
    ----------
    image : uint8 array, shape (height, width, 3)
        BGR.
    pieces : tuple of Printed
        All that is printed, row by row; a rhythm strip's lead is there twice.
    px_per_mm : (float, float)
        Of the flat page, along x and y.
    layout : str
        Its name.
    mm_per_s, mm_per_mv : float
        Paper speed and gain.
    pulse : bool
        Whether a calibration pulse is printed.
    surface : Surface
        The map from the flat page to the picture.
    look : Look
        What was drawn from the seed.
    """

    image: NDArray[np.uint8]
    pieces: tuple[Printed, ...]
    px_per_mm: tuple[float, float]
    layout: str
    mm_per_s: float
    mm_per_mv: float
    pulse: bool
    surface: Surface
    look: Look

    @property
    def truth(self) -> dict[str, Printed]:
        """The longest piece of each lead, by name."""
        longest: dict[str, Printed] = {}
        for piece in self.pieces:
            if piece.lead not in longest or len(piece.mv) > len(longest[piece.lead].mv):
                longest[piece.lead] = piece
        return longest

    def warp(self, points: Points) -> Points:
        """Map points (x, y) of the flat page, shape (n, 2), to pixels of the picture."""
        return self.surface.to_picture(np.asarray(points, np.float64))

    def trace(self, piece: Printed) -> Points:
        """Return where in the picture each sample of a piece is, shape (n, 2)."""
        return self.warp(_path(piece, self.px_per_mm, (self.mm_per_s, self.mm_per_mv)))


def render_page(
    mv: dict[str, NDArray[np.float32]], fs_hz: float, *, layout: str = "3x4+1", look: Look | None = None, seed: int = 0
) -> Page:
    """Print a recording and take a picture of it.

    Parameters
    ----------
    mv : dict of float32 arrays, shape (n,)
        Leads in mV, all of one length, without NaN.
    fs_hz : float
        Their rate.
    layout : str
        One of `training.pages.layouts.LAYOUTS`.
    look : Look, optional
        A clean page by default.
    seed : int
        Decides all that the look leaves open; equal arguments give equal pictures.

    Returns
    -------
    Page
        Picture and truth.

    Raises
    ------
    ValueError
        If the layout is unknown or the leads do not suit.
    """
    lengths = {len(lead) for lead in mv.values()}
    if len(lengths) != 1 or not all(np.isfinite(lead).all() for lead in mv.values()):
        raise ValueError("leads must be of one length and without NaN")
    rng = np.random.default_rng(seed)
    drawn = (look or Look.clean()).drawn(rng)
    plan = _Plan(drawn, layout, arrange(layout, list(mv)), lengths.pop() / fs_hz, rng)
    pieces = tuple(plan.printed(place, mv[place.lead], fs_hz) for place in plan.places)
    surface, size = lay(drawn, (plan.width, plan.height), rng)
    image = photograph(_print(plan, pieces, rng), surface, size, drawn, rng)
    return Page(
        image=image,
        pieces=pieces,
        px_per_mm=plan.pitch,
        layout=layout,
        mm_per_s=plan.speed,
        mm_per_mv=plan.gain,
        pulse=drawn.pulse != "none",
        surface=surface,
        look=drawn,
    )


class _Plan:
    """Where everything stands on the flat page, in pixels."""

    def __init__(
        self, look: Look, layout: str, places: tuple[Place, ...], duration_s: float, rng: np.random.Generator
    ) -> None:
        assert look.px_per_mm and look.mm_per_s and look.mm_per_mv  # noqa: S101 - drawn
        self.look, self.places, self.duration_s = look, places, duration_s
        self.pitch = (look.px_per_mm, look.px_per_mm * look.aspect)
        self.speed, self.gain = look.mm_per_s, look.mm_per_mv
        self.row_mm = _ROW_MM.get(layout, _ROW_3X4_MM) * rng.uniform(0.9, 1.15)
        self.pulse_mm = 0.0 if look.pulse == "none" else (_PULSE_S + 2 * _PULSE_FOOT_S) * self.speed
        self.left_mm = rng.uniform(4, 12)
        self.trace_mm = self.left_mm + (self.pulse_mm + 1 if look.pulse == "left" else 0)
        ending = self.pulse_mm + 1 if look.pulse == "right" else 0
        width_mm = self.trace_mm + duration_s * self.speed + ending + rng.uniform(4, 12)
        self.header_mm = rng.uniform(14, 26) if look.header else rng.uniform(3, 8)
        rows = 1 + max(place.row for place in places)
        height_mm = self.header_mm + rows * self.row_mm + _FOOTER_MM
        self.rows = rows
        self.width, self.height = round(width_mm * self.pitch[0]), round(height_mm * self.pitch[1])

    def row_y(self, row: int) -> float:
        """Return the baseline of a row."""
        return (self.header_mm + (row + 0.55) * self.row_mm) * self.pitch[1]

    def printed(self, place: Place, mv: NDArray[np.float32], fs_hz: float) -> Printed:
        first, last = (round(len(mv) * edge / place.columns) for edge in (place.first, place.last))
        piece = (mv[first:last] - np.median(mv)).astype(np.float32)
        x0, x1 = ((self.trace_mm + edge / fs_hz * self.speed) * self.pitch[0] for edge in (first, last))
        y = self.row_y(place.row)
        above, below = 0.55 * self.row_mm * self.pitch[1], 0.45 * self.row_mm * self.pitch[1]
        return Printed(place.lead, piece, fs_hz, first / fs_hz, (x0, y), (x0, y - above, x1, y + below))


def _print(plan: _Plan, pieces: tuple[Printed, ...], rng: np.random.Generator) -> drawing.Picture:
    look = plan.look
    pen_px = (look.pen_mm or 0.3) * plan.pitch[1]
    shape = (plan.height, plan.width)
    paper = 1 - np.abs(rng.normal(0, 0.015, 3)) - (0.03 if look.light else 0)
    page: drawing.Picture = np.full((*shape, 3), paper, np.float32)
    drawing.grid(page, _grid_box(plan, rng), plan.pitch, look, rng)
    black = tuple(float(level) for level in rng.uniform(0.02, 0.25) + rng.uniform(0, 0.06, 3))
    ink = (black[0] + 0.25, black[1], black[2]) if rng.random() < 0.15 else (black[0], black[1], black[2])
    raster = np.zeros((shape[0] * drawing.FINER, shape[1] * drawing.FINER), np.uint8)
    lines = [_path(p, plan.pitch, (plan.speed, plan.gain)) for p in pieces]
    drawing.stroke(raster, lines + _pulses(plan), pen_px)
    if look.separators:
        drawing.stroke(raster, _separators(plan), pen_px)
    drawing.paint(page, drawing.coarse(raster, shape), ink)
    drawing.paint(page, _texts(plan, pieces, rng), ink, 0.9)
    _deface(page, plan, rng)
    return page


def _path(piece: Printed, pitch: tuple[float, float], scale: tuple[float, float]) -> Points:
    """Return where samples stand on the page; `scale` is mm/s and mm/mV."""
    x = piece.origin[0] + np.arange(len(piece.mv)) / piece.fs_hz * scale[0] * pitch[0]
    return np.column_stack([x, piece.origin[1] - piece.mv.astype(np.float64) * scale[1] * pitch[1]])


def _grid_box(plan: _Plan, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return the whole page, or what the traces need with white paper around."""
    if rng.random() < 0.5:
        phase = rng.uniform(-5, 0, 2)
        return (phase[0] * plan.pitch[0], phase[1] * plan.pitch[1], plan.width + 2.0, plan.height + 2.0)
    x0 = 2 * plan.pitch[0]
    y0 = (plan.header_mm - 2) * plan.pitch[1]
    five_x, five_y = 5 * plan.pitch[0], 5 * plan.pitch[1]
    across = int((plan.width - 2 * x0) // five_x)
    down = int((plan.height - y0 - 4 * plan.pitch[1]) // five_y)
    return (x0, y0, x0 + across * five_x, y0 + down * five_y)


def _pulses(plan: _Plan) -> list[Points]:
    """One pulse of 1 mV and 0.2 s in every row."""
    if plan.look.pulse == "none":
        return []
    foot, top = _PULSE_FOOT_S * plan.speed, _PULSE_S * plan.speed
    start = plan.left_mm if plan.look.pulse == "left" else plan.trace_mm + plan.duration_s * plan.speed + 1
    shape = np.array([[0, 0], [foot, 0], [foot, 1], [foot + top, 1], [foot + top, 0], [2 * foot + top, 0]])
    shape[:, 0] = (shape[:, 0] + start) * plan.pitch[0]
    heights = shape[:, 1] * plan.gain * plan.pitch[1]
    return [np.column_stack([shape[:, 0], plan.row_y(row) - heights]) for row in range(plan.rows)]


def _separators(plan: _Plan) -> list[Points]:
    strokes = []
    for place in plan.places:
        if place.first:
            x = (plan.trace_mm + place.first / place.columns * plan.duration_s * plan.speed) * plan.pitch[0]
            y = plan.row_y(place.row)
            for sign in (-1, 1):
                ends = np.array([2.0, 5.0]) * sign * plan.pitch[1] + y
                strokes.append(np.column_stack([[x, x], ends]))
    return strokes


def _texts(plan: _Plan, pieces: tuple[Printed, ...], rng: np.random.Generator) -> drawing.Mask:
    mask = np.zeros((plan.height, plan.width), np.float32)
    face = str(rng.choice(drawing.fonts()))
    tall = rng.uniform(2.2, 3.4) * plan.pitch[1]
    above = rng.uniform(0.2, 0.42) * plan.row_mm * plan.pitch[1]
    if plan.look.names:
        for piece in pieces:
            at = (piece.origin[0] + 1.2 * plan.pitch[0], piece.origin[1] - above)
            drawing.write(mask, piece.lead, at, tall, face)
    if plan.look.header:
        _heading(mask, plan, face, rng)
    return mask


def _heading(mask: drawing.Mask, plan: _Plan, face: str, rng: np.random.Generator) -> None:
    tall = rng.uniform(1.8, 2.6) * plan.pitch[1]
    rate = int(rng.integers(45, 140))
    words = [
        f"ID: {rng.integers(1000, 99999)}",
        f"{rng.integers(1, 29):02d}-{rng.integers(1, 13):02d}-20{rng.integers(10, 25)} {rng.integers(0, 24):02d}:41",
        f"HR {rate} bpm",
        f"PR {rng.integers(120, 220)} ms",
        f"QRS {rng.integers(70, 160)} ms",
        f"QT/QTc {rng.integers(330, 460)}/{rng.integers(380, 480)} ms",
        str(rng.choice(("Sinus rhythm", "Unconfirmed report", "Atrial fibrillation", "Left axis deviation"))),
        str(rng.choice(("Male 63 yrs", "Female 48 yrs", "Ward 3", "12-lead ECG"))),
    ]
    columns = 4
    for i, word in enumerate(words):
        x = (plan.left_mm + (i % columns) * plan.duration_s * plan.speed / columns) * plan.pitch[0]
        y = (4.5 + (i // columns) * 4.5) * plan.pitch[1]
        drawing.write(mask, word, (x, y), tall, face)
    foot = f"{plan.speed:g} mm/s  {plan.gain:g} mm/mV  0.15-{rng.choice((40, 100, 150))} Hz"
    drawing.write(mask, foot, (plan.left_mm * plan.pitch[0], plan.height - 2.5 * plan.pitch[1]), tall, face)


def _deface(page: drawing.Picture, plan: _Plan, rng: np.random.Generator) -> None:
    shape = (plan.height, plan.width)
    for i in range(plan.look.handwriting):
        at = (float(rng.uniform(0.05, 0.8) * plan.width), float(rng.uniform(0.05, 0.95) * plan.height))
        text = str(rng.choice(("Mr. Smith", "seen 14:20", "STEMI?", "old", "P", "compare!"))) if i % 2 == 0 else ""
        mask = drawing.scribble(shape, at, rng.uniform(4, 8) * plan.pitch[1], rng, text)
        drawing.paint(page, mask, (0.6, 0.2, 0.15) if rng.random() < 0.6 else (0.15, 0.15, 0.15), 0.85)
    for _ in range(plan.look.stamps):
        at = (float(rng.uniform(0.2, 0.8) * plan.width), float(rng.uniform(0.1, 0.9) * plan.height))
        mask = drawing.stamp(shape, at, rng.uniform(20, 35) * plan.pitch[1], rng)
        drawing.paint(page, mask, (0.25, 0.2, 0.75) if rng.random() < 0.5 else (0.7, 0.3, 0.25), 0.7)
