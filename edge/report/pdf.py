"""Reports as PDF, drawings in true millimetres; needs reportlab, which the extra `report` brings."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from edge.findings.findings import Findings
from edge.report import content, trend, triage
from edge.report import drawing as d
from edge.report.disclosure import Disclosure, pages
from edge.report.drawing import Drawing
from edge.report.pdf_drawing import BOLD, MM, REGULAR, latin, need, put
from edge.triage.note import Considered, Note

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

_A4 = (210.0, 297.0)
_MARGIN = 12.0
_FOOT = 8.0
_BESIDE, _BETWEEN = 82.0, 6.0
"""Width of the left of two tables beside each other, and between them, mm."""
_SIGNS = {"high": "!!!", "medium": "!!", "low": "!"}


def report(found: Findings, note: Note | None = None, disclosure: Disclosure | None = None) -> bytes:
    """Return the report as a PDF: one page that says it all, the strips in landscape, then the rest.

    Parameters
    ----------
    found : Findings
        What it says.
    note : Note, optional
        The triage note, where there were answers; after the first page.
    disclosure : Disclosure, optional
        Every beat; at the end.
    """
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
            canvas.setFont(REGULAR, 7.5)
            canvas.setFillColor(d.GREY)
            canvas.drawString(_MARGIN * MM, _MARGIN * MM, title)
            canvas.drawRightString((width - _MARGIN) * MM, _MARGIN * MM, f"page {canvas.getPageNumber()}")

        return PageTemplate(name, [frame], onPage=foot, pagesize=(width * MM, height * MM))

    document.addPageTemplates([template("upright", *_A4), template("wide", _A4[1], _A4[0])])
    shown = content.figures(found)
    story = [*_first_page(found, shown)]
    if note is not None:
        story += [PageBreak(), *_note(note, content.numbers(shown))]
    if shown:
        story += [NextPageTemplate("wide"), PageBreak(), *_strips(found, shown)]
    story += [NextPageTemplate("upright"), PageBreak(), *_last_pages(found, shown)]
    if disclosure is not None:
        story += [NextPageTemplate("wide"), PageBreak()]
        story += [_flowable(drawing) for drawing in pages(found, disclosure)]
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
        fontName=BOLD if bold else REGULAR,
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
    from reportlab.platypus import Paragraph  # noqa: PLC0415

    facts = "&nbsp;&nbsp; ".join(
        f'<font color="{d.GREY}">{escape(latin(name))}</font>&nbsp;{escape(latin(value))}'
        for name, value in content.facts(found)
    )
    out = [
        _say(f"ECG report, {found.subject.name}", _style(15, bold=True)),
        _say(content.NOT_A_DIAGNOSIS, _style(9, colour=d.GREY)),
        Paragraph(facts, _style(9.5)),
        *_heading("Findings"),
    ]
    numbers = content.numbers(shown)
    out += [_sentence(s.text, s.priority or "", numbers.get(s.episode or 0)) for s in found.sentences]
    width = _A4[0] - 2 * _MARGIN
    out += [*_heading("Rate and rhythm"), _flowable(trend.draw(found, width))]
    beats = _table(("", "class", "beats", "share", "an hour"), content.beat_rows(found), (2, 3, 4))
    measures = _table((), content.measures(found), (1,), widths=(20, 18, width - _BESIDE - 38 - _BETWEEN))
    left, right = [*_heading("Beats"), beats], [*_heading("Rate, intervals, variability"), measures]
    return [*out, _side_by_side(left, right, width)]


def _side_by_side(left: list[Any], right: list[Any], width: float) -> Any:
    from reportlab.platypus import Table, TableStyle  # noqa: PLC0415

    style = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("TOP", "BOTTOM", "LEFT", "RIGHT")]
    widths = [_BESIDE * MM, _BETWEEN * MM, (width - _BESIDE - _BETWEEN) * MM]
    return Table([[left, "", right]], colWidths=widths, style=TableStyle([*style, ("VALIGN", (0, 0), (-1, -1), "TOP")]))


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


def _table(
    head: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    numbers: tuple[int, ...] = (),
    *,
    widths: tuple[float, ...] | None = None,
) -> Any:
    """Return a table; with `widths`, mm, the text of its last column goes on below."""
    from reportlab.platypus import Table, TableStyle  # noqa: PLC0415

    cells: list[list[Any]] = [[latin(cell)[:90] for cell in row] for row in rows]
    if widths is not None:
        cells = [[*row[:-1], _say(row[-1], _style(8.5))] for row in cells]
    cells = [[latin(cell) for cell in head], *cells] if head else cells
    style = [
        ("FONT", (0, 0), (-1, -1), REGULAR, 8.5),
        ("LEADING", (0, 0), (-1, -1), 8.5 * 1.35),
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, d.PALE),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        *((("ALIGN"), (i, 0), (i, -1), "RIGHT") for i in numbers),
        *([("TEXTCOLOR", (0, 0), (-1, 0), d.GREY)] if head else []),
    ]
    return Table(
        cells or [[""]],
        colWidths=None if widths is None else [w * MM for w in widths],
        style=TableStyle([*style, ("VALIGN", (0, 0), (-1, -1), "TOP")]),
        hAlign="LEFT",
        repeatRows=1 if head else 0,
    )


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


def _note(note: Note, by_episode: Mapping[int, int]) -> list[Any]:
    out = [
        *_heading("To be considered, with the answers given"),
        _say(triage.how_soon(note), _style(bold=True)),
    ]
    for each in note.considered:
        out += _considered(each, by_episode)
    out += [_say("This note cannot tell:", _style(before=2))]
    out += [
        _say(f"{limit.what[:1].upper()}{limit.what[1:]}: {limit.why}.", _style(8.5, left=3))
        for limit in note.cannot_tell
    ]
    return [*out, _say(note.caution, _style(8.5, colour=d.GREY, before=2))]


def _considered(each: Considered, by_episode: Mapping[int, int]) -> list[Any]:
    from reportlab.platypus import KeepTogether, Paragraph, Table, TableStyle  # noqa: PLC0415

    small, grey = _style(8.5), _style(7.5, colour=d.GREY)
    rows = []
    for reason in each.reasons:
        number = by_episode.get(reason.episode) if reason.episode is not None else None
        link = f' <font color="{d.ACCENT}">strip {number}</font>' if number else ""
        said = Paragraph(f"{escape(latin(reason.text))}{link}", small)
        rows.append([Paragraph(f"+{reason.points}", small), [said, Paragraph(escape(latin(reason.source)), grey)]])
    width = _A4[0] - 2 * _MARGIN - 6
    pad = [(f"{side}PADDING", (0, 0), (-1, -1), 0.5) for side in ("TOP", "BOTTOM", "LEFT", "RIGHT")]
    table = Table(
        rows, colWidths=[9 * MM, (width - 9) * MM], style=TableStyle([*pad, ("VALIGN", (0, 0), (-1, -1), "TOP")])
    )
    colour = d.PRIORITY.get(triage.PRIORITY.get(each.urgency, ""), d.PALE)
    body = [
        _say(each.title, _style(10, bold=True)),
        _say(f"{triage.URGENCY[each.urgency]} · {each.points} points", _style(8.5, colour=d.GREY)),
        table,
        _say(f"Examine next: {'; '.join(each.examine)}.", small),
        _say(f"If that is not available: {each.otherwise}.", small),
    ]
    rules = [("LINEBEFORE", (0, 0), (0, 0), 3, colour), ("LEFTPADDING", (0, 0), (-1, -1), 8)]
    rules += [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("TOP", "BOTTOM", "RIGHT")]
    framed = Table([[body]], colWidths=[(width + 6) * MM], style=TableStyle(rules), spaceAfter=2.5 * MM, hAlign="LEFT")
    return [KeepTogether([framed])]
