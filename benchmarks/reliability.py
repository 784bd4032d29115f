"""What the score of a beat is worth: how often its label is right, and what asking for a least score would change."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import common
from benchmarks.replayed import NO_BEAT, Scored
from training import ec57
from training.ec57 import CLASSES, Score
from training.report import percent

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Bins of scores."""

THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.85, 0.88, 0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97)
"""Least scores tried."""

GROUPS: dict[str, tuple[str, ...]] = {"all": CLASSES, "V": ("V",), "S": ("S",)}
"""Labels looked at together."""


class Bin(msgspec.Struct, frozen=True):
    """Beats whose scores are alike.

    Attributes
    ----------
    low, high : float
        Scores from `low` to below `high`; 1 is in the last bin.
    n : int
        Beats.
    score : float
        Their mean score.
    right : float
        Share of right labels, 0 to 1.
    """

    low: float
    high: float
    n: int
    score: float
    right: float


def bins(records: Sequence[Scored], labels: Sequence[str]) -> list[Bin]:
    """Return what became of the beats that were given one of some labels.

    A label is right if the reference has a beat of that class there. Beats too poor to call (Q, score 0: the model was
    not asked) are left out.
    """
    scores, right = _told(records, labels)
    inner = np.digitize(scores, EDGES[1:-1])
    out = []
    for number, (low, high) in enumerate(pairwise(EDGES)):
        here = inner == number
        n = int(here.sum())
        mean = (float(scores[here].mean()), float(right[here].mean())) if n else (float("nan"), float("nan"))
        out.append(Bin(low, high, n, *mean))
    return out


def calibration_error(found: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean over beats of their bin's |score − share of right labels|."""
    n = sum(one.n for one in found)
    return sum(one.n * abs(one.score - one.right) for one in found if one.n) / n if n else float("nan")


def ventricular(records: Sequence[Scored], least: float) -> tuple[Score, float]:
    """Return how V does, strictly, if a V of a lower score is none, and false V an hour."""
    total = np.zeros((6, 6), np.int64)
    for record in records:
        said = np.where((record.said == "V") & (record.scores < least), "N", record.said)
        total += _table(record.truth, said)
    score = ec57.beat_class(total, "V")
    hours = sum(record.hours for record in records)
    return score, score.fp / hours if hours else float("nan")


def report(name: str, records: Sequence[Scored]) -> tuple[list[str], dict[str, Any]]:
    """Return tables and figures of how far scores can be trusted."""
    found = {group: bins(records, labels) for group, labels in GROUPS.items()}
    errors = {group: calibration_error(each) for group, each in found.items()}
    header = ["score", *(f"{group}: {what}" for group in GROUPS for what in ("labels", "mean score", "right"))]
    rows = []
    for number, (low, high) in enumerate(pairwise(EDGES)):
        cells = [found[group][number] for group in GROUPS]
        rows.append([f"{low:g}–{high:g}", *(text for cell in cells for text in _cells(cell))])
    every = [(sum(one.n for one in each), *_overall(each)) for each in found.values()]
    rows.append(["all", *(text for n, score, right in every for text in (f"{n:,}", _percent(score), _percent(right)))])
    text = [
        f"{name}: how often a label of such a score was right, in percent. Expected calibration error: "
        + ", ".join(f"{group} {_percent(errors[group])}" for group in GROUPS)
        + ".",
        common.table(header, rows),
    ]
    figures = {
        group: {"bins": [msgspec.to_builtins(one) for one in found[group] if one.n], "calibration_error": errors[group]}
        for group in GROUPS
    }
    return text, _defined(figures)


def curve(sets: dict[str, Sequence[Scored]], chosen: float) -> tuple[list[str], dict[str, Any]]:
    """Return a table of V by the least score asked for, a column each for some sets of records."""
    header = ["least score", *(f"{name}: {what}" for name in sets for what in ("Se", "false an hour"))]
    rows, figures = [], {}
    for least in sorted({*THRESHOLDS, chosen}):
        cells: list[str] = []
        line = {}
        for name, records in sets.items():
            score, false = ventricular(records, least)
            cells += [_percent(score.se), "-" if np.isnan(false) else f"{false:.1f}"]
            line[name] = {"se": score.se, "ppv": score.ppv, "f1": score.f1, "false_per_hour": false}
        rows.append([f"**{least:g}**" if least == chosen else f"{least:g}", *cells])
        figures[f"{least:g}"] = line
    text = [
        "V by the least score asked of it (a V below counts as N), strict. Asking for "
        f"{chosen:g} brings DS1 nearest to five false V an hour: what an alarm for single V beats should do.",
        common.table(header, rows),
    ]
    return text, _defined(figures)


def _told(records: Sequence[Scored], labels: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return scores of the beats given one of some labels, and whether that was right."""
    scores: list[NDArray[np.float64]] = [np.zeros(0)]
    right: list[NDArray[np.bool_]] = [np.zeros(0, np.bool_)]
    for record in records:
        here = np.isin(record.said, list(labels)) & ~((record.said == "Q") & (record.scores == 0))
        scores.append(record.scores[here])
        right.append((record.said == record.truth)[here])
    return np.concatenate(scores), np.concatenate(right)


def _table(truth: NDArray[np.str_], said: NDArray[np.str_]) -> ec57.Table:
    order = np.array([*CLASSES, NO_BEAT])
    rows, columns = ((side[:, None] == order).argmax(axis=1) for side in (truth, said))
    return np.bincount(rows * 6 + columns, minlength=36).reshape(6, 6).astype(np.int64)


def _overall(found: Sequence[Bin]) -> tuple[float, float]:
    n = sum(one.n for one in found)
    if not n:
        return float("nan"), float("nan")
    return sum(one.n * one.score for one in found if one.n) / n, sum(one.n * one.right for one in found if one.n) / n


def _cells(one: Bin) -> tuple[str, str, str]:
    return f"{one.n:,}", _percent(one.score), _percent(one.right)


def _percent(figure: float) -> str:
    return percent(figure).strip()


def _defined(value: Any) -> Any:
    """Replace NaN, which JSON has not, by None."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
