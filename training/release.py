"""From beats to a released model: fit, quantize, score, and put model and card in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError
from edge.inference.card import Confidence, ModelCard, is_card, read_card, write_card
from edge.sinks.outputs import refuse
from training import calibration, cards, datasets, features, predictions, score, splits, train
from training.calibration import CrossFitted, Design
from training.networks import Kind
from training.quantize import is_model, quantize
from training.sets import Progress, Sets
from training.teacher import Teacher, cross_validate
from training.train import Checkpoints, Recipe, Trained

RELEASED = "released"
"""Folder in `work` of the float weights of what was released."""

Metrics = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class SharedFit:
    """What the networks of all seeds and families have in common.

    Attributes
    ----------
    offsets : float32 array, shape (len(CLASSES),)
        See `training.score.choose_offsets`.
    everybody : features.Table
        All beats that may be learnt from in the end.
    teacher, last_teacher : Teacher
        Fitted to the training patients, and to everybody.
    """

    offsets: NDArray[np.float32]
    everybody: features.Table
    teacher: Teacher
    last_teacher: Teacher


@dataclass(frozen=True)
class Candidate:
    """A model that may be released.

    Attributes
    ----------
    chosen, final : Trained
        As the validation patients chose it, and trained once more with them.
    content : bytes
        The latter as int8.
    recipe : Recipe
        Of both.
    """

    chosen: Trained
    final: Trained
    content: bytes
    recipe: Recipe

    @property
    def design(self) -> Design:
        """What its cross-fitted models must share with it."""
        return Design(self.final.kind, self.final.offsets, self.final.seed, self.recipe)


def fit_shared(sets: Sets, progress: Progress = print) -> SharedFit:
    """Choose offsets by cross-validation, and fit the trees the networks learn from."""
    everybody = sets.everybody
    progress("boosted trees, cross-validated, to choose offsets by")
    real, probabilities = cross_validate(everybody)
    offsets = score.choose_offsets(everybody.labels[real], probabilities, everybody.records[real])
    progress("boosted trees, to learn from")
    return SharedFit(offsets, everybody, Teacher(sets.train), Teacher(everybody))


def release(
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
    """Train models, make them int8, calibrate them and put them into `models`.

    Parameters
    ----------
    kinds : sequence of {"cnn", "lstm"}
        Their families, which are also their names.
    sets : Sets
        From `training.sets.gather`.
    models, work : Path
        Where models and weights go.
    seeds : sequence of int
        One training each; the weights that do best on the validation patients are released.
    recipe : Recipe, optional
        How long and how fast to train.
    because : str
        Why to release a model although the one there is better; by default such a one is refused.
    progress : callable
        Called with a line at each step.

    Raises
    ------
    EcgEdgeError
        If one was refused; the others are released all the same.
    """
    for kind in kinds:
        refuse_other_databases(kind, sets, models, because)
    shared = fit_shared(sets, progress)
    # Weights of other databases were chosen by other patients: their scores do not compare.
    folder = work if sets.databases == sorted(splits.VALIDATION) else work / "-".join(sets.databases)
    candidates = [
        make_candidate(kind, sets, shared, folder, seeds=seeds, recipe=recipe, progress=progress) for kind in kinds
    ]
    fitted = calibration.cross_fit([candidate.design for candidate in candidates], sets, progress)
    refused = []
    for candidate in candidates:
        try:
            card = publish(candidate, sets, models, fitted[candidate.final.kind], because=because, progress=progress)
        except EcgEdgeError as error:
            refused.append(error)
        else:
            keep_weights(candidate.final, folder)
            progress(f"released {models / card.name}.tflite, sha256 {card.sha256[:12]}")
    if refused:
        raise EcgEdgeError("; ".join(error.what for error in refused), refused[0].fix)


def make_candidate(
    kind: Kind,
    sets: Sets,
    shared: SharedFit,
    work: Path,
    *,
    seeds: Sequence[int],
    recipe: Recipe | None = None,
    progress: Progress = print,
) -> Candidate:
    """Train a network with several seeds, the best of them once more on everybody, and make that one int8."""
    recipe = recipe or Recipe()
    chosen = fit_seeds(kind, sets, Checkpoints(work, kind), shared, seeds=seeds, recipe=recipe, progress=progress)
    progress(f"{kind}, seed {chosen.seed}, the validation patients too")
    final = train.refit(chosen, shared.everybody, shared.last_teacher, recipe=recipe, progress=progress)
    return Candidate(chosen, final, quantize(final, shared.everybody), recipe)


def fit_seeds(
    kind: Kind,
    sets: Sets,
    checkpoints: Checkpoints,
    shared: SharedFit | None = None,
    *,
    seeds: Sequence[int],
    recipe: Recipe,
    progress: Progress = print,
) -> Trained:
    """Train a network with several seeds and return the one that does best on the validation patients.

    Raises
    ------
    EcgEdgeError
        If there is no seed.
    """
    if not seeds:
        raise EcgEdgeError("no seed given", "give at least one")
    for seed in seeds:
        progress(f"{kind}, seed {seed}")
        best = train.fit(
            kind,
            sets.train,
            sets.validation,
            checkpoints,
            teacher=None if shared is None else shared.teacher,
            offsets=None if shared is None else shared.offsets,
            seed=seed,
            recipe=recipe,
            progress=progress,
        )
    return best


def publish(
    candidate: Candidate,
    sets: Sets,
    models: Path,
    fitted: CrossFitted,
    *,
    because: str = "",
    progress: Progress = print,
) -> ModelCard:
    """Score a model and put it into `models` unless a better one is there.

    Parameters
    ----------
    candidate : Candidate
        The model. The figures of the validation patients on its card are those of `candidate.chosen`.
    sets, models, because, progress
        As in `release`.
    fitted : CrossFitted
        From `training.calibration.cross_fit`; its scores are calibrated by it.

    Raises
    ------
    EcgEdgeError
        If the one there is better and no reason is given.
    """
    final, content = candidate.final, candidate.content
    metrics = {"validation": _on_validation(candidate.chosen, sets), "ds2": _on_test(final, content, sets)}
    card = calibrated(cards.make_card(final, content, sets.records, metrics, because=because), fitted)
    refuse_worse(card, models, because)
    put(card, content, models)
    for name, by_format in card.metrics.items():
        progress(f"{name}: " + ", ".join(f"{key} {value}" for key, value in by_format["int8"].items()))
    return card


def calibrated(card: ModelCard, fitted: CrossFitted) -> ModelCard:
    """Return a card with the confidence and the figures of cross-fitted predictions."""
    confidence: tuple[Confidence, ...] = calibration.calibrate(fitted.labels, fitted.weighed)
    metrics = card.metrics | {"cross_fitted": {"int8": _figures(fitted.labels, fitted.weighed)}}
    return msgspec.structs.replace(card, confidence=confidence, metrics=metrics)


def keep_weights(final: Trained, work: Path) -> None:
    """Keep the weights that are released in `work/released`, instead of any that were."""
    checkpoints = Checkpoints(work / RELEASED, final.kind)
    checkpoints.offer(final.score, final.model.get_weights(), final.levels, final.offsets, final.seed)


def refuse_other_databases(name: str, sets: Sets, models: Path, because: str) -> None:
    """Raise if the model there learnt from other databases, unless there is a reason: other patients chose it.

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
            f"model {card.name} scores {new:.2f} on the validation patients, the one in {models} {old:.2f}",
            "keep that one, or give --because a reason",
        )


def put(card: ModelCard, content: bytes, models: Path) -> None:
    """Write model and card; the model last, so that a half-done release is refused rather than used."""
    models.mkdir(parents=True, exist_ok=True)
    refuse(models / f"{card.name}.json", is_card)
    refuse(models / f"{card.name}.tflite", is_model)
    write_card(card, models / f"{card.name}.json")
    part = models / f"{card.name}.part"
    part.write_bytes(content)
    part.replace(models / f"{card.name}.tflite")


def _on_validation(chosen: Trained, sets: Sets) -> dict[str, dict[str, float]]:
    with predictions.as_on_device(chosen, quantize(chosen, sets.train)) as model:
        weighed = {
            "float": predictions.weigh_float(chosen, sets.validation),
            "int8": predictions.weigh_int8(model, sets.validation),
        }
    return {name: _figures(sets.validation.labels, rows) for name, rows in weighed.items()}


def _on_test(final: Trained, content: bytes, sets: Sets) -> dict[str, dict[str, float]]:
    with predictions.as_on_device(final, content) as model:
        ways: dict[str, predictions.Weigh] = {
            "float": lambda table: predictions.weigh_float(final, table),
            "int8": lambda table: predictions.weigh_int8(model, table),
        }
        return {name: score.figures(predictions.confusion(sets.test, weigh)) for name, weigh in ways.items()}


def _chosen_by(card: ModelCard) -> float:
    figures = card.metrics.get("validation", {}).get("int8", {})
    return (figures.get("s_f1", 0.0) + figures.get("v_f1", 0.0)) / 2


def _figures(labels: datasets.Labels, weighed: NDArray[np.float32]) -> dict[str, float]:
    return score.figures(score.count(labels, np.asarray(weighed.argmax(axis=1), np.int8)))
