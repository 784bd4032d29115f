"""What the digitizer is tried with: pictures whose signals are known."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.paper_scores import Truth
from edge.sources.wfdb_record import WfdbRecord
from training.pages.drawing import Picture
from training.pages.layouts import CHEST, LIMB
from training.pages.look import Look
from training.pages.photograph import photograph
from training.pages.renderer import Page, render_page
from training.pages.surface import lay
from training.splits import DS2

CLASSES = {"clean": Look.clean, "rotated": Look.rotated, "lit": Look.lit, "phone": Look.phone}
"""The rows of the table: how the picture was made."""

PAGE_LAYOUTS = ("3x4+1", "12x1", "3x4", "6x2", "3x4+3")
STRIP_S = 10.0
_SPELLING = {lead.upper(): lead for lead in LIMB + CHEST}
_SEED = 70_000
"""Far from any seed that training or tests use."""


@dataclass(frozen=True)
class Case:
    """One picture and the truth about it.

    Attributes
    ----------
    name : str
        What it is made from.
    image : uint8 array, shape (height, width, 3)
        BGR.
    truths : tuple of Truth
        The longest piece of each lead.
    px_per_mm : (float, float) or None
        Where the picture is not distorted.
    layout : str
        As it is printed.
    """

    name: str
    image: NDArray[np.uint8]
    truths: tuple[Truth, ...]
    px_per_mm: tuple[float, float] | None
    layout: str


def ours(data: Path, look: str, n: int) -> Iterator[Case]:
    """Yield strips of one and two leads from mitdb's DS2 and 12-lead pages from ptbxl, by our renderer."""
    for i, (name, mv, fs_hz, layout) in enumerate(_recordings(data, n)):
        page = render_page(mv, fs_hz, layout=layout, look=CLASSES[look](), seed=_SEED + i)
        yield _case(name, page, flat=look in ("clean", "lit"))


def independent(data: Path, look: str, n: int) -> Iterator[Case]:
    """Yield pages that `ecg-plot` drew and our camera took: another hand's geometry."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import

    for i, (name, mv, fs_hz, layout) in enumerate(_recordings(data, n)):
        if layout not in ("strip", "3x4+1", "3x4"):
            continue
        rng = np.random.default_rng(_SEED + i)
        chart = _chart(mv, fs_hz, layout)
        px_per_mm = float(rng.uniform(6, 10))
        figure, _ = chart.to_matplotlib()
        figure.set_dpi(px_per_mm * 25.4)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        drawn: Picture = np.asarray(canvas.buffer_rgba())[..., 2::-1].astype(np.float32) / np.float32(255)
        how = CLASSES[look]().drawn(rng)
        surface, size = lay(how, (drawn.shape[1], drawn.shape[0]), rng)
        image = photograph(drawn, surface, size, how, rng)
        flat = look in ("clean", "lit")
        yield Case(name, image, _chart_truths(chart, mv, fs_hz), (px_per_mm, px_per_mm) if flat else None, layout)


def has_ecg_plot() -> bool:
    """Whether the independent renderer is installed."""
    return importlib.util.find_spec("ecg_plot") is not None


def ludb(data: Path) -> Iterator[Case]:
    """Yield the pages of `pages_ludb`: 3×4 and lead II, rendered by somebody else."""
    columns = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
    for path in sorted((data / "pages_ludb").glob("*.png")):
        with path.with_suffix(".csv").open(encoding="utf-8") as lines:
            names = lines.readline().strip().split(",")
            table = np.loadtxt(lines, delimiter=",", dtype=np.float32)
        quarter = len(table) // 4
        truths = []
        for column, leads in enumerate(columns):
            for lead in leads:
                first, last = (0, len(table)) if lead == "II" else (column * quarter, (column + 1) * quarter)
                truths.append(Truth(lead, table[first:last, names.index(lead)], 500.0, (first / 500.0,)))
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
        yield Case(path.stem, image, tuple(truths), None, "3x4+1")


def _case(name: str, page: Page, *, flat: bool) -> Case:
    truths = tuple(Truth(piece.lead, piece.mv, piece.fs_hz, (piece.t0_s,)) for piece in page.truth.values())
    return Case(name, page.image, truths, page.px_per_mm if flat else None, page.layout)


def _recordings(data: Path, n: int) -> Iterator[tuple[str, dict[str, NDArray[np.float32]], float, str]]:
    """Yield `n` recordings, a third strips and the others pages, each with its layout."""
    pages = sorted(path.with_suffix("") for path in (data / "ptbxl").glob("*.hea"))
    for i in range(n):
        if i % 3 == 0:
            record = DS2[(i // 3) % len(DS2)]
            mv, fs_hz = _read(data / "mitdb" / record, from_s=60 + 37 * (i // 3) % 1700)
            names = list(mv)
            rows = i % 2 == 1
            yield record, mv if rows else {names[0]: mv[names[0]]}, fs_hz, "rows" if rows else "strip"
        else:
            path = pages[(i * 7) % len(pages)]
            mv, fs_hz = _read(path, from_s=0)
            yield path.stem, mv, fs_hz, PAGE_LAYOUTS[(i - i // 3 - 1) % len(PAGE_LAYOUTS)]


def _read(path: Path, from_s: float) -> tuple[dict[str, NDArray[np.float32]], float]:
    record = WfdbRecord(path)
    mv = np.concatenate([block.mv for block in record.blocks(65536)])
    fs_hz = float(record.stream.fs_hz)
    first = round(from_s * fs_hz)
    piece = np.nan_to_num(mv[first : first + round(STRIP_S * fs_hz)])
    return {_SPELLING.get(lead.upper(), lead): piece[:, i] for i, lead in enumerate(record.stream.leads)}, fs_hz


def _chart(mv: dict[str, NDArray[np.float32]], fs_hz: float, layout: str) -> Any:
    import ecg_plot  # noqa: PLC0415 - a development tool

    values = np.stack([lead - np.median(lead) for lead in mv.values()])
    form: dict[str, Any] = {"layout": "stacked"}
    if layout != "strip":
        form = {"layout": "12lead", "time_mode": "sequential", "rhythm_lead": "II" if layout == "3x4+1" else None}
    return ecg_plot.plot(values, sample_rate=fs_hz, lead_names=list(mv), **form)


def _chart_truths(chart: Any, mv: dict[str, NDArray[np.float32]], fs_hz: float) -> tuple[Truth, ...]:
    """Return the longest piece of each lead; columns stand apart, so their place on paper is later than their time."""
    names = list(mv)
    left = min(panel.x for panel in chart.panels)
    longest: dict[str, Truth] = {}
    for panel in chart.panels:
        lead = names[panel.lead]
        first, last = round(panel.start * fs_hz), round(panel.end * fs_hz)
        piece = (mv[lead][first:last] - np.median(mv[lead])).astype(np.float32)
        if lead not in longest or len(piece) > len(longest[lead].mv):
            longest[lead] = Truth(lead, piece, fs_hz, (panel.start, (panel.x - left) / chart.speed))
    return tuple(longest.values())
