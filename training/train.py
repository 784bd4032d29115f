"""Trains a network on some patients and keeps the weights that do best on others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError
from edge.features.fingerprint import FINGERPRINT
from training import features, networks, score
from training.datasets import CLASSES
from training.features import Levels, Table
from training.teacher import Teacher


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train.

    Attributes
    ----------
    epochs, drawn : int
        Epochs, and beats drawn for each.
    mixed : int
        Beats of an epoch that are not real: some features are taken from another beat. The teacher knows what they are
        worth, and the network gets to know the teacher where no patient happens to be.
    batch : int
        Beats a step.
    rate : float
        First learning rate; it falls to 0 along a cosine.
    truth : float
        Share of the annotated label in what is learnt; the rest is the teacher's opinion.
    spread : float
        Standard deviation of the noise on features, in units of theirs.
    blind : float
        Share of beats whose window is blanked out, so that the network also learns from the features alone. Windows
        are what it would know its patients by.
    """

    epochs: int = 6
    drawn: int = 30_000
    mixed: int = 30_000
    batch: int = 256
    rate: float = 1.5e-3
    truth: float = 0.3
    spread: float = 0.05
    blind: float = 0.5


@dataclass(frozen=True)
class Trained:
    """A network and what it was fed with.

    Attributes
    ----------
    kind : str
        Its family.
    model : tf_keras.Model
        The best weights seen.
    levels : Levels
        Of its features.
    offsets : float32 array, shape (len(CLASSES),)
        See `training.score.choose_offsets`.
    score : float
        `training.score.quality` on the patients it was not trained on.
    seed : int
        Of the training.
    """

    kind: networks.Kind
    model: Any = field(repr=False)
    levels: Levels = field(repr=False)
    offsets: NDArray[np.float32] = field(repr=False)
    score: float
    seed: int


class Checkpoints:
    """The best weights of a model in a folder, and never any others.

    Weights that are in the folder already do not compete: beats, recipe or code may have been others. They stay until
    the first new ones are kept.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    name : str
        The model's name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name = folder, name
        self._kept = -1.0

    @property
    def best(self) -> tuple[float, Path] | None:
        """Score and file of the best weights, None if there are none."""
        found = [(_score_of(path), path) for path in self._folder.glob(f"{self._name}-0.*.npz")]
        return max(found, default=None)

    def offer(
        self,
        value: float,
        weights: Sequence[NDArray[np.float32]],
        levels: Levels,
        offsets: NDArray[np.float32],
        seed: int,
    ) -> bool:
        """Keep weights if they are better than those kept before, and delete all others.

        Parameters
        ----------
        value : float
            Their score, 0 to 1; larger is better.
        weights : sequence of arrays
            As Keras gives them.
        levels : Levels
            How the network sees the features.
        offsets : float32 array, shape (len(CLASSES),)
            What its probabilities are weighed by.
        seed : int
            Of the training they are from.

        Returns
        -------
        bool
            Whether they were kept.
        """
        value = min(value, 0.999999)
        if round(value, 6) <= self._kept:
            return False
        self._kept = round(value, 6)
        target = self._folder / f"{self._name}-{value:.6f}.npz"
        part = self._folder / f"part-{target.name}"
        arrays = {f"w{i:03}": array for i, array in enumerate(weights)}
        np.savez(part, knots=levels.knots, offsets=offsets, seed=seed, fingerprint=FINGERPRINT, **arrays)
        part.replace(target)
        for path in self._folder.glob(f"{self._name}-0.*.npz"):
            if path != target:
                path.unlink()
        return True

    def load(self, kind: networks.Kind) -> Trained:
        """Return the network with the best weights.

        Raises
        ------
        EcgEdgeError
            If there are none, or they belong to another network or to features of another fingerprint.
        """
        if self.best is None:
            raise EcgEdgeError(f"{self._folder} holds no weights of {self._name}", "run ecg-train fit first")
        value, path = self.best
        with np.load(path) as arrays:
            if str(arrays.get("fingerprint")) != FINGERPRINT:
                raise EcgEdgeError(f"{path} was trained on other features than these", "train again")
            levels, offsets, seed = Levels(arrays["knots"]), arrays["offsets"], int(arrays["seed"])
            weights = [arrays[name] for name in sorted(arrays.files) if name.startswith("w")]
        model = networks.build(kind)
        try:
            model.set_weights(weights)
        except ValueError:
            raise EcgEdgeError(f"{path} holds the weights of another network", "delete it and train again") from None
        return Trained(kind=kind, model=model, levels=levels, offsets=offsets, score=value, seed=seed)


def fit(
    kind: networks.Kind,
    data: Table,
    validation: Table,
    checkpoints: Checkpoints,
    *,
    teacher: Teacher | None = None,
    offsets: NDArray[np.float32] | None = None,
    seed: int = 1,
    recipe: Recipe | None = None,
    progress: Callable[[str], object] = print,
) -> Trained:
    """Train a network.

    Parameters
    ----------
    kind : {"cnn", "lstm"}
        Its family.
    data, validation : Table
        Beats to learn from, and beats of other patients to choose the weights by.
    checkpoints : Checkpoints
        Where the best weights are kept.
    teacher : Teacher, optional
        What to learn besides the labels; fitted to `data` if not given.
    offsets : float32 array, shape (len(CLASSES),), optional
        See `training.score.choose_offsets`; chosen by the validation patients if not given.
    seed : int
        Of weights, drawing and variation.
    recipe : Recipe, optional
        How long and how fast.
    progress : callable
        Called with a line after every epoch.

    Returns
    -------
    Trained
        With the best weights that were offered to `checkpoints`.

    Raises
    ------
    EcgEdgeError
        If a patient is on both sides, or tensorflow or lightgbm is not installed.
    """
    both = set(data.records.tolist()) & set(validation.records.tolist())
    if both:
        raise EcgEdgeError(f"records {sorted(both)} are on both sides of the split", "keep each patient on one side")
    recipe = recipe or Recipe()
    teacher = teacher or Teacher(data)
    for epoch, model, levels in _epochs(kind, data, teacher, recipe, seed):
        if 2 * epoch <= recipe.epochs:  # what is best so early, while the rate is high, is so by luck
            progress(f"epoch {epoch}/{recipe.epochs}")
            continue
        rows = predict(model, levels, validation)
        weighed_by = score.choose_offsets(validation.labels, rows, validation.records) if offsets is None else offsets
        value = score.quality(score.count(validation.labels, score.decide(rows, weighed_by)))
        kept = checkpoints.offer(value, model.get_weights(), levels, weighed_by, seed)
        progress(f"epoch {epoch}/{recipe.epochs}: F1 of S and V {100 * value:.1f} %{', kept' if kept else ''}")
    return checkpoints.load(kind)


def refit(
    chosen: Trained,
    everybody: Table,
    teacher: Teacher,
    *,
    recipe: Recipe | None = None,
    progress: Callable[[str], object] = print,
) -> Trained:
    """Train a network once more in the same way, on the patients it was chosen by as well.

    Nobody is left to choose weights by: the last ones are taken, and what else was chosen stays.

    Parameters
    ----------
    chosen : Trained
        The network as it was chosen.
    everybody : Table
        All beats that may be learnt from.
    teacher : Teacher
        Fitted to them.
    recipe, progress
        As in `fit`.

    Returns
    -------
    Trained
        With the offsets, the score and the seed of `chosen`.
    """
    recipe = recipe or Recipe()
    for epoch, model, levels in _epochs(chosen.kind, everybody, teacher, recipe, chosen.seed):
        progress(f"epoch {epoch}/{recipe.epochs}")
        trained = replace(chosen, model=model, levels=levels)
    return trained


def _epochs(
    kind: networks.Kind, data: Table, teacher: Teacher, recipe: Recipe, seed: int
) -> Iterator[tuple[int, Any, Levels]]:
    """Yield number, network and levels after each epoch."""
    k = networks.keras()
    k.utils.set_random_seed(seed)
    source = _Source(data, teacher, recipe, seed)
    model = networks.build(kind)
    steps = recipe.epochs * (-(-(recipe.drawn + recipe.mixed) // recipe.batch))
    rate = k.optimizers.schedules.CosineDecay(recipe.rate, steps)
    model.compile(k.optimizers.Adam(rate), loss=k.losses.CategoricalCrossentropy())
    for epoch in range(1, recipe.epochs + 1):
        model.fit(*source.draw(), batch_size=recipe.batch, verbose=0)
        yield epoch, model, source.levels


def predict(model: Any, levels: Levels, data: Table) -> NDArray[np.float32]:
    """Return the float network's probabilities, shape (n, len(CLASSES))."""
    inputs = [data.windows, levels.apply(data.features)]
    return np.asarray(model.predict(inputs, batch_size=2048, verbose=0), np.float32)


class _Source:
    """Draws the beats of an epoch."""

    def __init__(self, data: Table, teacher: Teacher, recipe: Recipe, seed: int) -> None:
        self.levels = features.levels(data)
        self._data, self._teacher, self._recipe = data, teacher, recipe
        self._unit = data.features.std(axis=0)
        self._upto = np.cumsum(features.draw_weights(data))
        self._rng = np.random.default_rng(seed)

    def draw(self) -> tuple[Sequence[NDArray[np.float32]], NDArray[np.float32]]:
        """Return inputs, and the probabilities to be learnt."""
        recipe, data = self._recipe, self._data
        rows = self._rows(recipe.drawn)
        truth = np.eye(len(CLASSES), dtype=np.float32)[data.labels[rows]]
        opinion = self._teacher(data.features[rows])
        mixed, first = self._mixed(recipe.mixed)
        windows = np.concatenate([data.windows[rows], data.windows[first]])
        numbers = np.concatenate([data.features[rows], mixed])
        targets = np.concatenate([recipe.truth * truth + (1 - recipe.truth) * opinion, self._teacher(mixed)])
        return [self._varied(windows), self.levels.apply(self._noisy(numbers))], targets

    def _rows(self, n: int) -> NDArray[np.int64]:
        return np.minimum(np.searchsorted(self._upto, self._rng.random(n)), len(self._data) - 1)

    def _mixed(self, n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return features of beats with some of another beat's, and the rows of the former."""
        first, second = self._rows(n), self._rows(n)
        swap = self._rng.random((n, self._data.features.shape[1])) < self._rng.uniform(0, 0.6, (n, 1))
        return np.where(swap, self._data.features[second], self._data.features[first]), first

    def _noisy(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        noise = self._rng.normal(0, self._recipe.spread, numbers.shape) * self._unit
        return np.asarray(numbers + noise, np.float32)

    def _varied(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        varied = features.vary(windows, self._rng)
        varied[self._rng.random(len(varied)) < self._recipe.blind] = 0
        return varied


def _score_of(path: Path) -> float:
    return float(path.name.removesuffix(".npz").rsplit("-", 1)[1])
