"""The whole way from a picture to leads in mV."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.paper import lattice
from edge.paper.calibrate import scale_of
from edge.paper.flatten import Frame, PaperMap, straighten
from edge.paper.grid import grid_ink, pen_width
from edge.paper.ink import full_level, runs_of, strengthened, without_grid, without_rules
from edge.paper.layout import Arrangement, arrange, find_rows, reach_of, sort_strokes
from edge.paper.leads import FS_HZ, adds_up, leads_of
from edge.paper.overlay import draw
from edge.paper.page import Image, Sheet, off_paper, tilt, without_light
from edge.paper.picture import Picture, bounded, load
from edge.paper.pitch import cut, measure
from edge.paper.result import Digitized, RefusedError
from edge.paper.rows import Again, Row, in_columns, row_of
from edge.paper.trace import follow, pen_of
from edge.paper.unruled import column_of_pulses, fits, unruled

Floats = NDArray[np.float64]

_STRIDE = 192
_LOOK_PX_PER_MM = 5
_LEAST_PX_PER_MM, _MOST_PX_PER_MM = 8, 16
_EDGE = 0.45
_LEAST_MM = 15.0
_CUT_MM = 0.5
"""So near to the picture's edge a trace does not begin: it is cut off there."""


@dataclass(frozen=True)
class Flat:
    """Paper as if it lay flat, upright.

    Attributes
    ----------
    ink : Image
        Of the traces.
    frame : Frame
        Where it lies.
    paper : PaperMap
        From the picture.
    px_per_mm : (float, float)
        Of the picture.
    ruled : bool
        Whether there is a grid.
    """

    ink: Image
    frame: Frame
    paper: PaperMap
    px_per_mm: tuple[float, float]
    ruled: bool


def digitize(path: Path | str, *, overlay: bool = False) -> Digitized:
    """Read the ECG on a picture.

    Parameters
    ----------
    path : Path or str
        JPEG, PNG, TIFF, BMP, WebP, or the first page of a PDF.
    overlay : bool, optional
        Draw what was read.

    Returns
    -------
    Digitized
        With the reason if it was refused; nothing is raised for what the picture shows.
    """
    try:
        image, scale = load(Path(path))
    except RefusedError as error:
        return Digitized(refused=error.refusal)
    return _of_size(read_picture(image, overlay=overlay), scale)


def read_picture(image: Picture, *, overlay: bool = False) -> Digitized:
    """Read the ECG on a picture, BGR; see `digitize`."""
    try:
        small, scale = bounded(image)
        read = _read(small, straightened(small), overlay)
    except RefusedError as error:
        return Digitized(refused=error.refusal)
    return _of_size(read, scale)


def _of_size(read: Digitized, scale: float) -> Digitized:
    """Return what was read of a picture that had been brought to a scale."""
    return replace(read, px_per_mm=(read.px_per_mm[0] / scale, read.px_per_mm[1] / scale))


def straightened(image: Picture) -> Flat:
    """Find the paper, and lay it flat."""
    sheet = without_light(image)
    pulses = column_of_pulses(sheet.black)
    try:
        flat = _on_grid(image, sheet)
        if fits(pulses, flat.px_per_mm[1]):
            return flat
    except RefusedError:
        if not pulses:
            raise
    paper, low, high = unruled(pulses, (image.shape[1], image.shape[0]))
    return _flat(image, sheet, paper, (low, high), ruled=False)


def _on_grid(image: Picture, sheet: Sheet) -> Flat:
    angle, _ = tilt(sheet.any_ink)
    ink = grid_ink(sheet)
    patches = cut(ink, _STRIDE)
    pitches = measure(ink, patches, angle, pen_width(sheet.black))
    fitted = lattice.fit(patches, pitches, angle)
    del patches
    low, high = lattice.bounds(fitted, image.shape, min(ink.shape[0], ink.shape[1], 256) / 2)
    paper, box = lattice.refine(ink, fitted, _frame(low, high, _LOOK_PX_PER_MM))
    low, high = np.maximum(low, box[0]), np.minimum(high, box[1])
    return _flat(image, sheet, paper, (low, high))


def _flat(image: Picture, sheet: Sheet, paper: PaperMap, ends: tuple[Floats, Floats], *, ruled: bool = True) -> Flat:
    height, width = image.shape[:2]
    middle = np.clip(paper.to_px((ends[0] + ends[1])[None] / 2), 0, (width - 1, height - 1))
    inverse = np.linalg.inv(paper.jacobian(middle)[0])
    px = float(np.hypot(*inverse[:, 0])), float(np.hypot(*inverse[:, 1]))
    frame = _frame(*ends, int(np.clip(round(max(px)), _LEAST_PX_PER_MM, _MOST_PX_PER_MM)))
    ink = straighten(sheet.black, paper, frame)
    if ruled:
        ink = without_grid(ink, frame.px_per_mm)
    look = _frame(*ends, _LOOK_PX_PER_MM)
    bright = straighten(np.ascontiguousarray(image.max(axis=2)), paper, look, smooth=False, spread=True)
    off = off_paper(bright.astype(np.float32), look.px_per_mm).astype(np.uint8)
    ink[cv2.resize(off, frame.size, interpolation=cv2.INTER_NEAREST) > 0] = 0
    return Flat(np.clip(ink, 0, 1), frame, paper, px, ruled)


def _frame(low: Floats, high: Floats, px_per_mm: int) -> Frame:
    across, down = (max(8, int((b - a) * px_per_mm) + 1) for a, b in zip(low, high, strict=True))
    return Frame((float(low[0]), float(low[1])), (across, down), px_per_mm)


def _read(image: Picture, flat: Flat, overlay: bool) -> Digitized:
    scale = flat.frame.px_per_mm
    full = full_level(flat.ink)
    level = _EDGE * full
    traces = without_rules(flat.ink, level, scale)
    ink = strengthened(traces, full, scale)
    strokes = sort_strokes(traces, level, scale)
    baselines = find_rows(strokes, level, 0.5 * scale, scale)
    if not len(baselines):
        raise RefusedError("no trace", "there is a grid, but no trace on it", "show the side with the trace, sharply")
    runs = runs_of(ink, level)
    reach = reach_of(baselines, flat.frame.size[1])
    tracks = follow(runs, baselines, reach, scale)
    pen = pen_of(tracks, ink, level)
    found = [row_of(track, baseline, pen, scale) for track, baseline in zip(tracks, baselines, strict=True)]
    kept = [k for k, row in enumerate(found) if row is not None and row.stop - row.start > _LEAST_MM * scale]
    rows = [_from_edge(row, flat, image.shape[1]) for k, row in enumerate(found) if row is not None and k in kept]
    if not rows:
        raise RefusedError("no trace", "the traces are too short", "show a second of ECG at least")
    plan = arrange(rows, strokes.letters, scale)
    if len(plan.leads[0]) > 1:
        again = Again(runs, baselines[kept], reach[kept], pen)
        rows = in_columns(rows, plan, again, scale)
    return _calibrated(image, flat, rows, plan, overlay)


def _from_edge(row: Row, flat: Flat, width: int) -> Row:
    """Return a row that begins or ends where the picture does, if it is the picture's edge that cuts it off."""
    scale, origin = flat.frame.px_per_mm, np.array(flat.frame.origin)
    ends = np.array([[row.start, row.baseline], [row.stop, row.baseline]]) / scale + origin
    left, right = flat.paper.to_px(ends)[:, 0]
    beyond = np.array([left + 0.5, width - 0.5 - right]) / flat.px_per_mm[0]
    start = row.start - beyond[0] * scale if beyond[0] < _CUT_MM else row.start
    stop = row.stop + beyond[1] * scale if beyond[1] < _CUT_MM else row.stop
    return replace(row, start=float(start), stop=float(stop))


def _calibrated(image: Picture, flat: Flat, rows: list[Row], plan: Arrangement, overlay: bool) -> Digitized:
    scale = flat.frame.px_per_mm
    pulses = [row.pulse for row in rows if row.pulse]
    gain, speed = scale_of(pulses) if len(pulses) * 2 > len(rows) else (None, None)
    assumed = (
        [] if flat.ruled else ["scale: there is no grid; the calibration pulse is taken for a usual one, at 25 mm/s"]
    )
    assumed += [] if gain else ["gain 10 mm/mV: no calibration pulse was read"]
    assumed += [] if speed else ["paper speed 25 mm/s: no calibration pulse was read"]
    gain, speed = gain or 10.0, speed or 25.0
    if plan.name not in ("strip", "rows"):
        assumed.append("lead names: by their places in the usual order")
    leads, quality = leads_of(rows, plan, (scale * speed, scale * gain))
    if not adds_up(leads):
        assumed.append("lead names are doubtful: I and III do not add up to II; is a row missing, or another order?")
    return Digitized(
        leads=leads,
        fs_hz=FS_HZ,
        layout=plan.name,
        px_per_mm=flat.px_per_mm,
        mm_per_s=speed,
        mm_per_mv=gain,
        assumed=tuple(assumed),
        quality=quality,
        overlay=draw(image, flat, rows, plan) if overlay else None,
    )
