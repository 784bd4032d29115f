"""Learns to tell supraventricular beats among those that are not ventricular, and says how well they are told.

First from timing alone, of the patients of ltafdb as well, of whom there is no signal; then what is left, of P waves as
well, from those of whom there is, strips of fibrillation among them, in which nothing is S.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.features import conducted
from edge.features.conducted import RHYTHM, UNKNOWN_ODDS, Conducted, next_s
from edge.features.fingerprint import FINGERPRINT
from edge.features.irregularity import Intervals
from edge.inference.beat_model import BeatModel
from edge.inference.card import Tree
from edge.inference.trees import TreeCard, shipped
from edge.messages import FS_HZ, LabelledBeat
from edge.pipeline import Chain, front_end
from edge.sources.wfdb_record import WfdbRecord
from edge.stages.atria import EVERY
from edge.stages.classify import Classify
from training import calibration, datasets, sets, splits, strips, trees
from training.datasets import CLASSES, LabelledBeats
from training.features import SHARES
from training.rhythms import Patient, read_patients

FOLDS = 5
STRIPS = "cinc2017"
SPLIT = (
    "MIT-BIH DS1 but 201, svdb but those whose number leaves 3 when divided by 4, and what is there of ltafdb and of "
    "cinc2017's strips of fibrillation; figures by five-fold cross-validation over patients and strips, V beats known"
)
UNSIGNALLED = 0.25
"""Weight of the patients of whom there is no signal, all together, over that of the others."""

_N, _S, _V, _F = (CLASSES.index(label) for label in "NSVF")
_MISSED, _FALSE = 0.05, 0.003
"""Shares of V beats taken for others, and of others taken for V, as a network does it in patients it has not seen."""
_STRETCH, _SETTLED, _STRETCHES = 1000, 64, 10
"""Beats of a stretch of a day-long record, those at its beginning that are not learnt from, and stretches a patient."""
_THINNED = 4
"""Of their N beats every so manieth is learnt from, and counts for the others."""
_STRIP_SHARE = 0.2
"""How much a strip counts, a record being 1."""
_LATE_S = 1.6
"""Interval from which on the next beat is not known in time."""
_GAP_S = 4.0
_BLOCK = 65536
_AROUND = 3
"""Steps of the threshold to either side over which is averaged: a lucky peak would not last."""
_FIRST: dict[str, Any] = {"rounds": 40}
_SECOND: dict[str, Any] = {"rounds": 40}
_GROWTH: dict[str, Any] = {
    "num_leaves": 12, "learning_rate": 0.1, "min_child_samples": 100, "feature_fraction": 0.4, "bagging_fraction": 0.4,
    "extra_trees": True,
}  # fmt: skip
_TIMING = np.arange(len(RHYTHM), len(conducted.NAMES))

Progress = Callable[[str], object]
Bools = NDArray[np.bool_]


class Rows(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What is asked of beats that are not ventricular.

    Attributes
    ----------
    rows : float32 array, shape (n, len(conducted.NAMES))
        Their features.
    ectopic : bool array, shape (n,)
        Whether they are S.
    weights : float64 array, shape (n,)
        How much they count.
    names : str array, shape (n,)
        ``database/record``.
    real : bool array, shape (n,)
        Whether they are of a record or strip as it is, with all leads.
    """

    rows: NDArray[np.float32]
    ectopic: Bools
    weights: NDArray[np.float64]
    names: NDArray[np.str_]
    real: Bools


def measure(
    before_s: Sequence[float | None],
    after_s: Sequence[float | None],
    ventricular: Bools,
    features: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Measure beats as the stage does.

    Parameters
    ----------
    before_s, after_s : sequence of float or None
        Intervals to the beats before and after; None where there is none to be known.
    ventricular : bool array, shape (n,)
        Whether they are taken for V or fusion beats.
    features : float32 array, shape (n, k), optional
        Those of `edge.features.history`; 0 without.

    Returns
    -------
    float32 array, shape (n, len(conducted.NAMES))
        NaN for ventricular beats.
    """
    timing, intervals, since = Conducted(), Intervals(), 0
    rows = np.full((len(ventricular), len(conducted.NAMES)), np.nan, np.float32)
    measured, at = [], []
    for i, (prev, following, odd) in enumerate(zip(before_s, after_s, ventricular.tolist(), strict=True)):
        since += intervals.add(prev, counts=not odd)
        if since >= EVERY and (row := intervals.measure()) is not None:
            since = 0
            measured.append(row)
            at.append(i)
        described = timing.describe(prev, following, ventricular=odd)
        if described is not None:
            rows[i, _TIMING[:-1]] = described
            rows[i, : len(RHYTHM)] = 0 if features is None else features[i, RHYTHM]
    odds = np.array([UNKNOWN_ODDS, *(trees.log_odds(shipped("af").trees, np.array(measured)) if at else ())])
    rows[:, -1] = np.where(ventricular, np.nan, odds[np.searchsorted(at, np.arange(len(rows)), side="right")])
    return rows


def of_beats(beats: LabelledBeats) -> Rows:
    """Measure the beats of a record, or of a patient made of it."""
    rng = np.random.default_rng([*beats.record.encode(), *beats.variant.encode()])
    before_s: list[float | None] = [None, *(np.diff(beats.samples) / FS_HZ).tolist()]
    taken = _taken(np.isin(beats.labels, [_V, _F]), rng)
    rows = measure(before_s, [next_s(row) for row in beats.features], taken, beats.features)
    keep = ~taken & beats.usable & ~beats.noisy & np.isin(beats.labels, [_N, _S])
    name = f"{beats.database}/{beats.record}"
    return _rows(rows[keep], beats.labels[keep] == _S, name, SHARES[beats.variant], real=not beats.variant)


def of_patient(patient: Patient) -> Rows:
    """Measure stretches of a day-long record without signal: half of them where S beats are, the others anywhere."""
    rng = np.random.default_rng(list(patient.name.encode()))
    ectopic = patient.classes == "S"
    starts = np.arange(0, max(len(ectopic) - _STRETCH, 1), _STRETCH)
    often = np.sqrt(np.add.reduceat(ectopic, starts, dtype=np.float64))
    some = min(_STRETCHES // 2, int((often > 0).sum()))
    chosen = rng.choice(starts, some, replace=False, p=often / often.sum()).tolist() if some else []
    chosen += rng.choice(starts, min(_STRETCHES - some, len(starts)), replace=False).tolist()
    rr_s = np.diff(patient.samples, prepend=patient.samples[:1]) / FS_HZ
    parts = []
    for start in sorted(set(chosen)):
        own = slice(start, start + _STRETCH)
        before_s: list[float | None] = [rr if 0 < rr < _GAP_S else None for rr in rr_s[own].tolist()]
        after_s = [None if rr is None or rr >= _LATE_S else rr for rr in [*before_s[1:], None]]
        taken = _taken(np.isin(patient.classes[own], ["V", "F"]), rng)
        rows = measure(before_s, after_s, taken)
        keep = ~taken & np.isin(patient.classes[own], ["N", "S"]) & (np.arange(len(taken)) >= _SETTLED)
        parts.append((rows[keep], ectopic[own][keep]))
    rows, yes = (np.concatenate(column) for column in zip(*parts, strict=True))
    kept = yes | (np.arange(len(yes)) % _THINNED == 0)
    thinned = _rows(rows[kept], yes[kept], patient.name, 1.0, real=False)
    return msgspec.structs.replace(thinned, weights=thinned.weights * np.where(yes[kept], 1, np.sqrt(_THINNED)))


def of_strip(path: Path, model: BeatModel) -> Rows | None:
    """Measure the beats of a strip in which nothing is S, as far as a network does not call them ventricular."""
    record = WfdbRecord(path)
    chain = Chain([*front_end(record.stream), Classify(model)])
    found = [m for block in record.blocks(_BLOCK) for m in chain.push(block)] + chain.flush()
    beats = [m for m in found if isinstance(m, LabelledBeat)]
    features = [beat.features for beat in beats]
    known = np.array([row is not None for row in features], np.bool_)
    if not known.any():
        return None
    width = next(len(row) for row in features if row is not None)
    rows = measure(
        [None if beat.rr_ms is None else beat.rr_ms / 1000 for beat in beats],
        [None if row is None else next_s(row) for row in features],
        np.array([beat.label in ("V", "F") for beat in beats], np.bool_),
        np.array([np.zeros(width, np.float32) if row is None else row for row in features]),
    )
    keep = known & np.array([beat.label in ("N", "S") for beat in beats], np.bool_)
    name = f"{path.parent.name}/{path.name}"
    return _rows(rows[keep], np.zeros(int(keep.sum()), np.bool_), name, _STRIP_SHARE, real=True) if keep.any() else None


def _taken(ventricular: Bools, rng: np.random.Generator) -> Bools:
    """Return which beats a network would take for ventricular ones."""
    return np.asarray(rng.random(len(ventricular)) < np.where(ventricular, 1 - _MISSED, _FALSE), np.bool_)


def _rows(rows: NDArray[np.float32], ectopic: Bools, name: str, share: float, *, real: bool) -> Rows:
    """Weigh the beats of one patient: those of each class count with the root of their number."""
    n = len(ectopic)
    weights = share / np.sqrt(np.where(ectopic, ectopic.sum(), n - ectopic.sum()))
    return Rows(rows=rows, ectopic=ectopic, weights=weights, names=np.full(n, name), real=np.full(n, real))


def join(parts: Sequence[Rows]) -> Rows:
    """Stack the beats of several patients."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__struct_fields__}
    return Rows(**columns)


def read_all(data: Path, cache: Path, progress: Progress = print) -> tuple[Rows, Rows]:
    """Measure the beats that may be learnt from: of patients with their signal, and of those without."""
    parts = []
    for name in sets.DATABASES:
        folder = datasets.locate(name, data)
        records = splits.DS1 if name == "mitdb" else splits.svdb_training(datasets.records_of(folder))
        progress(f"{name}: beats of {len(records)} records")
        for beats in datasets.prepare(folder, records, cache, datasets.ONE_LEAD_TOO):
            if beats.record not in splits.NEVER_LEARNT:
                parts += [of_beats(made) for made in (beats, *sets.made_of(beats))]
    names = strips.names_of(data / STRIPS, strips.FIBRILLATION)
    progress(f"{STRIPS}: {len(names)} strips of fibrillation")
    with BeatModel.load() as model:
        measured = [of_strip(data / STRIPS / name, model) for name in names]
    parts += [rows for rows in measured if rows is not None]
    patients = read_patients(data / "ltafdb_ann")
    progress(f"ltafdb_ann: {len(patients)} patients")
    return join(parts), join([of_patient(patient) for patient in patients])


def learn(signalled: Rows, unsignalled: Rows, among: Bools | None = None) -> tuple[Tree, ...]:
    """Grow trees of timing from all, then of all features from those with a signal, or some of these."""
    among = np.ones(len(signalled.ectopic), np.bool_) if among is None else among
    rows, yes, weights = signalled.rows[among], signalled.ectopic[among], signalled.weights[among]
    without = unsignalled.weights * (UNSIGNALLED * weights.sum() / unsignalled.weights.sum())
    timing = np.concatenate([rows, unsignalled.rows])
    timing[:, : len(RHYTHM)] = 0
    both = np.concatenate([yes, unsignalled.ectopic])
    first = trees.grow(timing, both, np.concatenate([weights, without]), **_GROWTH, **_FIRST)
    after = trees.log_odds(first, rows)
    return (*first, *trees.grow(rows, yes, weights, after=after, **_GROWTH, **_SECOND))


def cross_validate(signalled: Rows, unsignalled: Rows, progress: Progress = print) -> NDArray[np.float64]:
    """Return the log odds of the real beats, in order, by trees that have not learnt from their patient."""
    odds = np.zeros(len(signalled.ectopic))
    for number, fold in enumerate(splits.folds(np.unique(signalled.names).tolist(), FOLDS), start=1):
        held = np.isin(signalled.names, fold)
        own = held & signalled.real
        odds[own] = trees.log_odds(learn(signalled, unsignalled, ~held), signalled.rows[own])
        progress(f"fold {number} of {FOLDS}")
    return odds[signalled.real]


def threshold(odds: NDArray[np.float64], ectopic: Bools, names: NDArray[np.str_]) -> float:
    """Return the log odds from which S is told: where F1, the mean over databases, is best on the average around."""
    _, database = np.unique([name.partition("/")[0] for name in names.tolist()], return_inverse=True)
    grid = np.arange(-4.0, 4.01, 0.1)
    values = np.zeros(len(grid))
    for number in range(database.max() + 1):
        own = database == number
        yes = ectopic[own]
        for i, least in enumerate(grid):
            said = odds[own] >= least
            values[i] += 2 * int((said & yes).sum()) / max(int(said.sum() + yes.sum()), 1)
    smooth = np.convolve(np.pad(values, _AROUND, mode="edge"), np.ones(2 * _AROUND + 1), mode="valid")
    return float(grid[int(smooth.argmax())])


def figures(odds: NDArray[np.float64], ectopic: Bools, names: NDArray[np.str_], least: float) -> dict[str, float]:
    """Return sensitivity and +P of S in percent with their intervals over patients, and F1."""
    said = odds >= least
    patients = np.unique(names)
    tp, true, told = (np.array([int((which & (names == one)).sum()) for one in patients]) for which in (
        said & ectopic, ectopic, said))  # fmt: skip
    return {
        **trees.with_interval("se", tp.tolist(), true.tolist()),
        **trees.with_interval("ppv", tp.tolist(), told.tolist()),
        "f1": round(200 * int(tp.sum()) / max(int(true.sum() + told.sum()), 1), 2),
    }


def make(data: Path, cache: Path, progress: Progress = print) -> TreeCard:
    """Learn from everybody who may be learnt from; return the model with its cross-validated figures."""
    signalled, unsignalled = read_all(data, cache, progress)
    progress(f"{len(signalled.ectopic):,} beats with and {len(unsignalled.ectopic):,} without a signal")
    odds = cross_validate(signalled, unsignalled, progress)
    ectopic, names = signalled.ectopic[signalled.real], signalled.names[signalled.real]
    strip = np.char.startswith(names, f"{STRIPS}/")
    slope, intercept = calibration.of_two(odds[~strip], ectopic[~strip])
    odds = slope * odds + intercept
    least = threshold(odds[~strip], ectopic[~strip], names[~strip])
    metrics = {STRIPS: {"s_share": round(100 * float((odds[strip] >= least).mean()), 2)}}
    for database in sets.DATABASES:
        own = np.char.startswith(names, f"{database}/")
        metrics[database] = figures(odds[own], ectopic[own], names[own], least)
    card = trees.card(
        "s",
        trees.calibrated(learn(signalled, unsignalled), slope, intercept),
        features=conducted.NAMES,
        example=conducted.example(),
        records=[*np.unique(signalled.names).tolist(), *np.unique(unsignalled.names).tolist()],
        split=SPLIT,
        metrics=metrics,
    )
    return msgspec.structs.replace(card, least=round(least, 3), fingerprint=FINGERPRINT)
