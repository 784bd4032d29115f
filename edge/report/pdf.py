"""Drawings and reports as PDF, in true millimetres; needs reportlab, which the extra `report` brings."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError, how_to_install, printable
from edge.findings.findings import Findings
from edge.report import content, trend
from edge.report import drawing as d
from edge.report.drawing import Area, Box, Drawing, Grid, Line, Mark, Text

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

MM = 72 / 25.4
"""Points a millimetre."""

_REGULAR, _BOLD = "Helvetica", "Helvetica-Bold"
_A4 = (210.0, 297.0)
_MARGIN = 12.0
_FOOT = 8.0
_SIGNS = {"high": "!!!", "medium": "!!", "low": "!"}


def need() -> None:
    """Raise if what this needs is not installed.

    Raises
    ------
    EcgEdgeError
        With the command that installs it.
    """
    try:
        import reportlab  # noqa: F401, PLC0415
    except ImportError:
        raise EcgEdgeError("reportlab is not installed", f"for PDF and PNG: {how_to_install('report')}") from None


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
        n = len(points)
        steps = "%.2f %.2f m" + "\n%.2f %.2f l" * (n - 1)
        self._code = steps % tuple(points.ravel().tolist()) + (" h" if closed else "")

    def getCode(self) -> str:  # noqa: N802  # reportlab's name
        return self._code


def _grid(canvas: Canvas, grid: Grid) -> None:
    for step, colour, width in ((1, d.GRID_1MM, 0.1), (5, d.GRID_5MM, 0.2)):
        _stroke(canvas, colour, width)
        path = canvas.beginPath()
        for i in range(0, int(grid.w + 1e-6) + 1, step):
            path.moveTo(grid.x + i, grid.y)
            path.lineTo(grid.x + i, grid.y + grid.h)
        for i in range(0, int(grid.h + 1e-6) + 1, step):
            path.moveTo(grid.x, grid.y + i)
            path.lineTo(grid.x + grid.w, grid.y + i)
        canvas.drawPath(path, stroke=1, fill=0)


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
    canvas.setFont(_BOLD if mark.bold else _REGULAR, mark.size)
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


def report(found: Findings) -> bytes:
    """Return the report as a PDF: one page that says it all, the strips in landscape, then the rest."""
    need()
    from reportlab.platypus import BaseDocTemplate, Frame, NextPageTemplate, PageBreak, PageTemplate  # noqa: PLC0415

    out = io.BytesIO()
    title = latin(f"ECG report, {found.subject.name}")
    document = BaseDocTemplate(out, title=title, author=latin(found.made_by), invariant=1, pageCompression=1)

    def template(name: str, width: float, height: float) -> PageTemplate:
        frame = Frame(
            _MARGIN * MM,
            (_MARGIN + _FOOT) * MM,
            (width - 2 * _MARGIN) * MM,
            (height - 2 * _MARGIN - _FOOT) * MM,
            **dict.fromkeys(("leftPadding", "rightPadding", "topPadding", "bottomPadding"), 0),
        )

        def foot(canvas: Canvas, _: Any) -> None:
            canvas.setFont(_REGULAR, 7.5)
            canvas.setFillColor(d.GREY)
            canvas.drawString(_MARGIN * MM, _MARGIN * MM, title)
            canvas.drawRightString((width - _MARGIN) * MM, _MARGIN * MM, f"page {canvas.getPageNumber()}")

        return PageTemplate(name, [frame], onPage=foot, pagesize=(width * MM, height * MM))

    document.addPageTemplates([template("upright", *_A4), template("wide", _A4[1], _A4[0])])
    shown = content.figures(found)
    story = [*_first_page(found, shown)]
    if shown:
        story += [NextPageTemplate("wide"), PageBreak(), *_strips(found, shown)]
    story += [NextPageTemplate("upright"), PageBreak(), *_last_pages(found, shown)]
    document.build(story)
    return out.getvalue()


def _flowable(drawing: Drawing) -> Any:
    from reportlab.platypus import Flowable  # noqa: PLC0415

    class Figure(Flowable):  # type: ignore[misc]  # reportlab is not typed
        """A drawing in the flow of a document."""

        def __init__(self) -> None:
            super().__init__()
            self.width, self.height = drawing.width * MM, drawing.height * MM

        def draw(self) -> None:
            put(self.canv, drawing, 0, drawing.height)

    return Figure()


def _style(size: float = 9.5, *, bold: bool = False, colour: str = d.INK, before: float = 0, left: float = 0) -> Any:
    from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415

    return ParagraphStyle(
        "style",
        fontName=_BOLD if bold else _REGULAR,
        fontSize=size,
        leading=size * 1.35,
        textColor=colour,
        spaceBefore=before * MM,
        spaceAfter=1.2 * MM,
        leftIndent=left * MM,
    )


def _say(text: str, style: Any) -> Any:
    from reportlab.platypus import Paragraph  # noqa: PLC0415

    return Paragraph(escape(latin(text)), style)


def _heading(text: str) -> list[Any]:
    from reportlab.platypus import HRFlowable  # noqa: PLC0415

    rule = HRFlowable(width="100%", thickness=0.8, color=d.ACCENT, spaceBefore=0, spaceAfter=1.5 * MM)
    return [_say(text, _style(11, bold=True, before=3.5)), rule]


def _first_page(found: Findings, shown: Sequence[content.Figure]) -> list[Any]:
    facts = "   ".join(f"{name} {value}" for name, value in content.facts(found))
    out = [
        _say(f"ECG report, {found.subject.name}", _style(15, bold=True)),
        _say(content.NOT_A_DIAGNOSIS, _style(9, colour=d.GREY)),
        _say(facts, _style(9.5)),
        *_heading("Findings"),
    ]
    numbers = content.numbers(shown)
    out += [_sentence(s.text, s.priority or "", numbers.get(s.episode or 0)) for s in found.sentences]
    width = _A4[0] - 2 * _MARGIN
    out += [*_heading("Rate and rhythm"), _flowable(trend.draw(found, width))]
    out += [*_heading("Beats"), _table(("", "class", "beats", "share", "an hour"), content.beat_rows(found), (2, 3, 4))]
    out += [*_heading("Rate, intervals, variability"), _table((), content.measures(found), (1,))]
    return out


def _sentence(text: str, priority: str, number: int | None) -> Any:
    from reportlab.platypus import Paragraph, Table, TableStyle  # noqa: PLC0415

    colour = d.PRIORITY.get(priority, d.PALE)
    link = f' <font color="{d.ACCENT}">strip {number}</font>' if number else ""
    sign = f'<font color="{colour}"><b>{_SIGNS[priority]}</b></font> ' if priority else ""
    said = Paragraph(f"{sign}{escape(latin(text))}{link}", _style(9.5))
    rules = [
        ("LINEBEFORE", (0, 0), (0, 0), 3, colour),
        ("TOPPADDING", (0, 0), (-1, -1), 0.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
        ("LEFTPADDING", (0, 0), (-1, -1), 7),
    ]
    return Table([[said]], style=TableStyle(rules), spaceAfter=1.2, hAlign="LEFT")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], numbers: tuple[int, ...] = ()) -> Any:
    from reportlab.platypus import Table, TableStyle  # noqa: PLC0415

    cells = [[latin(cell)[:90] for cell in row] for row in rows]
    cells = [[latin(cell) for cell in head], *cells] if head else cells
    style = [
        ("FONT", (0, 0), (-1, -1), _REGULAR, 8.5),
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, d.PALE),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        *((("ALIGN"), (i, 0), (i, -1), "RIGHT") for i in numbers),
        *([("TEXTCOLOR", (0, 0), (-1, 0), d.GREY)] if head else []),
    ]
    return Table(cells or [[""]], style=TableStyle(style), hAlign="LEFT", repeatRows=1 if head else 0)


def _strips(found: Findings, shown: Sequence[content.Figure]) -> list[Any]:
    from reportlab.platypus import KeepTogether  # noqa: PLC0415

    out = []
    for figure in shown:
        sign = f"{_SIGNS[figure.priority]} " if figure.priority else ""
        colour = d.PRIORITY.get(figure.priority, d.INK)
        heading = _say(f"{sign}Strip {figure.number}: {figure.heading}", _style(10, bold=True, colour=colour, before=3))
        drawing = content.picture(found, figure.strip)
        out.append(KeepTogether([heading, _say(figure.text, _style(8.5, colour=d.GREY)), _flowable(drawing)]))
    return out


def _last_pages(found: Findings, shown: Sequence[content.Figure]) -> list[Any]:
    numbers = content.numbers(shown)
    out: list[Any] = []
    if rows := content.episode_rows(found, numbers):
        out += [*_heading("Episodes"), _table(("", "kind", "from", "length", "judged by", "strip"), rows)]
    out += _heading("Signal quality")
    out.append(_table(("lead", "good", "noisy", "saturated", "flat", "off"), content.quality_rows(found)))
    out += _heading("What these findings cannot tell")
    out += [_say(f"{x.what[:1].upper()}{x.what[1:]}: {x.why}.", _style(9)) for x in found.cannot_tell]
    out += _heading("Methods")
    out += [_say(text, _style(8.5, colour=d.GREY)) for text in content.methods(found)]
    return out
