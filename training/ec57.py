"""Beat-by-beat comparison of two annotators, as ANSI/AAMI EC57 prescribes and WFDB's `bxb` carries out.

A beat is a pair of a sample number and a label; two annotators' beats are paired one to one within a match window, and
the pairs are counted in a table. Every figure is computed from that table, so figures of many records come from the sum
of their tables. Works on plain arrays; reads no files.

`docs/evaluation.md` gives the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

WINDOW_MS = 150.0
"""Match window of EC57: a beat found at most this far from the reference beat is the same beat."""

CLASSES = ("N", "S", "V", "F", "Q")
"""AAMI classes in the order of the table's rows and columns; the last row and column, O, stand for no beat."""

AAMI: dict[str, str] = {
    symbol: label
    for label, symbols in {"N": "NLRejnB", "S": "AaJS", "V": "VEr", "F": "F", "Q": "/fQ?"}.items()
    for symbol in symbols
}
"""AAMI class of each beat symbol of the MIT-BIH databases; symbols not here are no beats.

The escape beats e, j and n are N, as in de Chazal et al. 2004 and in all work on that split; `bxb` counts them as S.
"""

Convention = Literal["strict", "ec57"]
Table = NDArray[np.int64]

_O = len(CLASSES)
_NOT_FALSE = {"V": [CLASSES.index("F"), CLASSES.index("Q")], "S": [CLASSES.index("Q")]}
_FAR = np.iinfo(np.int64).max // 4


class Comparison(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How a test annotator's beats compare with the reference's.

    Attributes
    ----------
    table : int64 array, shape (6, 6)
        Pairs counted: rows are the reference's N S V F Q O, columns the test's. Row O holds the extra beats, column
        O the missed ones.
    pairs : int64 array, shape (n, 2)
        Sample numbers of each counted pair, reference and test; -1 where there is none.
    labels : str array, shape (n, 2)
        Their AAMI classes, "O" where there is none.
    fs_hz : float
        Rate of the sample numbers.
    in_shutdown : (int, int)
        Missed beats within the test's shutdown, extra beats within the reference's: EC57's X, part of O here.
    """

    table: Table
    pairs: NDArray[np.int64]
    labels: NDArray[np.str_]
    fs_hz: float
    in_shutdown: tuple[int, int] = (0, 0)

    @property
    def offsets_ms(self) -> NDArray[np.float64]:
        """How much later the test marks a beat than the reference, for each beat that both have."""
        both = self.pairs[(self.pairs >= 0).all(axis=1)]
        return np.asarray((both[:, 1] - both[:, 0]) * (1000.0 / self.fs_hz), np.float64)

    @property
    def rr_error_ms(self) -> float:
        """Root mean square difference of RR intervals between beats that both have; NaN if there are none."""
        both = (self.pairs >= 0).all(axis=1)
        rr = np.diff(self.pairs, axis=0)[both[1:] & both[:-1]]
        return float(np.sqrt(np.mean((rr[:, 1] - rr[:, 0]) ** 2.0)) * 1000.0 / self.fs_hz) if len(rr) else float("nan")


class Score(msgspec.Struct, frozen=True):
    """Counts of right and wrong, and the figures made of them, NaN where there is nothing to divide by.

    Attributes
    ----------
    tp, fn, fp, tn : int
        True positives, false negatives, false positives, true negatives.
    """

    tp: int
    fn: int
    fp: int
    tn: int = 0

    @property
    def se(self) -> float:
        """Sensitivity, TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def ppv(self) -> float:
        """Positive predictivity +P, TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and positive predictivity, 2 TP / (2 TP + FN + FP)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fn + self.fp)

    @property
    def fpr(self) -> float:
        """False positive rate, FP / (FP + TN)."""
        return _ratio(self.fp, self.fp + self.tn)


def compare(
    reference: tuple[ArrayLike, Sequence[str]],
    test: tuple[ArrayLike, Sequence[str]],
    fs_hz: float,
    *,
    window_ms: float = WINDOW_MS,
    start_s: float = 0.0,
    end_s: float = float("inf"),
    shutdown: tuple[ArrayLike, ArrayLike] = ((), ()),
) -> Comparison:
    """Compare a test annotator beat by beat with the reference.

    Parameters
    ----------
    reference, test : (samples, symbols)
        Annotations in order of time, with MIT-BIH or AAMI symbols; those that are no beats may be among them.
        Between the reference's ``[`` and ``]`` (ventricular flutter or fibrillation) no beats are counted.
    fs_hz : float
        Rate of the sample numbers.
    window_ms : float
        Match window; 150 in EC57.
    start_s, end_s : float
        Part of the record to count. EC57 lets a device learn for the first 300 s; nothing is forgiven by default.
    shutdown : pair of arrays of shape (n, 2)
        First and last sample of the stretches in which the reference and the test have declared the signal unreadable;
        beats missed or extra there are counted as any other and told apart in `in_shutdown`.

    Returns
    -------
    Comparison
    """
    flutter = episodes(*reference)
    ref, ref_labels = _beats(*reference)
    keep = ~_within(ref, flutter)
    ref, ref_labels = ref[keep], ref_labels[keep]
    found, found_labels = _beats(*test)
    index = np.array(list(_match(ref.tolist(), found.tolist(), int(window_ms * fs_hz / 1000))), np.int64).reshape(-1, 2)

    pairs = np.stack([_take(ref, index[:, 0], -1), _take(found, index[:, 1], -1)], axis=1)
    labels = np.stack([_take(ref_labels, index[:, 0], "O"), _take(found_labels, index[:, 1], "O")], axis=1)
    missed, extra = pairs[:, 1] < 0, pairs[:, 0] < 0
    at = np.where(extra, pairs[:, 1], pairs[:, 0])
    keep = (at >= start_s * fs_hz) & (at < end_s * fs_hz) & ~(extra & _within(at, flutter))
    in_shutdown = (missed & _within(at, shutdown[1]), extra & _within(at, shutdown[0]))
    return Comparison(
        table=_count(labels[keep]),
        pairs=pairs[keep],
        labels=labels[keep],
        fs_hz=fs_hz,
        in_shutdown=(int(in_shutdown[0][keep].sum()), int(in_shutdown[1][keep].sum())),
    )


def episodes(samples: ArrayLike, symbols: Sequence[str], on: str = "[", off: str = "]") -> NDArray[np.int64]:
    """Return first and last sample of each stretch between `on` and `off`, shape (n, 2); the last may stay open."""
    at, marks = np.asarray(samples, np.int64), np.asarray(symbols, dtype=str)
    ons, offs = at[marks == on], at[marks == off]
    ends = np.append(offs, _FAR)[np.searchsorted(offs, ons)]
    return np.stack([ons, ends], axis=1)


def unreadable(samples: ArrayLike, symbols: Sequence[str], subtypes: ArrayLike) -> NDArray[np.int64]:
    """Return the stretches that noise marks ``~`` declare unreadable in both leads, shape (n, 2).

    Bits 4 and 5 of a noise mark's subtype say that leads 0 and 1 cannot be read; the next noise mark ends the stretch.
    """
    noise = np.asarray(symbols, dtype=str) == "~"
    at = np.asarray(samples, np.int64)[noise]
    both = (np.asarray(subtypes, np.int64)[noise] & 0x30) == 0x30
    return np.asarray(np.stack([at, np.append(at, _FAR)[1:]], axis=1)[both], np.int64)


def qrs(table: Table) -> Score:
    """Score beat detection, whatever the labels."""
    return Score(int(table[:_O, :_O].sum()), int(table[:_O, _O].sum()), int(table[_O, :_O].sum()))


def beat_class(table: Table, label: str, convention: Convention = "strict") -> Score:
    """Score one class.

    Parameters
    ----------
    table : int64 array, shape (6, 6)
        From `compare`, or a sum of such tables.
    label : str
        One of `CLASSES`.
    convention : "strict" or "ec57"
        EC57 does not count as false V the reference's F and Q called V, nor as false S its Q called S. Strict counts
        every beat wrongly called `label`, as most papers' F1 does.
    """
    return Score(*(int(n) for n in _counts(table, label, convention)))


def average(tables: Sequence[Table], figure: Callable[[Table], float]) -> float:
    """Return the mean of a figure over records (EC57's average statistic), leaving out those where it is undefined."""
    values = [value for value in map(figure, tables) if not math.isnan(value)]
    return float(np.mean(values)) if values else float("nan")


def interval(
    tables: Sequence[Table],
    label: str,
    *,
    convention: Convention = "strict",
    level: float = 0.95,
    n_draws: int = 2000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return bootstrap intervals of a class's gross Se, +P and F1, drawing whole records.

    Beats of one patient are alike, so beats must not be drawn singly: the interval is wide where one patient decides.

    Parameters
    ----------
    tables : sequence of tables
        One per record (or per patient).
    label : str
        One of `CLASSES`.
    convention : "strict" or "ec57"
        See `beat_class`.
    level : float
        Coverage.
    n_draws, seed : int
        Draws and seed of the bootstrap.

    Returns
    -------
    dict
        ``se``, ``ppv`` and ``f1``, each (low, high), NaN if no draw defines it.
    """
    n = len(tables)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_draws)
    tp, fn, fp, _ = _counts(np.tensordot(weights, np.stack(tables), 1), label, convention)
    with np.errstate(invalid="ignore"):
        figures = {"se": tp / (tp + fn), "ppv": tp / (tp + fp), "f1": 2 * tp / (2 * tp + fn + fp)}
    tails = (50 * (1 - level), 50 * (1 + level))
    return {name: _percentiles(values, tails) for name, values in figures.items()}


def _counts(tables: Table, label: str, convention: Convention) -> tuple[Table, Table, Table, Table]:
    """Return tp, fn, fp, tn of tables of shape (..., 6, 6)."""
    k = CLASSES.index(label)
    tp = tables[..., k, k]
    fn = tables[..., k, :].sum(-1) - tp
    wrong = np.array([row for row in range(_O + 1) if row != k])
    false = wrong if convention == "strict" else np.setdiff1d(wrong, _NOT_FALSE.get(label, []))
    fp = tables[..., false, k].sum(-1)
    tn = tables[..., wrong, :_O].sum((-1, -2)) - tables[..., wrong, k].sum(-1)
    return tp, fn, fp, tn


def _match(ref: list[int], test: list[int], window: int) -> Iterator[tuple[int, int]]:
    """Yield pairs of indices, -1 for none, by the rules of `bxb`.

    The earlier of the two next beats is paired with the other if that lies within the window, and unless the other
    has a better partner in the beat after; that one only counts as better if it has no better partner itself.
    """
    refs, tests = [*ref, _FAR, _FAR], [*test, _FAR, _FAR]
    i = j = 0
    while i < len(ref) or j < len(test):
        at_ref, at_test = refs[i], tests[j]
        distance = abs(at_ref - at_test)
        rival = abs(at_ref - tests[j + 1]) if at_test < at_ref else abs(at_test - refs[i + 1])
        taken = abs(refs[i + 1] - tests[j + 1]) < rival
        if distance <= window and (distance < rival or taken):
            yield i, j
            i, j = i + 1, j + 1
        elif at_test < at_ref:
            yield -1, j
            j += 1
        else:
            yield i, -1
            i += 1


def _beats(samples: ArrayLike, symbols: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    labels = np.array([AAMI.get(symbol, "") for symbol in symbols], dtype="<U1")
    return np.asarray(samples, np.int64)[labels != ""], labels[labels != ""]


def _within(at: NDArray[np.int64], spans: ArrayLike) -> NDArray[np.bool_]:
    inside = np.zeros(len(at), bool)
    for first, last in np.asarray(spans, np.int64).reshape(-1, 2):
        inside |= (first <= at) & (at <= last)
    return inside


def _take(values: NDArray, index: NDArray[np.int64], missing: object) -> NDArray:  # type: ignore[type-arg]
    """Return values at an index, `missing` where it is -1."""
    return np.append(values, np.array([missing], values.dtype))[index]


def _count(labels: NDArray[np.str_]) -> Table:
    order = (*CLASSES, "O")
    rows, columns = (np.array([order.index(label) for label in side], np.int64) for side in labels.T)
    return np.bincount(rows * 6 + columns, minlength=36).reshape(6, 6).astype(np.int64)


def _percentiles(values: NDArray[np.float64], tails: tuple[float, float]) -> tuple[float, float]:
    defined = values[np.isfinite(values)]
    return tuple(np.percentile(defined, tails).tolist()) if len(defined) else (float("nan"), float("nan"))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
