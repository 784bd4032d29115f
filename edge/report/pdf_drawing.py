"""Drawings as PDF, in true millimetres; needs reportlab, which the extra `report` brings."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError, how_to_install, printable
from edge.report import drawing as d
from edge.report.drawing import Area, Box, Drawing, Grid, Line, Mark, Text

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

MM = 72 / 25.4
"""Points a millimetre."""

REGULAR, BOLD = "Helvetica", "Helvetica-Bold"


def need() -> None:
    """Raise if what this needs is not installed.

    Raises
    ------
    EcgEdgeError
        With the command that installs it.
    """
    try:
        from reportlab import rl_config  # noqa: PLC0415
    except ImportError:
        raise EcgEdgeError("reportlab is not installed", f"for PDF and PNG: {how_to_install('report')}") from None
    # Streams as bytes, a fifth smaller than as letters, which were for the networks of the nineties.
    rl_config.useA85 = 0


def put(canvas: Canvas, drawing: Drawing, x: float, top: float) -> None:
    """Draw on a page.

    Parameters
    ----------
    canvas : Canvas
        The page.
    drawing : Drawing
        In mm.
    x, top : float
        Where its upper left corner is, mm from the left and from the page's foot.
    """
    canvas.saveState()
    canvas.translate(x * MM, top * MM)
    canvas.scale(MM, -MM)
    canvas.setLineJoin(1)
    canvas.setLineCap(1)
    for mark in drawing.marks:
        _draw(canvas, mark)
    canvas.restoreState()


def _draw(canvas: Canvas, mark: Mark) -> None:
    match mark:
        case Line():
            _stroke(canvas, mark.colour, mark.width)
            canvas.drawPath(_Path(mark.points), stroke=1, fill=0)
        case Area():
            _fill(canvas, mark.fill, mark.opacity)
            canvas.drawPath(_Path(mark.points, closed=True), stroke=0, fill=1)
        case Box(hatched=True):
            _hatch(canvas, mark)
        case Box():
            _fill(canvas, mark.fill, mark.opacity)
            canvas.rect(mark.x, mark.y, mark.w, mark.h, stroke=0, fill=1)
        case Grid():
            _grid(canvas, mark)
        case Text():
            _text(canvas, mark)
        case _:
            raise TypeError(f"{type(mark)} cannot be drawn")


def _stroke(canvas: Canvas, colour: str, width: float) -> None:
    canvas.setStrokeColor(colour)
    canvas.setLineWidth(width)


def _fill(canvas: Canvas, colour: str, opacity: float = 1.0) -> None:
    from reportlab.lib.colors import HexColor  # noqa: PLC0415

    base = HexColor(colour)
    # Mixed with the paper's white instead of transparent, so that every printer shows the same.
    canvas.setFillColorRGB(*(1 - opacity * (1 - part) for part in (base.red, base.green, base.blue)))


class _Path:
    """A path as reportlab takes it, written at once: its own takes a call for each point."""

    def __init__(self, points: NDArray[np.float64], *, closed: bool = False) -> None:
        self._code = "\n".join(map(_steps, d.pieces(points))) + (" h" if closed else "")

    def getCode(self) -> str:  # noqa: N802  # reportlab's name
        return self._code


class _Lines(_Path):
    """Straight lines, each by itself: x and y of its begin, of its end."""

    def __init__(self, lines: list[tuple[float, float, float, float]]) -> None:
        self._code = ("%.2f %.2f m %.2f %.2f l\n" * len(lines)) % tuple(x for line in lines for x in line)


def _steps(points: NDArray[np.float64]) -> str:
    code = "%.2f %.2f m" + "\n%.2f %.2f l" * (len(points) - 1)
    return code % tuple(points.ravel().tolist())


def _grid(canvas: Canvas, grid: Grid) -> None:
    for step, colour, width in ((1, d.GRID_1MM, 0.1), (5, d.GRID_5MM, 0.2)):
        _stroke(canvas, colour, width)
        right, foot = grid.x + grid.w, grid.y + grid.h
        across = np.arange(0, int(grid.w + 1e-6) + 1, step) + grid.x
        down = np.arange(0, int(grid.h + 1e-6) + 1, step) + grid.y
        lines = [(x, grid.y, x, foot) for x in across.tolist()] + [(grid.x, y, right, y) for y in down.tolist()]
        canvas.drawPath(_Lines(lines), stroke=1, fill=0)


def _hatch(canvas: Canvas, box: Box) -> None:
    canvas.saveState()
    clip = canvas.beginPath()
    clip.rect(box.x, box.y, box.w, box.h)
    canvas.clipPath(clip, stroke=0, fill=0)
    _stroke(canvas, "#9a9a9a", 0.25)
    lines = canvas.beginPath()
    at = box.x - box.h
    while at < box.x + box.w:
        lines.moveTo(at, box.y + box.h)
        lines.lineTo(at + box.h, box.y)
        at += 1.6
    canvas.drawPath(lines, stroke=1, fill=0)
    canvas.restoreState()


def _text(canvas: Canvas, mark: Text) -> None:
    canvas.saveState()
    canvas.translate(mark.x, mark.y)
    canvas.scale(1, -1)
    _fill(canvas, mark.colour)
    # The size of a font is in points; here the unit is a millimetre.
    canvas.setFont(BOLD if mark.bold else REGULAR, mark.size)
    say = {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}
    say[mark.anchor](0, 0, latin(mark.text))
    canvas.restoreState()


def latin(text: str) -> str:
    """Return a text in the characters that the PDF's own fonts have."""
    return printable(text).encode("cp1252", "replace").decode("cp1252")


def picture(drawing: Drawing) -> bytes:
    """Return a PDF of one page as large as a drawing."""
    need()
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415

    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(drawing.width * MM, drawing.height * MM), invariant=1, pageCompression=1)
    canvas.setTitle(latin(drawing.title))
    put(canvas, drawing, 0, drawing.height)
    canvas.showPage()
    canvas.save()
    return out.getvalue()
