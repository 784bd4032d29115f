"""Trains a network on some patients and keeps the weights that serve others best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError
from training import ec57, features, networks, score
from training.features import Normalization, Table

OFFSETS = np.array([0.5, -0.3, 0.0, -1.0, -3.0], np.float32)
"""Added to the log probabilities of N, S, V, F, Q. Drawing by patient makes rare classes look less rare than they are,
which the first two take back; F and Q are too few in training to be believed lightly. Compared by patient-wise
cross-validation of an earlier network on DS1; that of S lies between two that were tried."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train.

    Attributes
    ----------
    epochs, drawn : int
        Epochs, and beats drawn for each.
    batch : int
        Beats a step.
    rate : float
        First learning rate; it falls to 0 along a cosine.
    spread : float
        Standard deviation of the noise on normalized features.
    blind : float
        Share of beats whose window is blanked out, so that the network also learns from the features alone. Windows
        are what it would know its patients by.
    """

    epochs: int = 6
    drawn: int = 30_000
    batch: int = 256
    rate: float = 1e-3
    spread: float = 0.1
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
    normalization : Normalization
        Of its features.
    score : float
        `training.score.quality` on the patients it was not trained on.
    """

    kind: networks.Kind
    model: Any = field(repr=False)
    normalization: Normalization = field(repr=False)
    score: float


class Checkpoints:
    """The best weights of a model in a folder, and never any others.

    Parameters
    ----------
    folder : Path
        Made if it is not there. What is in it already counts: a second training only replaces better by better.
    name : str
        The model's name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name = folder, name

    @property
    def best(self) -> tuple[float, Path] | None:
        """Score and file of the best weights, None if there are none."""
        found = [(_score_of(path), path) for path in self._folder.glob(f"{self._name}-0.*.npz")]
        return max(found, default=None)

    def offer(self, value: float, weights: Sequence[NDArray[np.float32]], normal: Normalization) -> bool:
        """Keep weights if they are better than what is there, and delete all others.

        Parameters
        ----------
        value : float
            Their score, 0 to 1; larger is better.
        weights : sequence of arrays
            As Keras gives them.
        normal : Normalization
            What the network's features were normalized with.

        Returns
        -------
        bool
            Whether they were kept.
        """
        best = self.best
        if best is not None and round(value, 6) <= best[0]:
            return False
        target = self._folder / f"{self._name}-{min(value, 0.999999):.6f}.npz"
        part = self._folder / f"part-{target.name}"
        arrays = {f"w{i:03}": array for i, array in enumerate(weights)}
        np.savez(part, mean=normal.mean, scale=normal.scale, **arrays)
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
            If there are none, or they belong to another network.
        """
        if self.best is None:
            raise EcgEdgeError(f"{self._folder} holds no weights of {self._name}", "run ecg-train fit first")
        value, path = self.best
        with np.load(path) as arrays:
            normal = Normalization(mean=arrays["mean"], scale=arrays["scale"])
            weights = [arrays[name] for name in sorted(arrays.files) if name.startswith("w")]
        model = networks.build(kind)
        try:
            model.set_weights(weights)
        except ValueError:
            raise EcgEdgeError(f"{path} holds the weights of another network", "delete it and train again") from None
        return Trained(kind=kind, model=model, normalization=normal, score=value)


def fit(
    kind: networks.Kind,
    learn: Table,
    judge: Table,
    checkpoints: Checkpoints,
    *,
    seed: int = 1,
    recipe: Recipe | None = None,
    progress: Callable[[str], object] = print,
) -> Trained:
    """Train a network.

    Parameters
    ----------
    kind : {"cnn", "lstm"}
        Its family.
    learn, judge : Table
        Beats to learn from and beats of other patients to be judged by.
    checkpoints : Checkpoints
        Where the best weights are kept.
    seed : int
        Of weights, drawing and variation.
    recipe : Recipe, optional
        How long and how fast.
    progress : callable
        Told a line after every epoch.

    Returns
    -------
    Trained
        With the best weights in `checkpoints`.

    Raises
    ------
    EcgEdgeError
        If a patient is on both sides, or tensorflow is not installed.
    """
    both = set(learn.records.tolist()) & set(judge.records.tolist())
    if both:
        raise EcgEdgeError(f"records {sorted(both)} are on both sides of the split", "keep each patient on one side")
    recipe = recipe or Recipe()
    k = networks.keras()
    k.utils.set_random_seed(seed)
    normal = features.normalization(learn)
    model = networks.build(kind, features.knots(learn, normal, networks.BINS))
    rate = k.optimizers.schedules.CosineDecay(recipe.rate, recipe.epochs * (-(-recipe.drawn // recipe.batch)))
    model.compile(k.optimizers.Adam(rate, weight_decay=0.1), loss=k.losses.SparseCategoricalCrossentropy())
    source = _Source(learn, normal, recipe, seed)
    for epoch in range(1, recipe.epochs + 1):
        model.fit(*source.draw(), batch_size=recipe.batch, verbose=0)
        value = score.quality(confusion(model, normal, judge))
        kept = checkpoints.offer(value, model.get_weights(), normal)
        progress(f"epoch {epoch}/{recipe.epochs}: F1 of S and V {100 * value:.1f} %{', kept' if kept else ''}")
    return checkpoints.load(kind)


def predict(model: Any, normal: Normalization, data: Table) -> NDArray[np.float32]:
    """Return the float network's probabilities, shape (n, len(CLASSES))."""
    inputs = [data.windows, normal.apply(data.features)]
    return np.asarray(model.predict(inputs, batch_size=2048, verbose=0), np.float32)


def confusion(model: Any, normal: Normalization, data: Table) -> ec57.Table:
    """Count what the float network makes of beats."""
    return score.count(data.labels, score.decide(predict(model, normal, data), OFFSETS))


class _Source:
    """Draws the beats of an epoch."""

    def __init__(self, data: Table, normal: Normalization, recipe: Recipe, seed: int) -> None:
        self._data, self._recipe = data, recipe
        self._features = normal.apply(data.features)
        self._upto = np.cumsum(features.draw_weights(data))
        self._rng = np.random.default_rng(seed)

    def draw(self) -> tuple[Sequence[NDArray[np.float32]], NDArray[np.int8]]:
        """Return inputs and labels."""
        n, rng = self._recipe.drawn, self._rng
        rows = np.minimum(np.searchsorted(self._upto, rng.random(n)), len(self._data) - 1)
        noise = rng.normal(0, self._recipe.spread, (n, self._features.shape[1])).astype(np.float32)
        windows = features.vary(self._data.windows[rows], rng)
        windows[rng.random(n) < self._recipe.blind] = 0
        return [windows, self._features[rows] + noise], self._data.labels[rows]


def _score_of(path: Path) -> float:
    return float(path.name.removesuffix(".npz").rsplit("-", 1)[1])
