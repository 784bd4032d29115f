"""Learns atrial fibrillation in strips of 10 to 60 s, and says how well it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.features import irregularity
from edge.features.irregularity import Strip
from edge.inference.beat_model import BeatModel
from edge.inference.card import Tree
from edge.inference.trees import TreeCard
from edge.messages import LabelledBeat
from edge.pipeline import Chain, front_end
from edge.sources.wfdb_record import WfdbRecord
from edge.stages.classify import Classify
from training import trees

FIBRILLATION = "A"
FOLDS = 10
SPLIT = (
    "the strips of cinc2017 that are there; figures by ten-fold cross-validation over strips, patients are not named"
)

_GROWTH: dict[str, Any] = {
    "rounds": 150, "learning_rate": 0.05, "num_leaves": 6, "min_child_samples": 15, "lambda_l2": 5.0,
    "feature_fraction": 0.3, "bagging_fraction": 0.6,
}  # fmt: skip
_BLOCK = 65536

Progress = Callable[[str], object]


class Judged(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What is measured of strips.

    Attributes
    ----------
    names : tuple of str
        ``cinc2017/record``.
    labels : str array, shape (n,)
        N, A, O or ~ for noise.
    rows : float64 array, shape (n, k)
        What is measured of each.
    known : bool array, shape (n,)
        Whether there were beats enough.
    """

    names: tuple[str, ...]
    labels: NDArray[np.str_]
    rows: NDArray[np.float64]
    known: NDArray[np.bool_]


def read(data: Path, model: BeatModel) -> Judged:
    """Measure all strips as the device does.

    Raises
    ------
    SourceError
        If the labels, or a strip, cannot be read.
    """
    folder = data / "cinc2017"
    pairs = labels_of(folder)
    measured = [measure(folder / name, model) for name, _ in pairs]
    empty = np.zeros(len(irregularity.STRIP_NAMES))
    return Judged(
        names=tuple(f"{folder.name}/{name}" for name, _ in pairs),
        labels=np.array([label for _, label in pairs]),
        rows=np.array([empty if row is None else row for row in measured]),
        known=np.array([row is not None for row in measured], np.bool_),
    )


def labels_of(folder: Path) -> list[tuple[str, str]]:
    """Return name and label of each strip of a folder.

    Raises
    ------
    SourceError
        If it has no labels.
    """
    try:
        lines = (folder / "REFERENCE.csv").read_text(encoding="utf-8").split()
    except OSError as error:
        raise SourceError(str(folder), f"has no readable REFERENCE.csv ({error.strerror})", "fetch it again") from None
    return [(name, label) for name, _, label in (line.partition(",") for line in lines)]


def names_of(folder: Path, label: str) -> list[str]:
    """Return the names of the strips that have a label."""
    return [name for name, own in labels_of(folder) if own == label]


def measure(path: Path, model: BeatModel) -> NDArray[np.float64] | None:
    """Return what the stage measures of a strip, None if it has too few beats."""
    record = WfdbRecord(path)
    chain = Chain([*front_end(record.stream), Classify(model)])
    found = [m for block in record.blocks(_BLOCK) for m in chain.push(block)] + chain.flush()
    strip = Strip()
    for beat in found:
        if isinstance(beat, LabelledBeat):
            strip.add(None if beat.rr_ms is None else beat.rr_ms / 1000, beat.label)
    return strip.measure()


def learn(rows: NDArray[np.float64], yes: NDArray[np.bool_]) -> tuple[Tree, ...]:
    """Grow trees from strips."""
    return trees.grow(rows, yes, np.ones(len(rows)), **_GROWTH)


def cross_validate(judged: Judged) -> NDArray[np.bool_]:
    """Say of each strip, by trees that have not learnt from it, whether it is fibrillation."""
    fold = np.random.default_rng(0).permutation(len(judged.labels)) % FOLDS
    yes = judged.labels == FIBRILLATION
    said = np.zeros(len(yes), np.bool_)
    for number in range(FOLDS):
        others, own = (fold != number) & judged.known, (fold == number) & judged.known
        said[own] = trees.log_odds(learn(judged.rows[others], yes[others]), judged.rows[own]) > 0
    return said


def figures(labels: NDArray[np.str_], said: NDArray[np.bool_]) -> dict[str, float]:
    """Return F1, sensitivity and +P of fibrillation against everything else, percent."""
    yes = labels == FIBRILLATION
    tp, fp, fn = int((said & yes).sum()), int((said & ~yes).sum()), int((~said & yes).sum())
    return {
        "f1": round(200 * tp / max(2 * tp + fp + fn, 1), 2),
        "se": round(100 * tp / max(tp + fn, 1), 2),
        "ppv": round(100 * tp / max(tp + fp, 1), 2),
    }


def make(data: Path, progress: Progress = print) -> TreeCard:
    """Learn from all strips; return the model with its cross-validated figures."""
    with BeatModel.load() as model:
        judged = read(data, model)
    progress(f"{len(judged.names)} strips, {int(judged.known.sum())} with beats enough")
    return _card(judged, figures(judged.labels, cross_validate(judged)))


def _card(judged: Judged, metrics: dict[str, float]) -> TreeCard:
    own: Sequence[str] = [name for name, known in zip(judged.names, judged.known.tolist(), strict=True) if known]
    return trees.card(
        "af_strip",
        learn(judged.rows[judged.known], (judged.labels == FIBRILLATION)[judged.known]),
        features=irregularity.STRIP_NAMES,
        example=irregularity.strip_example(),
        records=own,
        split=SPLIT,
        metrics={"cinc2017": metrics},
    )
