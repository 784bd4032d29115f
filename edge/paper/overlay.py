"""A picture of what was read, drawn over the straightened paper, so that anybody can see whether it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.paper.flatten import straighten
from edge.paper.layout import Arrangement

if TYPE_CHECKING:
    from edge.paper.digitize import Flat
    from edge.paper.rows import Row

_COLOURS = ((200, 60, 0), (0, 0, 200))
"""BGR, by turns, so that neighbours differ."""


def draw(image: NDArray[np.uint8], flat: Flat, rows: list[Row], plan: Arrangement) -> NDArray[np.uint8]:
    """Return the paper, paler, with the traces as they were read."""
    scale = flat.frame.px_per_mm
    paper = straighten(image, flat.paper, flat.frame, smooth=False)
    canvas = np.asarray(255 - (255 - paper) * 0.45, np.uint8)
    for r, (row, names) in enumerate(zip(rows, plan.leads, strict=True)):
        edges = np.linspace(row.start, row.stop, len(names) + 1)
        for k, name in enumerate(names):
            colour = _COLOURS[(r + k) % 2]
            _line(canvas, row.path, edges[k], edges[k + 1], colour)
            at = (int(edges[k] + scale), int(row.baseline + 4 * scale))
            cv2.putText(canvas, name, at, cv2.FONT_HERSHEY_SIMPLEX, scale / 12, colour, max(1, scale // 8), cv2.LINE_AA)
        if row.pulse:
            x0, x1, y = row.pulse.first, row.pulse.last, int(row.baseline)
            top = int(row.baseline - row.pulse.height * scale)
            cv2.rectangle(canvas, (x0, top), (x1, y), (0, 150, 0), max(1, scale // 8))
    return canvas


def as_png(overlay: NDArray[np.uint8]) -> bytes:
    """Return the picture as a PNG."""
    return bytes(cv2.imencode(".png", overlay)[1])


def _line(
    canvas: NDArray[np.uint8], path: NDArray[np.float64], start: float, stop: float, colour: tuple[int, int, int]
) -> None:
    x = np.arange(max(0, int(np.ceil(start))), min(len(path), int(stop) + 1))
    points = np.column_stack([x, path[x]])
    for piece in np.split(points, np.flatnonzero(np.isnan(points[:, 1]))):
        part = piece[np.isfinite(piece[:, 1])]
        if len(part) > 1:
            cv2.polylines(canvas, [np.round(part * 16).astype(np.int32)], False, colour, 2, cv2.LINE_AA, 4)
