"""Learns atrial fibrillation from the intervals between beats, patient by patient, and says how well it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.features import irregularity
from edge.inference.card import Tree
from edge.inference.trees import TreeCard
from edge.messages import FS_HZ, Episode, LabelledBeat, Likelihood
from edge.stages.atria import EVERY
from edge.stages.rhythm.atrial import AtrialFibrillation
from edge.stages.rhythm.episodes import Episodes
from edge.stages.rhythm.rules import RhythmRules
from training import splits, trees
from training.rhythms import Patient, read_patients

FIBRILLATION, FLUTTER = "(AFIB", "(AFL"
FOLDS = 5
SPLIT = "all patients of ltafdb and nsr2db that are there, and MIT-BIH DS1; figures by five-fold cross-validation"

_BACK = 32
"""Beats over which the annotated rhythm must be one for a judgement to be learnt from."""
_THINNED = {"ltafdb_ann": 8, "nsr2db_ann": 8}
"""Of day-long records every eighth judgement is learnt from."""
_WEIGHT = {"mitdb": 0.5, "nsr2db_ann": 2.0}
"""How much a patient counts, one of ltafdb being 1."""
_GROWTH: dict[str, Any] = {"rounds": 200, "learning_rate": 0.04, "feature_fraction": 0.3, "bagging_fraction": 0.3}
_MOST_AT_ONCE = 4000

Progress = Callable[[str], object]


class Judged(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the stage would measure of a patient.

    Attributes
    ----------
    patient : Patient
        Of whom.
    at : int64 array, shape (m,)
        Beats at which it is judged.
    rows : float32 array, shape (m, k)
        What is measured then.
    """

    patient: Patient
    at: NDArray[np.int64]
    rows: NDArray[np.float32]


class Told(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How long a patient fibrillated, by the annotators and by the device, s.

    Attributes
    ----------
    name : str
        ``database/record``.
    tp_s, fn_s, fp_s, tn_s : float
        Both, the annotators alone, the device alone, neither; atrial flutter is left out.
    false : int
        Episodes in which at no beat the annotators saw fibrillation or flutter.
    """

    name: str
    tp_s: float
    fn_s: float
    fp_s: float
    tn_s: float
    false: int

    @property
    def day(self) -> float:
        """How many days were judged."""
        return (self.tp_s + self.fn_s + self.fp_s + self.tn_s) / 86400


def read_all(data: Path) -> list[Patient]:
    """Read the patients that may be learnt from.

    Raises
    ------
    SourceError
        If a database is missing.
    """
    return [
        *read_patients(data / "ltafdb_ann"),
        *read_patients(data / "nsr2db_ann", "ecg"),
        *read_patients(data / "mitdb", records=splits.DS1),
    ]


def judge(patient: Patient) -> Judged:
    """Measure a patient's annotated beats as the stage does, every `EVERY` pairs of intervals."""
    counts = np.isin(patient.classes, ["N", "S"])
    rr_s = np.clip(np.round(np.diff(patient.samples, prepend=0) / FS_HZ * 128) / 128, 0.2, 3.0)
    known = counts & np.roll(counts, 1)
    known[:1] = False
    second = np.flatnonzero(known[1:] & known[:-1]) + 1
    pairs = np.stack([rr_s[second - 1], rr_s[second]], axis=1)
    longest = max(irregularity.HORIZONS)
    ends = np.arange(-(-irregularity.FEWEST // EVERY) * EVERY, len(pairs) + 1, EVERY)
    rows = [irregularity.measure(pairs[:end]) for end in ends[ends < longest]]
    full = ends[ends >= longest]
    if len(full):
        windows = np.lib.stride_tricks.sliding_window_view(pairs, longest, axis=0).swapaxes(1, 2)
        parts = np.array_split(full, -(-len(full) // _MOST_AT_ONCE))
        rows += [row for part in parts for row in irregularity.measure(windows[part - longest])]
    measured = np.array(rows, np.float32).reshape(-1, len(irregularity.NAMES))
    return Judged(patient=patient, at=second[ends - 1], rows=measured)


def learn(judged: Sequence[Judged], **settings: Any) -> tuple[Tree, ...]:
    """Grow trees from patients, each counting alike whatever the length of his record."""
    rows, yes, weights = [], [], []
    for one in judged:
        database = one.patient.name.partition("/")[0]
        share, flutter = _share(one, FIBRILLATION), _share(one, FLUTTER)
        clear = ((share > 0.9) | (share < 0.1)) & (flutter < 0.1)
        clear &= np.arange(len(clear)) % _THINNED.get(database, 1) == 0
        rows.append(one.rows[clear])
        yes.append(share[clear] > 0.5)
        weights.append(np.full(clear.sum(), _WEIGHT.get(database, 1.0) / max(clear.sum(), 1)))
    fibrillates, weight = np.concatenate(yes), np.concatenate(weights)
    weight[fibrillates] /= weight[fibrillates].sum()
    weight[~fibrillates] /= weight[~fibrillates].sum()
    return trees.grow(np.concatenate(rows), fibrillates, weight, **{**_GROWTH, **settings})


def cross_validate(judged: Sequence[Judged], progress: Progress = print, **settings: Any) -> dict[str, Told]:
    """Tell each patient's fibrillation by trees that have not learnt from him; by name."""
    names = [one.patient.name for one in judged]
    told: dict[str, Told] = {}
    for number, held in enumerate(splits.folds(names, FOLDS), start=1):
        grown = learn([one for one in judged if one.patient.name not in held], **settings)
        told |= {one.patient.name: tell(one, grown) for one in judged if one.patient.name in held}
        progress(f"fold {number} of {FOLDS}")
    return {name: told[name] for name in names}


def tell(judged: Judged, grown: Sequence[Tree], rules: RhythmRules | None = None) -> Told:
    """Let the rhythm stage's own tracker make episodes of what the trees say of a patient."""
    patient = judged.patient
    found: list[Episode] = []
    episodes = Episodes(found.append, (rules or RhythmRules()).update_s)
    tracker = AtrialFibrillation(episodes, rules or RhythmRules())
    odds = dict(zip(judged.at.tolist(), trees.log_odds(grown, judged.rows).tolist(), strict=True))
    for i, sample in enumerate(patient.samples.tolist()):
        tracker.beat(LabelledBeat(sample=sample, label="N", score=1.0, rr_ms=None, decided=sample), True)
        if i in odds:
            tracker.judge(Likelihood(kind="af", sample=sample, log_odds=odds[i], decided=sample))
    last = int(patient.samples[-1]) if len(patient.samples) else 0
    tracker.lost(last, "end of stream")
    return score(patient, ((e.onset, e.end) for e in found if e.end is not None))


def score(patient: Patient, spans: Iterable[tuple[int, int]]) -> Told:
    """Compare episodes, first and last sample at 360 Hz, with what is annotated."""
    truly, flutter = patient.rhythms == FIBRILLATION, patient.rhythms == FLUTTER
    said = np.zeros(len(patient.samples), np.bool_)
    false = 0
    for onset, end in spans:
        first, stop = np.searchsorted(patient.samples, [onset, end])
        said[first:stop] = True
        false += not (truly[first:stop] | flutter[first:stop]).any()
    lasting_s = np.where(flutter, 0.0, patient.lasting_s)
    return Told(
        name=patient.name,
        tp_s=float(lasting_s[truly & said].sum()),
        fn_s=float(lasting_s[truly & ~said].sum()),
        fp_s=float(lasting_s[~truly & said].sum()),
        tn_s=float(lasting_s[~truly & ~said].sum()),
        false=int(false),
    )


def figures(told: Sequence[Told]) -> dict[str, float]:
    """Return gross sensitivity, specificity and +P by duration in percent, and false episodes a day.

    With each share its bootstrap interval over patients; what is undefined is left out.
    """
    days = sum(one.day for one in told)
    tp = [one.tp_s for one in told]
    return {
        **trees.with_interval("se", tp, [one.tp_s + one.fn_s for one in told]),
        **trees.with_interval("sp", [one.tn_s for one in told], [one.tn_s + one.fp_s for one in told]),
        **trees.with_interval("ppv", tp, [one.tp_s + one.fp_s for one in told]),
        **({"false_a_day": round(sum(one.false for one in told) / days, 3)} if days else {}),
    }


def by_database(told: Mapping[str, Told]) -> dict[str, list[Told]]:
    """Return what was told of each database's patients."""
    out: dict[str, list[Told]] = {}
    for name, one in told.items():
        out.setdefault(name.partition("/")[0], []).append(one)
    return out


def make(data: Path, progress: Progress = print) -> TreeCard:
    """Learn from everybody who may be learnt from; return the model with its cross-validated figures."""
    judged = [judge(patient) for patient in read_all(data)]
    progress(f"{len(judged)} patients, judged {sum(len(one.at) for one in judged):,} times")
    told = cross_validate(judged, progress)
    metrics = {name: figures(ones) for name, ones in by_database(told).items()}
    return trees.card(
        "af",
        learn(judged),
        features=irregularity.NAMES,
        example=irregularity.example(),
        records=[one.patient.name for one in judged],
        split=SPLIT,
        metrics=metrics,
    )


def _share(judged: Judged, rhythm: str) -> NDArray[np.float64]:
    """Return the share of the last beats before each judgement that have this rhythm."""
    total = np.concatenate([[0], np.cumsum(judged.patient.rhythms == rhythm)])
    first = np.maximum(judged.at + 1 - _BACK, 0)
    return np.asarray((total[judged.at + 1] - total[first]) / (judged.at + 1 - first), np.float64)
