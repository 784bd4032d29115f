"""Learns ventricular flutter and fibrillation from the signal, patient by patient, and says how well they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.features import waves
from edge.inference.card import Tree
from edge.inference.trees import TreeCard, TreeModel
from edge.messages import FS_HZ, Episode, Message, Quality, Samples
from edge.pipeline import Chain
from edge.sources.wfdb_record import WfdbRecord
from edge.stages.conditioning.stage import Conditioning
from edge.stages.quality import SignalQuality
from edge.stages.rhythm import Rhythm, RhythmRules
from edge.stages.ventricles import LEAST_EVENNESS, Ventricles
from edge.timebase import Rates
from edge.wfdb_format.annotations import NORMAL, RHYTHM, decode_annotations
from training import splits, trees

YES = ("(VFL", "(VF", "(VFIB")
TACHYCARDIA, NOISE = "(VT", "(NOISE"
FOLDS = 6
LATE_S = 10.0
"""Within which IEC 60601-2-27 wants an alarm."""
SPLIT = "vfdb, MIT-BIH DS1, three in four records of svdb, noise of nstdb; figures by six-fold cross-validation"

SEEN = {"vfdb/420": 0, "vfdb/602": 1247, "vfdb/605": 0, "vfdb/612": 0, "vfdb/614": 1424}
"""Records of vfdb annotated as tachycardia in which one sees flutter or fibrillation, and from which second on. They
are learnt from as such; in what is reported they count as they are annotated."""
_TACHYCARDIA = ("vfdb/421", "vfdb/611", "vfdb/615")
"""Those in which one sees tachycardia; in others it is either, and not learnt from."""
_NOISES = ("bw", "ma", "em", "118e00", "118e_6")
_NOISE_WEIGHT = 0.3
"""Fibrillation is among what vfdb's annotators called noise."""
_FULL = 100
"""Windows from which on a patient's fibrillation counts fully."""

Progress = Callable[[str], object]


class Seen(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the stage sees of a record, second by second.

    Attributes
    ----------
    name : str
        ``database/record``.
    messages : tuple of Message
        Blocks of clean signal, and their quality.
    rhythms : str array, shape (n,)
        Aux note in force in each second of the record.
    measured : float64 array, shape (n - 3, n_leads, k)
        What is measured of the four seconds from each on.
    usable : bool array, shape (n - 3, n_leads)
        Whether the lead could be read in all of them and shows no QRS complexes.
    """

    name: str
    messages: tuple[Message, ...]
    rhythms: NDArray[np.str_]
    measured: NDArray[np.float64]
    usable: NDArray[np.bool_]


class Found(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Seconds of flutter or fibrillation by the annotators and by the device.

    Attributes
    ----------
    name : str
        ``database/record``.
    tp, fn, fp, tn : int
        Both, the annotators alone, the device alone, neither.
    fp_tachycardia : int
        Of `fp`, those annotated as ventricular tachycardia.
    episodes, false : int
        Told, and of them those that touch no annotated flutter, fibrillation or ventricular tachycardia.
    waits_s : tuple of float
        From each annotated stretch's beginning, 4 s or longer, to when the device told it or was telling it; infinite
        where it did not.
    """

    name: str
    tp: int
    fn: int
    fp: int
    tn: int
    fp_tachycardia: int
    episodes: int
    false: int
    waits_s: tuple[float, ...]


def records(data: Path) -> list[Path]:
    """Return the records that may be learnt from."""
    svdb = splits.svdb_training(path.stem for path in (data / "svdb").glob("*.atr"))
    return [
        *sorted(path.with_suffix("") for path in (data / "vfdb").glob("*.atr")),
        *(data / "mitdb" / name for name in splits.DS1),
        *(data / "svdb" / name for name in svdb[::2]),
        *(path for path in (data / "nstdb" / name for name in _NOISES) if path.with_suffix(".hea").exists()),
    ]


def look(path: Path) -> Seen:
    """Read a record as the stage sees it.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    record = WfdbRecord(path)
    stream = record.stream
    n_leads = len(stream.leads)
    chain = Chain(
        [
            SignalQuality(stream.fs_hz, n_leads, range_mv=stream.range_mv),
            Conditioning(stream.fs_hz, n_leads, range_mv=stream.range_mv),
        ]
    )
    messages = [out for block in record.blocks(65536) for out in chain.push(block)] + chain.flush()
    mv = np.concatenate([m.mv for m in messages if isinstance(m, Samples)])
    seconds = len(mv) // FS_HZ
    before = np.repeat(mv[:1], waves.HISTORY * waves.STEP, axis=0)
    sums = waves.sums(waves.thin(np.concatenate([before, mv[: seconds * FS_HZ]])))
    windows = np.lib.stride_tricks.sliding_window_view(sums, waves.WINDOW_S, axis=0).swapaxes(2, 3)
    measured = waves.measure(windows)
    readable = np.zeros((seconds, n_leads), np.bool_)
    for quality in (m for m in messages if isinstance(m, Quality)):
        states = [state in ("good", "noisy") for state in quality.leads]
        readable[min(quality.start // FS_HZ, seconds - 1)] = states
    whole = np.lib.stride_tricks.sliding_window_view(readable, waves.WINDOW_S, axis=0).all(axis=-1)
    return Seen(
        name=f"{path.parent.name}/{path.name}",
        messages=tuple(messages),
        rhythms=_rhythms(path, stream.fs_hz, seconds),
        measured=measured,
        usable=whole & (measured[:, :, 0] >= LEAST_EVENNESS),
    )


def learn(seen: Sequence[Seen], **settings: Any) -> tuple[Tree, ...]:
    """Grow trees from records, each counting alike whatever it holds."""
    rows, yes, weights = [], [], []
    for one in seen:
        truth = _truth(one)
        for value in (0, 1):
            chosen = (truth == value)[:, None] & one.usable
            n = int(chosen.sum())
            if n:
                weight = np.full(chosen.shape, min(n / _FULL, 1.0) / n if value else 1.0 / n)
                if not value:
                    weight[one.rhythms[waves.WINDOW_S - 1 :] == NOISE] *= _NOISE_WEIGHT
                rows.append(one.measured[chosen])
                yes.append(np.full(n, value == 1))
                weights.append(weight[chosen])
    fibrillates, weight = np.concatenate(yes), np.concatenate(weights)
    weight[fibrillates] *= 1 / weight[fibrillates].sum()
    weight[~fibrillates] *= 2 / weight[~fibrillates].sum()
    usual = {"rounds": 40, "num_leaves": 6, "min_child_samples": 100}
    return trees.grow(np.concatenate(rows), fibrillates, weight, **{**usual, **settings})


def find(one: Seen, model: TreeModel, rules: RhythmRules | None = None) -> Found:
    """Let the stages tell what a model says of a record, without its beats."""
    n_leads = one.measured.shape[1]
    chain = Chain([Ventricles(model, n_leads), _Told(rules or RhythmRules(), n_leads)])
    told = [m for message in one.messages for m in chain.push(message)] + chain.flush()
    episodes: dict[int, list[Episode]] = {}
    for m in told:
        if isinstance(m, Episode) and m.kind == "vf":
            episodes.setdefault(m.number, []).append(m)
    return compare(one, [(e[0].onset, e[-1].end or e[0].onset, e[0].decided) for e in episodes.values()])


def compare(one: Seen, spans: Sequence[tuple[int, int, int]]) -> Found:
    """Compare episodes (first and last sample, and when it was told) with what is annotated."""
    said = np.zeros(len(one.rhythms), np.bool_)
    truth, tachycardia = np.isin(one.rhythms, YES), one.rhythms == TACHYCARDIA
    false = 0
    for onset, end, _ in spans:
        span = slice(onset // FS_HZ, end // FS_HZ + 1)
        said[span] = True
        false += not (truth[span] | tachycardia[span]).any()
    return Found(
        name=one.name,
        tp=int((truth & said).sum()),
        fn=int((truth & ~said).sum()),
        fp=int((~truth & said).sum()),
        tn=int((~truth & ~said).sum()),
        fp_tachycardia=int((tachycardia & said).sum()),
        episodes=len(spans),
        false=false,
        waits_s=tuple(_wait(first, stop, spans) for first, stop in _stretches(truth)),
    )


def cross_validate(seen: Sequence[Seen], progress: Progress = print, **settings: Any) -> list[Found]:
    """Tell each record's fibrillation by trees that have not learnt from it."""
    with_it = sorted(one.name for one in seen if (_truth(one) == 1).any())
    ordered = [*with_it, *sorted({one.name for one in seen} - set(with_it))]
    fold = {name: i % FOLDS for i, name in enumerate(ordered)}
    found: dict[str, Found] = {}
    for number in range(FOLDS):
        model = _model(learn([one for one in seen if fold[one.name] != number], **settings))
        found |= {one.name: find(one, model) for one in seen if fold[one.name] == number}
        progress(f"fold {number + 1} of {FOLDS}")
    return [found[one.name] for one in seen]


def figures(found: Sequence[Found]) -> dict[str, float]:
    """Return sensitivity and specificity by seconds, and alarms within 10 s, in percent; false episodes an hour.

    With each share its bootstrap interval over records; what is undefined is left out.
    """
    tn = [one.tn for one in found]
    hours = sum(one.tp + one.fn + one.fp + one.tn for one in found) / 3600
    soon = [sum(wait <= LATE_S for wait in one.waits_s) for one in found]
    return {
        **trees.with_interval("se", [one.tp for one in found], [one.tp + one.fn for one in found]),
        **trees.with_interval("sp", tn, [one.tn + one.fp for one in found]),
        **trees.with_interval("sp_without_vt", tn, [one.tn + one.fp - one.fp_tachycardia for one in found]),
        "false_an_hour": round(sum(one.false for one in found) / hours, 3) if hours else 0.0,
        **trees.with_interval("within_10_s", soon, [len(one.waits_s) for one in found]),
    }


def make(data: Path, progress: Progress = print) -> TreeCard:
    """Learn from every record that may be learnt from; return the model with its cross-validated figures."""
    seen = [look(path) for path in records(data)]
    progress(f"{len(seen)} records, {sum(int(one.usable.sum()) for one in seen):,} windows without QRS complexes")
    found = cross_validate(seen, progress)
    metrics: dict[str, dict[str, float]] = {}
    for database in dict.fromkeys(one.name.partition("/")[0] for one in found):
        metrics[database] = figures([one for one in found if one.name.startswith(f"{database}/")])
    return _card(learn(seen), [one.name for one in seen], metrics)


def _card(grown: Sequence[Tree], names: Sequence[str], metrics: dict[str, dict[str, float]]) -> TreeCard:
    return trees.card(
        "vf", grown, features=waves.NAMES, example=waves.example(), records=names, split=SPLIT, metrics=metrics
    )


def _model(grown: Sequence[Tree]) -> TreeModel:
    return TreeModel(_card(grown, [], {}), waves.NAMES, waves.example())


class _Told(Rhythm):
    """The rhythm stage without beats: nothing but fibrillation is asked of it, so silence is none."""

    def push(self, message: Message) -> list[Message]:
        """Take in judgements and blocks."""
        return [] if isinstance(message, Quality) else list(super().push(message))


def _truth(one: Seen) -> NDArray[np.int64]:
    """Return 1 where a window shows fibrillation, 0 where not, -1 where it is not to be learnt from."""
    n = len(one.measured)
    windows = np.lib.stride_tricks.sliding_window_view(one.rhythms, waves.WINDOW_S)[:n]
    last = windows[:, -1]
    truth = np.where((windows == last[:, None]).all(axis=1), 0, -1)
    tachycardia = last == TACHYCARDIA
    truth[np.isin(last, YES) & (truth == 0)] = 1
    clear = tachycardia & (truth == 0)
    if one.name in SEEN:
        truth[clear] = np.where(np.flatnonzero(clear) >= SEEN[one.name], 1, -1)
    elif one.name.startswith("vfdb/") and one.name not in _TACHYCARDIA:
        truth[clear] = -1
    return truth


def _rhythms(path: Path, fs_hz: float, seconds: int) -> NDArray[np.str_]:
    rhythms = np.full(seconds, NORMAL, "<U9")
    file = path.with_name(f"{path.name}.atr")
    if not file.exists():
        return rhythms
    annotations = decode_annotations(file.read_bytes())
    at = Rates(fs_hz).all_to_stages(annotations.at(fs_hz, fs_hz))
    for sample, symbol, note in zip(at.tolist(), annotations.symbols, annotations.aux, strict=True):
        second = round(sample / FS_HZ)
        if symbol == RHYTHM and note.startswith("("):
            rhythms[second:] = note
        elif symbol in ("[", "]"):
            rhythms[second:] = YES[0] if symbol == "[" else NORMAL
    return rhythms


def _stretches(truth: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last second of each stretch of four seconds or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], truth, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= waves.WINDOW_S]


def _wait(first: int, stop: int, spans: Sequence[tuple[int, int, int]]) -> float:
    waits = [
        max(told / FS_HZ - first, 0.0) for onset, end, told in spans if onset < stop * FS_HZ and end >= first * FS_HZ
    ]
    return min(waits, default=float("inf"))
