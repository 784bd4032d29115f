"""Draws mistakes: a strip of both leads as on ECG paper, and the averaged wrong beat beside the averaged right ones."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray
from PIL import Image

from benchmarks.replayed import NO_BEAT, Scored
from edge.sources.wfdb_record import WfdbRecord

STRIP_S = 9.0
BEFORE_S, AFTER_S = 0.3, 0.45
"""Of an averaged beat, around R."""
EDGE_S = 0.12
"""No beat should be as close to an end of the strip."""
TALLEST_MV = 6.0

_WRONG, _TRUTH, _TAKEN_FOR = "#c8102e", "#1a1a1a", "#0057b8"
_MINOR, _MAJOR, _SHADE = "#fbe6e6", "#f1bcbc", "#ffd9a0"

Mv = NDArray[np.float64]


class Kind(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Mistakes of one kind in one record.

    Attributes
    ----------
    truth, said : str
        AAMI class by the reference, and by the model.
    rhythm : str
        Annotated at that time.
    rows : tuple of int
        Which beats.
    rr_ratio : float
        Their median RR interval over the usual one.
    before : str
        Class of the beat before, most often.
    score : float
        Their mean score.
    """

    truth: str
    said: str
    rhythm: str
    rows: tuple[int, ...]
    rr_ratio: float
    before: str
    score: float


def draw(record: Path, beats: Scored, kind: Kind) -> bytes:
    """Return a picture, as PNG, of a stretch where one kind of mistake is frequent.

    Parameters
    ----------
    record : Path
        Path of the record, without extension.
    beats : Scored
        Its beats.
    kind : Kind
        The mistake.
    """
    source = WfdbRecord(record)
    mv = np.concatenate([block.mv for block in source.blocks(100_000)]).astype(np.float64)
    leads = source.stream.leads
    first = _where(beats, kind)
    last = first + round(STRIP_S * beats.fs_hz)
    figure = Figure(figsize=(11, 2.1 * len(leads) + 0.7), dpi=100)
    grid = figure.add_gridspec(
        len(leads), 2, width_ratios=(5.3, 1), hspace=0.1, wspace=0.09, left=0.052, right=0.99, top=0.875, bottom=0.135
    )
    strips = []
    for column, lead in enumerate(leads):
        strip, average = figure.add_subplot(grid[column, 0]), figure.add_subplot(grid[column, 1])
        _strip(strip, mv[first:last, column], beats.fs_hz, f"{lead}, mV")
        _averages(average, mv[:, column], beats, kind)
        if column < len(leads) - 1:
            strip.tick_params(labelbottom=False)
            average.tick_params(labelbottom=False)
        strips.append(strip)
    _labels(strips, beats, first, last)
    strips[-1].set_xlabel(f"s, from {_clock(first / beats.fs_hz)} on", fontsize=8, labelpad=1)
    figure.axes[-1].set_xlabel("s", fontsize=8, labelpad=1)
    title = f"{beats.name}: {_called(kind.truth)} called {_called(kind.said)}"
    figure.suptitle(title, x=0.052, y=0.985, ha="left", fontsize=11, fontweight="bold")
    handles, words = figure.axes[1].get_legend_handles_labels()
    figure.legend(
        handles, words, loc="upper right", bbox_to_anchor=(0.995, 1.005), ncols=3, fontsize=8, frameon=False,
        handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
    return _png(figure)


def _where(beats: Scored, kind: Kind) -> int:
    """Return the first sample of the stretch that shows most: mistakes of the kind, right beats, other classes."""
    n = round(STRIP_S * beats.fs_hz)
    margin, edge = round(0.5 * beats.fs_hz), round(EDGE_S * beats.fs_hz)
    best, best_value = max(int(beats.samples[kind.rows[0]]) - n // 2, 0), -1.0
    own = np.zeros(len(beats.samples), bool)
    own[list(kind.rows)] = True
    right = beats.truth == beats.said
    for row in kind.rows:
        for lead_in in (margin, margin + edge, n // 4, n // 4 + edge, n // 2, n // 2 + edge):
            start = max(int(beats.samples[row]) - lead_in, 0)
            here = slice(*np.searchsorted(beats.samples, (start + margin // 2, start + n - margin // 2)))
            truth = beats.truth[here]
            edges = np.searchsorted(beats.samples, [start - edge, start + edge, start + n - edge, start + n + edge])
            value = (
                min(int(own[here].sum()), 4)
                + 0.5 * min(int(right[here].sum()), 3)
                + 1.5 * bool((right[here] & (truth == kind.truth)).any())
                + 0.5 * len(set(truth.tolist()))
                - 0.5 * int((~right[here] & ~own[here]).sum())
                - 0.5 * int(edges[1] > edges[0])
                - 0.5 * int(edges[3] > edges[2])
            )
            if value > best_value:
                best, best_value = start, value
    return best


def _strip(axes: Axes, mv: Mv, fs_hz: float, name: str) -> None:
    trace = mv - np.nanmedian(mv)
    _paper(axes, STRIP_S, _limits(trace))
    axes.plot(np.arange(len(trace)) / fs_hz, trace, color=_TRUTH, linewidth=0.9)
    axes.set_ylabel(name, fontsize=8, labelpad=2)


def _paper(axes: Axes, seconds: float, limits: tuple[float, float], start: float = 0.0) -> None:
    axes.set_xlim(start, seconds)
    axes.set_ylim(*limits)
    axes.xaxis.set_minor_locator(MultipleLocator(0.04))
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    axes.yaxis.set_minor_locator(MultipleLocator(0.1))
    axes.yaxis.set_major_locator(MultipleLocator(0.5))
    axes.grid(which="minor", color=_MINOR, linewidth=0.4)
    axes.grid(which="major", color=_MAJOR, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=7)
    # A label each second, and each mV where half ones would crowd.
    ticks = [f"{tick:g}" for tick in range(int(seconds) + 1)]
    if seconds > 1:
        axes.set_xticks(np.arange(0, seconds + 0.01, 0.2).round(2).tolist())
        axes.set_xticklabels([ticks[i // 5] if i % 5 == 0 else "" for i in range(len(axes.get_xticks()))])
    for spine in axes.spines.values():
        spine.set_color(_MAJOR)


def _limits(trace: Mv) -> tuple[float, float]:
    """Return whole half millivolts that hold the trace, artifacts beyond `TALLEST_MV` cut off."""
    low, high = float(np.nanmin(trace)), float(np.nanmax(trace))
    if high - low > TALLEST_MV:
        low, high = max(low, -TALLEST_MV / 2), min(high, TALLEST_MV / 2)
    return np.floor(2 * low - 0.2) / 2, np.ceil(2 * high + 0.2) / 2


def _labels(strips: Sequence[Axes], beats: Scored, first: int, last: int) -> None:
    """Write the reference's letters above the strips and the model's below, and shade mistakes."""
    edge = round(EDGE_S * beats.fs_hz) // 2
    low, high = np.searchsorted(beats.samples, (first + edge, last - edge))
    for row in range(low, high):
        at = (beats.samples[row] - first) / beats.fs_hz
        truth, said = str(beats.truth[row]), str(beats.said[row])
        wrong = truth != said
        style = {"ha": "center", "fontsize": 10, "fontweight": "bold" if wrong else "normal"}
        above, below = strips[0].get_xaxis_transform(), strips[-1].get_xaxis_transform()
        strips[0].text(at, 1.03, _letter(truth), transform=above, va="bottom", color=_TRUTH, **style)
        colour = _WRONG if wrong else "#555555"
        strips[-1].text(at, -0.03, _letter(said), transform=below, va="top", color=colour, **style)
        for axes in strips if wrong else ():
            axes.axvspan(at - 0.12, at + 0.12, color=_SHADE, alpha=0.6, linewidth=0, zorder=0.4)
    strips[0].text(-0.006, 1.04, "reference", transform=strips[0].transAxes, ha="right", va="bottom", fontsize=7)
    strips[-1].text(-0.006, -0.04, "model", transform=strips[-1].transAxes, ha="right", va="top", fontsize=7)
    strips[-1].tick_params(axis="x", pad=16)


def _averages(axes: Axes, mv: Mv, beats: Scored, kind: Kind) -> None:
    said = [(kind.truth, _TRUTH, "-"), (kind.said, _TAKEN_FOR, "--")]
    groups: list[tuple[str, NDArray[np.int64], str, str]] = [
        (f"{_called(kind.truth)} called {_called(kind.said)}", np.array(kind.rows), _WRONG, "-")
    ]
    for label, colour, line in said:
        rows = np.flatnonzero((beats.truth == label) & (beats.said == label))
        groups.append((f"{label} called {label}", rows, colour, line))
    traces = []
    for words, rows, colour, line in groups:
        mean, n = _mean(mv, beats.samples[rows], beats.fs_hz)
        if n:
            traces.append(mean)
            seconds = np.arange(len(mean)) / beats.fs_hz - BEFORE_S
            width, above = (1.2, 3) if colour == _WRONG else (2.0, 2)
            label = f"{words} ({n:,})"
            axes.plot(seconds, mean, color=colour, linestyle=line, linewidth=width, zorder=above, label=label)
    _paper(axes, AFTER_S, _limits(np.concatenate(traces)), start=-BEFORE_S)


def _mean(mv: Mv, samples: NDArray[np.int64], fs_hz: float) -> tuple[Mv, int]:
    """Return the mean of the signal around some samples, each window's median taken away, and how many there were."""
    before, after = round(BEFORE_S * fs_hz), round(AFTER_S * fs_hz)
    inside = samples[(samples >= before) & (samples + after <= len(mv))]
    if not len(inside):
        return np.zeros(0), 0
    windows = mv[inside[:, None] + np.arange(-before, after)]
    windows = windows - np.nanmedian(windows, axis=1, keepdims=True)
    return np.nanmean(windows, axis=0), len(inside)


def _png(figure: Figure) -> bytes:
    raw, out = io.BytesIO(), io.BytesIO()
    FigureCanvasAgg(figure).print_png(raw)
    # A palette makes the file small; by this method also colours that are rare, such as that of mistakes, are in it.
    picture = Image.open(raw).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _letter(label: str) -> str:
    return "–" if label == NO_BEAT else label


def _called(label: str) -> str:
    return "no beat" if label == NO_BEAT else label


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
