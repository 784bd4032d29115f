"""Pictures that are no 12-lead page: charts, tables, text, photographs, empty graph paper, strips alone.

No opinion may be given of them; of pages of an ECG one should be.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError
from edge.findings.analyze import findings_of
from edge.findings.page import measured_of
from edge.inference.beat_model import BeatModel
from edge.messages import Samples
from edge.paper import read_picture
from edge.sources.paper import recording_of
from edge.sources.wfdb_record import WfdbRecord
from training.pages import drawing
from training.pages.layouts import CHEST, LIMB
from training.pages.look import Look
from training.pages.renderer import render_page

Picture = NDArray[np.uint8]

_LEADS = LIMB + CHEST
_SPELLING = {lead.upper(): lead for lead in _LEADS}
_PAGE_LAYOUTS = ("3x4+1", "3x4", "6x2", "12x1")


def why_none(image: Picture, model: BeatModel) -> str | None:
    """Return why no opinion is given of a picture; None if one is given.

    Parameters
    ----------
    image : uint8 array, shape (height, width, 3)
        BGR.
    model : BeatModel
        Labels the beats.
    """
    read = read_picture(image)
    if read.refused is not None:
        return read.refused.reason
    try:
        measured = measured_of(read, findings_of(recording_of(read, "picture"), model))
    except EcgEdgeError as error:
        return str(error)
    return measured if isinstance(measured, str) else None


def charts(n: int) -> Iterator[Picture]:
    """Yield what matplotlib draws of random series: lines, bars, points, histograms, many panels, with grids."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    for i in range(n):
        rng = np.random.default_rng(i)
        panels = int(rng.choice([1, 2, 4, 6, 12]))
        figure = Figure(figsize=(float(rng.uniform(6, 11)), float(rng.uniform(4, 8))), dpi=int(rng.integers(80, 160)))
        FigureCanvasAgg(figure)
        for k in range(panels):
            axes = figure.add_subplot(max(1, panels // 2), min(2, panels), k + 1)
            walk = rng.normal(size=300).cumsum()
            kind = rng.integers(0, 4)
            if kind == 0:
                axes.plot(walk, color="black" if rng.random() < 0.5 else None)
            elif kind == 1:
                axes.bar(np.arange(12), np.abs(walk[:12]))
            elif kind == 2:
                axes.plot(np.sin(np.arange(300) / rng.uniform(3, 20)) * rng.uniform(0.5, 3), color="black", lw=1)
            else:
                axes.scatter(walk, rng.normal(size=300), s=6)
            if rng.random() < 0.7:
                axes.grid(True, which="both", color="pink" if rng.random() < 0.5 else "0.8")
                axes.minorticks_on()
        out = io.BytesIO()
        figure.savefig(out, format="png")
        yield _decoded(out.getvalue())


def texts(n: int) -> Iterator[Picture]:
    """Yield pages of words, some on ruled or squared paper."""
    words = ("rate", "of", "heart", "beats", "per", "minute", "was", "written", "down", "by", "hand", "on", "paper")
    for i in range(n):
        rng = np.random.default_rng(1000 + i)
        height, width = int(rng.integers(700, 1500)), int(rng.integers(600, 1300))
        page = np.full((height, width, 3), rng.uniform(0.85, 1), np.float32)
        ruled = int(rng.integers(0, 3))
        for y in range(20, height, 24) if ruled else ():
            page[y] *= (0.8, 0.85, 0.95)
        for x in range(20, width, 24) if ruled == 2 else ():
            page[:, x] *= (0.8, 0.85, 0.95)
        mask = np.zeros((height, width), np.float32)
        tall, face = float(rng.uniform(12, 26)), str(rng.choice(drawing.fonts()))
        for y in np.arange(40, height - 40, tall * 1.8):
            drawing.write(mask, " ".join(rng.choice(words, 9)), (30.0, float(y)), tall, face)
        drawing.paint(page, mask, (0.1, 0.1, 0.1))
        yield np.asarray(np.clip(page * 255, 0, 255), np.uint8)


def tables(n: int) -> Iterator[Picture]:
    """Yield tables of figures: lines at right angles, evenly spaced."""
    for i in range(n):
        rng = np.random.default_rng(2000 + i)
        rows, columns = int(rng.integers(8, 40)), int(rng.integers(3, 14))
        down, across = int(rng.integers(18, 34)), int(rng.integers(40, 110))
        page = np.ones((rows * down + 40, columns * across + 40, 3), np.float32)
        page[20 : 20 + rows * down + 1 : down, 20:-19] = 0.4
        page[20:-19, 20 : 20 + columns * across + 1 : across] = 0.4
        mask = np.zeros(page.shape[:2], np.float32)
        for r in range(rows):
            for c in range(columns):
                at = (24.0 + c * across, 20.0 + (r + 0.75) * down)
                drawing.write(mask, f"{rng.uniform(0, 999):.1f}", at, down * 0.5, drawing.fonts()[0])
        drawing.paint(page, mask, (0, 0, 0))
        yield np.asarray(np.clip(page * 255, 0, 255), np.uint8)


def squared(n: int) -> Iterator[Picture]:
    """Yield graph paper without a trace, written on, and pages of which the traces are scribbles."""
    for i in range(n):
        rng = np.random.default_rng(3000 + i)
        page = render_page({"II": np.zeros(5000, np.float32)}, 500.0, layout="strip", look=Look.clean(), seed=i)
        box = page.pieces[0].box
        image = page.image.copy()
        pale = np.median(image.reshape(-1, 3), axis=0).astype(np.uint8)
        image[round(page.pieces[0].origin[1]) - 6 : round(page.pieces[0].origin[1]) + 7] = pale
        shape = (image.shape[0], image.shape[1])
        mask = np.zeros(shape, np.float32)
        for _ in range(int(rng.integers(0, 6))):
            at = (float(rng.uniform(0.1, 0.8) * image.shape[1]), float(rng.uniform(box[1], box[3])))
            mask = np.maximum(mask, drawing.scribble(shape, at, float(rng.uniform(20, 80)), rng, ""))
        inked = image.astype(np.float32) / np.float32(255)
        drawing.paint(inked, mask, (0.1, 0.1, 0.1))
        yield np.asarray(np.clip(inked * 255, 0, 255), np.uint8)


def photographs(n: int) -> Iterator[Picture]:
    """Yield pieces of the photographs that scikit-learn and matplotlib bring, turned and mirrored."""
    found = []
    for package, inner in (("sklearn", "datasets/images/*.jpg"), ("matplotlib", "mpl-data/sample_data/*.jpg")):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            found += sorted(Path(spec.origin).parent.glob(inner))
    images = [_decoded(path.read_bytes()) for path in found]
    for i in range(n if images else 0):
        rng = np.random.default_rng(4000 + i)
        image = images[i % len(images)]
        height, width = image.shape[:2]
        h, w = int(rng.uniform(0.5, 1) * height), int(rng.uniform(0.5, 1) * width)
        y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
        piece = image[y : y + h, x : x + w][:, :: -1 if rng.random() < 0.5 else 1]
        size = (int(w * 2), int(h * 2))
        yield np.asarray(cv2.resize(np.rot90(piece, int(rng.integers(0, 4))), size), np.uint8)


def strips(n: int) -> Iterator[Picture]:
    """Yield strips of one, two or three leads of a made-up heart: an ECG, but no page."""
    t = np.arange(5000) / 500
    for i in range(n):
        rng = np.random.default_rng(5000 + i)
        beats = np.cumsum(rng.normal(rng.uniform(0.6, 1.1), 0.03, 20))
        shape = ((-0.16, 0.03, 0.1), (0.0, 0.014, 1.0), (0.03, 0.012, -0.2), (0.28, 0.06, 0.25))
        mv = sum(high * np.exp(-(((t - beat - at) / wide) ** 2)) for beat in beats for at, wide, high in shape)
        leads = {
            name: (scale * mv).astype(np.float32)
            for name, scale in zip(("II", "V1", "V5"), (1, -0.6, 0.8), strict=True)
        }
        some = dict(list(leads.items())[: 1 + i % 3])
        look = (Look.clean, Look.lit)[i % 2]()
        yield render_page(some, 500.0, layout="strip" if len(some) == 1 else "rows", look=look, seed=i).image


KINDS: dict[str, Callable[[int], Iterator[Picture]]] = {
    "charts": charts,
    "text": texts,
    "tables": tables,
    "graph paper": squared,
    "photographs": photographs,
    "strips alone": strips,
}


def rendered(data: Path, n: int) -> Iterator[Picture]:
    """Yield pages of ptbxl, clean and as a telephone sees them; none if it is not in the data folder."""
    paths = sorted((data / "ptbxl").glob("*.hea"))[:n]
    for i, path in enumerate(paths):
        record = WfdbRecord(path.with_suffix(""))
        mv = np.nan_to_num(np.concatenate([block.mv for block in record.blocks(65536) if isinstance(block, Samples)]))
        leads = {_SPELLING.get(lead.upper(), lead): mv[:, k] for k, lead in enumerate(record.stream.leads)}
        layout = _PAGE_LAYOUTS[i // 2 % len(_PAGE_LAYOUTS)]
        look = (Look.clean, Look.phone)[i % 2]()
        yield render_page(leads, float(record.stream.fs_hz), layout=layout, look=look, seed=6000 + i).image


def report(data: Path, n: int) -> Iterator[str]:
    """Yield how many pictures of each kind get an opinion, line by line.

    Parameters
    ----------
    data : Path
        Folder with `ptbxl`, for pages.
    n : int
        Pictures of each kind.
    """
    given = total = 0
    with BeatModel.load() as model:
        for kind, make in KINDS.items():
            said = [why_none(image, model) for image in make(n)]
            given, total = given + said.count(None), total + len(said)
            yield f"{kind}: {said.count(None)} of {len(said)} get an opinion"
        yield f"no page: {total - given} of {total} refused, {100 * (total - given) / max(total, 1):.1f} %"
        said = [why_none(image, model) for image in rendered(data, n)]
        if said:
            why = "; ".join(sorted({reason for reason in said if reason}))
            yield f"pages: {len(said) - said.count(None)} of {len(said)} refused" + (f" ({why})" if why else "")


def _decoded(content: bytes) -> Picture:
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), np.uint8)
