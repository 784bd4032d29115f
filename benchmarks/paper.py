"""The digitizer on pictures whose signals are known, and on real pages that print their own heart rate.

Pictures are rendered here and read by a child process, one core, that imports nothing but the digitizer: its time and
memory are the device's.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import common

FULL, FEW = 60, 12
"""Pictures in a row of the table."""

PROTOCOL = (
    "dB is 10·log10(Σs²/Σ(s−ŝ)²) of each lead, offset removed by the median, the mean over a picture's leads, then "
    "over pictures; *aligned* after the best shift of at most 0.2 s per lead, *10th pct.* and *of ratios* (dB of the "
    "mean of linear ratios) likewise. Refusals, failures and lost leads (less than half of it read, or not under its "
    "name) are counted apart and are in no mean. R peaks and heart rate: this pipeline's detector on the longest lead "
    "as read, against the same on the record. Times are medians. A third of the pictures are strips of mitdb's DS2, "
    "the others pages of ptbxl."
)

BATCH = 20
"""Pictures a child reads: all of them on disk at once would be many."""


class Read(msgspec.Struct, frozen=True):
    """What the digitizer said of a picture; the leads are beside it."""

    seconds: float
    refused: str | None = None
    failed: str | None = None
    fs_hz: float = 0.0
    px_per_mm: tuple[float, float] | None = None
    layout: str | None = None


@dataclass
class Row:
    """Figures of one row of the table, one entry per picture."""

    refused: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    as_read: list[float] = field(default_factory=list)
    aligned: list[float] = field(default_factory=list)
    lost_leads: int = 0
    leads: int = 0
    pitch: list[float] = field(default_factory=list)
    layouts: list[bool] = field(default_factory=list)
    peaks: list[int] = field(default_factory=lambda: [0, 0, 0])
    rates: list[bool] = field(default_factory=list)
    strip_s: list[float] = field(default_factory=list)
    page_s: list[float] = field(default_factory=list)
    peak_mb: float = 0.0


def main() -> None:
    """Measure, print and write the table."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--rows", nargs="+", help="rows of the table to measure (default: all)")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    common.use_one_core()
    if arguments.read:
        read_folder(arguments.read)
        return
    if importlib.util.find_spec("edge.paper") is None:
        sys.exit("there is no digitizer: edge.paper is missing")
    data = common.data_dir(arguments.data)
    plan, skipped = _plan(data, FEW if arguments.quick else FULL)
    rows = {name: measure(cases()) for name, cases in plan.items() if not arguments.rows or name in arguments.rows}
    _report(arguments.results, rows, skipped, _device(data, arguments.quick))


def _plan(data: Path, n: int) -> tuple[dict[str, Callable[[], Iterable[Any]]], list[str]]:
    from benchmarks import paper_cases  # noqa: PLC0415 - not for the child that reads

    plan: dict[str, Callable[[], Iterable[Any]]] = {}
    skipped = []
    for look in paper_cases.CLASSES:
        plan[look] = functools.partial(paper_cases.ours, data, look, n)
    if paper_cases.has_ecg_plot():
        for look in paper_cases.CLASSES:
            plan[f"{look}, ecg-plot"] = functools.partial(paper_cases.independent, data, look, n)
    else:
        skipped.append("The independent renderer was left out: ecg-plot is not installed (extra `bench`).")
    if (data / "pages_ludb").is_dir():
        plan["pages_ludb"] = functools.partial(paper_cases.ludb, data)
    else:
        skipped.append("pages_ludb was left out: it is not in the data folder.")
    return plan, skipped


def measure(cases: Iterable[Any]) -> Row:
    """Let a child read pictures, and compare."""
    row = Row()
    for batch in _batches(cases):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for i, case in enumerate(batch):
                cv2.imwrite(str(folder / f"{i:04}.png"), case.image)
            row.peak_mb = max(row.peak_mb, _read_by_child(folder))
            for i, case in enumerate(batch):
                _score(row, case, *load(folder / f"{i:04}.png"))
    return row


def _batches(cases: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for case in cases:
        batch.append(case)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _read_by_child(folder: Path) -> float:
    return common.run([sys.executable, "-m", "benchmarks.paper", "--read", folder]).peak_mb


def read_folder(folder: Path) -> None:
    """Digitize every picture of a folder; write `NAME.json` and `NAME.npz` beside each."""
    from edge.paper import digitize  # noqa: PLC0415 - this process alone needs it

    paths = sorted([*folder.glob("*.png"), *folder.glob("*.jpg")])
    for path in paths:
        began = time.perf_counter()
        leads: dict[str, NDArray[np.float32]] = {}
        try:
            strip: Any = digitize(path)
        except Exception as error:  # whatever it raises is counted, and told
            read = Read(time.perf_counter() - began, failed=f"{type(error).__name__}: {error}")
        else:
            seconds = time.perf_counter() - began
            read = Read(seconds, refused=str(strip.refused)) if strip.refused else _said(strip, seconds)
            leads = {} if strip.refused else dict(strip.leads)
        path.with_suffix(".json").write_bytes(msgspec.json.encode(read))
        np.savez(path.with_suffix(".npz"), **{k: np.asarray(v) for k, v in leads.items()})


def _said(strip: Any, seconds: float) -> Read:
    pitch = tuple(float(axis) for axis in strip.px_per_mm)
    return Read(seconds, fs_hz=float(strip.fs_hz), px_per_mm=(pitch[0], pitch[1]), layout=str(strip.layout))


def load(picture: Path) -> tuple[Read, dict[str, NDArray[np.float32]]]:
    """Return what `read_folder` wrote beside a picture."""
    read = msgspec.json.decode(picture.with_suffix(".json").read_bytes(), type=Read)
    with np.load(picture.with_suffix(".npz")) as arrays:
        return read, {name: arrays[name] for name in arrays.files}


def _score(row: Row, case: Any, read: Read, leads: dict[str, NDArray[np.float32]]) -> None:
    from benchmarks.paper_scores import compare_beats, score_lead  # noqa: PLC0415 - not for the child that reads

    (row.strip_s if case.layout in ("strip", "rows") else row.page_s).append(read.seconds)
    row.leads += len(case.truths)
    if read.refused or read.failed:
        (row.refused if read.refused else row.failed).append(f"{case.name}: {read.refused or read.failed}")
        row.lost_leads += len(case.truths)
        return
    leads = _paired(case, leads)
    scores = [score_lead(truth, leads[truth.lead], read.fs_hz) for truth in case.truths if truth.lead in leads]
    found = [score for score in scores if score]
    row.lost_leads += len(case.truths) - len(found)
    if not found:
        row.failed.append(f"{case.name}: no lead was read under its name")
        return
    row.as_read.append(statistics.fmean(score.as_read for score in found))
    row.aligned.append(statistics.fmean(score.aligned for score in found))
    row.layouts.append(read.layout == case.layout)
    if case.px_per_mm and read.px_per_mm:
        row.pitch += [abs(seen / true - 1) for seen, true in zip(read.px_per_mm, case.px_per_mm, strict=True)]
    longest = max(case.truths, key=lambda truth: len(truth.mv))
    if longest.lead in leads and len(longest.mv) / longest.fs_hz >= 5:
        beats = compare_beats(longest, leads[longest.lead], read.fs_hz)
        row.peaks = [a + b for a, b in zip(row.peaks, (beats.hits, beats.missed, beats.extra), strict=True)]
        row.rates.append(beats.same_rate)


def _paired(case: Any, leads: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """On strips and rows leads are known by their order: their names are no more than text beside them."""
    if case.layout in ("strip", "rows") and len(leads) == len(case.truths):
        return {truth.lead: mv for truth, mv in zip(case.truths, leads.values(), strict=True)}
    return leads


@dataclass(frozen=True)
class Device:
    """The real pages with a printed heart rate."""

    pages: int
    unread_rates: int
    refused: int
    within: int
    wrong: tuple[str, ...]


def _device(data: Path, quick: bool) -> Device | None:
    from benchmarks.paper_device import printed_rate  # noqa: PLC0415 - not for the child that reads
    from benchmarks.paper_scores import r_peaks, rate_bpm  # noqa: PLC0415

    paths = sorted((data / "ecg_pages").glob("*/*.jpg"))[:: 12 if quick else 1]
    if not paths:
        return None
    unread = refused = within = 0
    wrong = []
    for batch in _batches(paths):
        with tempfile.TemporaryDirectory() as name:
            for path in batch:
                (Path(name) / path.name).write_bytes(path.read_bytes())
            _read_by_child(Path(name))
            for path in batch:
                printed = printed_rate(np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8))
                read, leads = load(Path(name) / path.name)
                if printed is None:
                    unread += 1
                elif read.refused or read.failed or not leads:
                    refused += 1
                else:
                    longest = max(leads, key=lambda lead: int(np.isfinite(leads[lead]).sum()))
                    rate = rate_bpm(r_peaks(_at_pipeline_rate(leads[longest], read.fs_hz), longest) / 360)
                    if rate is not None and abs(rate - printed) <= 2:
                        within += 1
                    else:
                        wrong.append(f"{path.stem}: ♥{printed}, read {rate if rate is None else round(rate)}")
    return Device(len(paths), unread, refused, within, tuple(wrong))


def _at_pipeline_rate(mv: NDArray[np.float32], fs_hz: float) -> NDArray[np.float32]:
    known = np.flatnonzero(np.isfinite(mv))
    times = np.arange(known[0] / fs_hz, known[-1] / fs_hz, 1 / 360)
    return np.interp(times, known / fs_hz, mv[known]).astype(np.float32)


def _report(folder: Path, rows: dict[str, Row], skipped: Sequence[str], device: Device | None) -> None:
    header = ("", "pictures", "dB", "aligned", "10th pct.", "of ratios", "refused", "failed", "leads lost", "layout")
    quality = [_quality(name, row) for name, row in rows.items()]
    second = ("", "pitch error", "R peaks Se", "+P", "rate ±2", "strip s", "page s", "MB")
    use = [_use(name, row) for name, row in rows.items()]
    text = [
        "# Paper: what is read of pictures whose signals are known",
        PROTOCOL,
        common.table(header, quality),
        common.table(second, use),
        *skipped,
    ]
    if device:
        known = device.pages - device.unread_rates
        text.append(
            f"Real pages of one device, {device.pages}: on {known} this benchmark can read the rate that it printed; "
            f"{device.refused} of them refused, {device.within} read within 2/min."
        )
    figures = {"rows": {name: vars(row) for name, row in rows.items()}, "device": device}
    common.write(folder, "paper", text, figures=figures, facts=common.machine("opencv-python-headless", "ecg-plot"))


def _quality(name: str, row: Row) -> list[str]:
    from benchmarks.paper_scores import mean_of_ratios  # noqa: PLC0415 - not for the child that reads

    n = len(row.as_read) + len(row.refused) + len(row.failed)
    numbers = ["–"] * 4
    if row.as_read:
        tenth = float(np.percentile(row.aligned, 10))
        means = statistics.fmean(row.as_read), statistics.fmean(row.aligned), tenth, mean_of_ratios(row.aligned)
        numbers = [f"{value:.1f}" for value in means]
    lost = f"{row.lost_leads}/{row.leads}"
    right = f"{sum(row.layouts)}/{len(row.layouts)}"
    return [name, str(n), *numbers, str(len(row.refused)), str(len(row.failed)), lost, right]


def _use(name: str, row: Row) -> list[str]:
    hits, missed, extra = row.peaks
    pitch = f"{100 * statistics.median(row.pitch):.2f} %" if row.pitch else "–"
    se = f"{100 * hits / (hits + missed):.2f}" if hits else "–"
    positive = f"{100 * hits / (hits + extra):.2f}" if hits else "–"
    rates = f"{100 * statistics.fmean(row.rates):.1f} %" if row.rates else "–"
    times = [f"{statistics.median(seconds):.2f}" if seconds else "–" for seconds in (row.strip_s, row.page_s)]
    return [name, pitch, se, positive, rates, *times, f"{row.peak_mb:.0f}"]


if __name__ == "__main__":
    main()
