"""From databases to a released model: prepare, fit, quantize, score, and put model and card in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError
from edge.inference.beat_model import BeatModel
from edge.inference.card import ModelCard, read_card, write_card
from training import cards, datasets, features, score, splits, train
from training.calibration import calibrate
from training.datasets import LabelledBeats
from training.ec57 import Table as Confusion
from training.networks import Kind
from training.quantize import quantize
from training.synthesis import synthesize
from training.teacher import Teacher, cross_validate
from training.train import Checkpoints, Recipe, Trained

_SYNTHETIC = (0, 1)
"""Seeds of the patients made of each record."""

RELEASED = "released"
"""Folder in `work` of the float weights of what was released."""

Progress = Callable[[str], object]
Say = Callable[[features.Table], NDArray[np.float32]]


@dataclass(frozen=True)
class Sets:
    """Beats by what they are for.

    Attributes
    ----------
    learn, judge : features.Table
        To learn from, and of other patients to choose by.
    rest : features.Table
        Of the judging patients, to learn from when everything is chosen.
    test : list of LabelledBeats
        DS2, only reported.
    """

    learn: features.Table
    judge: features.Table
    rest: features.Table
    test: list[LabelledBeats]

    @property
    def records(self) -> list[str]:
        """``database/record`` of all that is learnt from or chosen by."""
        return sorted({*self.learn.records.tolist(), *self.judge.records.tolist()})

    @property
    def databases(self) -> list[str]:
        """Where these are from."""
        return sorted({record.partition("/")[0] for record in self.records})


@dataclass(frozen=True)
class Lessons:
    """What the networks of all seeds and families have in common.

    Attributes
    ----------
    offsets : float32 array, shape (len(CLASSES),)
        See `training.score.choose_offsets`.
    everybody : features.Table
        All beats that may be learnt from in the end.
    teacher, last : Teacher
        Fitted to the learning patients, and to everybody.
    """

    offsets: NDArray[np.float32]
    everybody: features.Table
    teacher: Teacher
    last: Teacher


def gather(data: Path, cache: Path, progress: Progress = print, databases: Sequence[str] = ("mitdb", "svdb")) -> Sets:
    """Make the beats of all sets, or take them from `cache`.

    Parameters
    ----------
    data : Path
        Folder with `mitdb` and `svdb`; what is not there is downloaded.
    cache : Path
        Where beats are kept from run to run; delete it when the stages have changed.
    progress : callable
        Told a line for each set.
    databases : sequence of {"mitdb", "svdb"}
        Of which patients to learn and choose.
    """
    mitdb = datasets.locate("mitdb", data)
    wanted: dict[Path, Sequence[str]] = {mitdb: splits.DS1} if "mitdb" in databases else {}
    if "svdb" in databases:
        svdb = datasets.locate("svdb", data)
        wanted[svdb] = splits.svdb_training(datasets.records_of(svdb))
    learn: list[LabelledBeats] = []
    judge: list[LabelledBeats] = []
    rest: list[LabelledBeats] = []
    for folder, records in wanted.items():
        progress(f"{folder.name}: beats of {len(records)} records")
        for beats in datasets.prepare(folder, records, cache, datasets.ONE_LEAD_TOO):
            judging = beats.record in splits.JUDGES[folder.name]
            if judging and not beats.variant:
                judge.append(beats)
            if beats.record not in splits.NEVER_LEARNT:
                side = rest if judging else learn
                side.append(beats)
                side += [] if beats.variant else [made for seed in _SYNTHETIC for made in synthesize(beats, seed)]
    progress(f"mitdb: beats of {len(splits.DS2)} records to report on")
    test = list(datasets.prepare(mitdb, splits.DS2, cache))
    return Sets(learn=features.table(learn), judge=features.table(judge), rest=features.table(rest), test=test)


def lessons(sets: Sets, progress: Progress = print) -> Lessons:
    """Choose offsets by cross-validation, and fit the trees the networks learn from."""
    everybody = features.join(sets.learn, sets.rest)
    progress("boosted trees, cross-validated, to choose offsets by")
    real, said = cross_validate(everybody)
    offsets = score.choose_offsets(everybody.labels[real], said, everybody.records[real])
    progress("boosted trees, to learn from")
    return Lessons(offsets, everybody, Teacher(sets.learn), Teacher(everybody))


def release(
    kind: Kind,
    sets: Sets,
    models: Path,
    work: Path,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    recipe: Recipe | None = None,
    because: str = "",
    learnt: Lessons | None = None,
    progress: Progress = print,
) -> ModelCard:
    """Train a model, make it int8 and put it into `models`.

    Parameters
    ----------
    kind : {"cnn", "lstm"}
        Its family, which is also its name.
    sets : Sets
        From `gather`.
    models, work : Path
        Where models and weights go.
    seeds : sequence of int
        One training each; the weights that serve the judging patients best are released.
    recipe : Recipe, optional
        How long and how fast to train.
    because : str
        Why to release it although the one there is better; by default such a one is refused.
    learnt : Lessons, optional
        From `lessons`, for several models of the same sets.
    progress : callable
        Told what is going on.

    Raises
    ------
    EcgEdgeError
        If the model there is better and no reason is given.
    """
    checkpoints = Checkpoints(work, kind)
    learnt = learnt or lessons(sets, progress)
    best: Trained | None = None
    chosen = 0
    for seed in seeds:
        progress(f"{kind}, seed {seed}")
        trained = train.fit(
            kind,
            sets.learn,
            sets.judge,
            checkpoints,
            teacher=learnt.teacher,
            offsets=learnt.offsets,
            seed=seed,
            recipe=recipe,
            progress=progress,
        )
        if best is None or trained.score > best.score:
            best, chosen = trained, seed
    if best is None:
        raise EcgEdgeError("no seed given", "give at least one")
    progress(f"{kind}, seed {chosen}, the judging patients too")
    final = train.refit(best, learnt.everybody, learnt.last, seed=chosen, recipe=recipe, progress=progress)
    content = quantize(final, learnt.everybody)
    card = publish(best, final, content, sets, models, seed=chosen, because=because, progress=progress)
    save(final, work)
    return card


def release_all(
    kinds: Sequence[Kind],
    sets: Sets,
    models: Path,
    work: Path,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    recipe: Recipe | None = None,
    because: str = "",
    progress: Progress = print,
) -> None:
    """Release models that learn from the same trees; see `release`.

    Raises
    ------
    EcgEdgeError
        If one was refused; the others are released all the same.
    """
    for kind in kinds:
        refuse_other_databases(kind, sets, models, because)
    learnt = lessons(sets, progress)
    # Weights of other databases were chosen by other patients: their scores do not compare.
    folder = work if sets.databases == sorted(splits.JUDGES) else work / "-".join(sets.databases)
    refused = []
    for kind in kinds:
        try:
            card = release(
                kind,
                sets,
                models,
                folder,
                seeds=seeds,
                recipe=recipe,
                because=because,
                learnt=learnt,
                progress=progress,
            )
        except EcgEdgeError as error:
            refused.append(error)
        else:
            progress(f"released {models / card.name}.tflite, sha256 {card.sha256[:12]}")
    if refused:
        raise EcgEdgeError("; ".join(error.what for error in refused), refused[0].fix)


def save(final: Trained, work: Path) -> None:
    """Keep the weights that are released in `work/released`, instead of any that were."""
    folder = work / RELEASED
    for old in folder.glob(f"{final.kind}-*.npz"):
        old.unlink()
    Checkpoints(folder, final.kind).offer(final.score, final.model.get_weights(), final.levels, final.offsets)


def publish(
    chosen: Trained,
    final: Trained,
    content: bytes,
    sets: Sets,
    models: Path,
    *,
    seed: int,
    because: str = "",
    progress: Progress = print,
) -> ModelCard:
    """Score a network and put it into `models` unless a better one is there.

    Parameters
    ----------
    chosen, final : Trained
        As the judging patients chose it, by whom its card's figures and confidence are, and as it is released.
    content : bytes
        The latter as int8.
    """
    with _int8(chosen, quantize(chosen, sets.learn)) as model:
        judged = {"float": weigh_float(chosen, sets.judge), "int8": weigh_int8(model, sets.judge)}
    metrics = {"judges": {name: _figures(sets.judge.labels, weighed) for name, weighed in judged.items()}}
    with _int8(final, content) as model:
        said: dict[str, Say] = {
            "float": lambda table: weigh_float(final, table),
            "int8": lambda table: weigh_int8(model, table),
        }
        metrics["ds2"] = {name: score.figures(_test(sets.test, say)) for name, say in said.items()}
    confidence = calibrate(sets.judge.labels, judged["int8"])
    card = cards.make_card(final, content, sets.records, metrics, confidence=confidence, seed=seed, because=because)
    refuse_worse(card, models, because)
    put(card, content, models)
    for name, by_format in metrics.items():
        progress(f"{name}: " + ", ".join(f"{key} {value}" for key, value in by_format["int8"].items()))
    return card


def _int8(trained: Trained, content: bytes) -> BeatModel:
    """Return a network as on the device; its card says nothing yet of how good it is."""
    return BeatModel(cards.make_card(trained, content, [], {}, seed=0), content)


def refuse_other_databases(name: str, sets: Sets, models: Path, because: str) -> None:
    """Raise if the model there learnt from other databases, unless there is a reason: other patients judged it.

    Raises
    ------
    EcgEdgeError
        Naming the databases of both.
    """
    path = models / f"{name}.json"
    if because or not path.exists():
        return
    there = sorted(read_card(path).origin.databases)
    if sets.databases != there:
        raise EcgEdgeError(
            f"a model of {' and '.join(sets.databases)} does not compare with {name} in {models}, of "
            f"{' and '.join(there)}",
            "release it into another folder, or give --because a reason",
        )


def refuse_worse(card: ModelCard, models: Path, because: str) -> None:
    """Raise unless the card is at least as good as that of the model there, or there is a reason.

    Raises
    ------
    EcgEdgeError
        Naming both scores.
    """
    path = models / f"{card.name}.json"
    if because or not path.exists():
        return
    new, old = _chosen_by(card), _chosen_by(read_card(path))
    if new < old:
        raise EcgEdgeError(
            f"model {card.name} scores {new:.2f} on the judging patients, the one in {models} {old:.2f}",
            "keep that one, or give --because a reason",
        )


def put(card: ModelCard, content: bytes, models: Path) -> None:
    """Write model and card; the model last, so that a half-done release is refused rather than used."""
    models.mkdir(parents=True, exist_ok=True)
    write_card(card, models / f"{card.name}.json")
    part = models / f"{card.name}.part"
    part.write_bytes(content)
    part.replace(models / f"{card.name}.tflite")


def _chosen_by(card: ModelCard) -> float:
    figures = card.metrics.get("judges", {}).get("int8", {})
    return (figures.get("s_f1", 0.0) + figures.get("v_f1", 0.0)) / 2


def _figures(labels: datasets.Labels, weighed: NDArray[np.float32]) -> dict[str, float]:
    return score.figures(score.count(labels, np.asarray(weighed.argmax(axis=1), np.int8)))


def weigh_float(trained: Trained, data: features.Table) -> NDArray[np.float32]:
    """Return the float network's weighed log probabilities, see `training.score.weigh`."""
    return score.weigh(train.predict(trained.model, trained.levels, data), trained.offsets)


def weigh_int8(model: BeatModel, data: features.Table) -> NDArray[np.float32]:
    """Return those of the int8 model, beat by beat as on the device."""
    said = [model.predict(window, row) for window, row in zip(data.windows, data.features, strict=True)]
    return score.weigh(np.stack(said), np.array(model.card.offsets, np.float32))


def labels_of(beats: LabelledBeats, say: Say) -> datasets.Labels:
    """Return what is called of a record's beats: Q those that cannot be used, or are noisy and not called N."""
    said = np.full(len(beats.labels), datasets.CLASSES.index("Q"), np.int8)
    said[beats.usable] = say(features.everything(beats)).argmax(axis=1)
    said[beats.noisy & (said != datasets.CLASSES.index("N"))] = datasets.CLASSES.index("Q")
    return said


def _test(records: Iterable[LabelledBeats], say: Say) -> Confusion:
    """Count what a model makes of every detected beat, with missed and extra ones."""
    total = np.zeros((6, 6), np.int64)
    for beats in records:
        total += score.count(beats.labels, labels_of(beats, say))
        total[:5, 5] += beats.missed
    return total
