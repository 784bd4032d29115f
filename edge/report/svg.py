"""Drawings as SVG whose millimetres are millimetres."""

from __future__ import annotations

from html import escape as _escape

import numpy as np
from numpy.typing import NDArray

from edge.errors import printable
from edge.report.drawing import GRID_1MM, GRID_5MM, Area, Box, Drawing, Grid, Line, Mark, Text, pieces

FONT = "system-ui,'Segoe UI','Helvetica Neue',Arial,'Liberation Sans',sans-serif"

DEFINITIONS = (
    '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>'
    f'<pattern id="mm" width="5" height="5" patternUnits="userSpaceOnUse">'
    f'<path d="M1 0V5M2 0V5M3 0V5M4 0V5M0 1H5M0 2H5M0 3H5M0 4H5" stroke="{GRID_1MM}" stroke-width=".1" fill="none"/>'
    f'<path d="M0 0V5M0 0H5M5 0V5M0 5H5" stroke="{GRID_5MM}" stroke-width=".2" fill="none"/></pattern>'
    '<pattern id="hatch" width="1.6" height="1.6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path d="M0 0V1.6" stroke="#9a9a9a" stroke-width=".35"/></pattern></defs></svg>'
)
"""What drawings refer to; once in each document."""


def escape(text: str) -> str:
    """Return a text as it may stand in HTML and XML, whatever file it came from."""
    return _escape(printable(text))


def svg(drawing: Drawing, *, alone: bool = False) -> str:
    """Return a drawing as an SVG element.

    Parameters
    ----------
    drawing : Drawing
        In mm.
    alone : bool
        Whether it is a file by itself, not a part of an HTML page with `DEFINITIONS`.
    """
    w, h = _n(drawing.width), _n(drawing.height)
    definitions = DEFINITIONS[DEFINITIONS.index("<defs>") : DEFINITIONS.index("</svg>")] if alone else ""
    paper = f'<rect width="{w}" height="{h}" fill="#fff"/>' if alone else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}mm" height="{h}mm" viewBox="0 0 {w} {h}" role="img" '
        f'aria-label="{escape(drawing.title)}" font-family="{FONT}">'
        f"<title>{escape(drawing.title)}</title>{definitions}{paper}"
        f"{''.join(map(_mark, drawing.marks))}</svg>"
    )


def _mark(mark: Mark) -> str:
    match mark:
        case Line():
            path = "".join(map(_path, pieces(mark.points)))
            return (
                f'<path d="{path}" transform="scale(.01)" fill="none" stroke="{mark.colour}" '
                f'stroke-width="{_n(100 * mark.width)}" stroke-linejoin="round" stroke-linecap="round"/>'
            )
        case Area():
            return (
                f'<path d="{_path(mark.points)}Z" transform="scale(.01)" fill="{mark.fill}"{_opacity(mark.opacity)}/>'
            )
        case Box():
            fill = "url(#hatch)" if mark.hatched else mark.fill
            return f'<rect {_place(mark.x, mark.y, mark.w, mark.h)} fill="{fill}"{_opacity(mark.opacity)}/>'
        case Grid():
            inside = f'<rect width="{_n(mark.w)}" height="{_n(mark.h)}" fill="url(#mm)"/>'
            return f'<g transform="translate({_n(mark.x)} {_n(mark.y)})">{inside}</g>'
        case Text():
            anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
            bold = ' font-weight="600"' if mark.bold else ""
            return (
                f'<text x="{_n(mark.x)}" y="{_n(mark.y)}" font-size="{_n(mark.size)}" fill="{mark.colour}"'
                f"{anchor}{bold}>{escape(mark.text)}</text>"
            )
        case _:
            raise TypeError(f"{type(mark)} cannot be drawn")


def _place(x: float, y: float, w: float, h: float) -> str:
    return f'x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}"'


def _opacity(opacity: float) -> str:
    return "" if opacity == 1 else f' fill-opacity="{opacity:g}"'


def _path(points: NDArray[np.float64]) -> str:
    """Return the path through points in hundredths of a mm, as steps from one to the next, which are short to write."""
    at = np.rint(points * 100).astype(np.int64)
    steps = np.diff(at, axis=0).ravel().tolist()
    start = f"M{at[0, 0]} {at[0, 1]}"
    return f"{start}l{' '.join(map(str, steps)).replace(' -', '-')}" if steps else start


def _n(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
