"""Boosted trees on the features, of which the networks learn.

On so few patients they are better at what timing and shape say than a network that finds out by itself; a network that
is told their probabilities, also of beats in between the real ones, comes to the same. On the device only it remains.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError, how_to_install
from edge.features.conducted import RHYTHM
from training import features, splits
from training.datasets import CLASSES
from training.features import Table

TREES = 150
_S, _V, _F = (CLASSES.index(label) for label in "SVF")


class Teacher:
    """Boosted trees, fitted to beats as they are drawn.

    Three questions, one after the other: whether a beat is ventricular (V or F), of all features; if so, whether a
    fusion beat; if not, whether supraventricular, of timing and P wave alone. QRS complexes say nothing of the last,
    and trees that see them learn which patients had S beats.

    Parameters
    ----------
    data : Table
        Beats to learn from.
    seeds : tuple of int
        One model each; their probabilities are averaged.
    columns : int64 array, optional
        Features the trees may look at; all by default.
    told_by : int64 array
        Of these, the ones by which S is told from N.

    Raises
    ------
    EcgEdgeError
        If lightgbm is not installed.
    """

    def __init__(
        self,
        data: Table,
        seeds: tuple[int, ...] = (1, 2, 3),
        columns: NDArray[np.int64] | None = None,
        told_by: NDArray[np.int64] = RHYTHM,
    ) -> None:
        weights = features.draw_weights(data) * len(data)
        ventricular = data.labels >= _V

        def ask(
            yes: NDArray[np.bool_], among: NDArray[np.bool_], columns: NDArray[np.int64], **settings: Any
        ) -> _Trees:
            rows = data.features[among][:, columns]
            return _Trees(rows, yes[among], weights[among], columns, [_model(seed, **settings) for seed in seeds])

        every = np.arange(data.features.shape[1]) if columns is None else columns
        self._ventricular = ask(ventricular, np.ones(len(data), np.bool_), every)
        self._fusion = ask(data.labels == _F, ventricular, every)
        # Thresholds at random: they overfit less where few patients decide.
        self._supraventricular = ask(data.labels == _S, ~ventricular, np.intersect1d(every, told_by), extra_trees=True)

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities of features, shape (n, len(CLASSES)); 0 for classes without a beat to learn from."""
        ventricular, fusion, ectopic = (
            trees(rows) for trees in (self._ventricular, self._fusion, self._supraventricular)
        )
        said = np.zeros((len(rows), len(CLASSES)), np.float32)
        said[:, 0], said[:, _S] = (1 - ventricular) * (1 - ectopic), (1 - ventricular) * ectopic
        said[:, _V], said[:, _F] = ventricular * (1 - fusion), ventricular * fusion
        return said


def cross_validate(
    data: Table,
    n_folds: int = 5,
    fitted: NDArray[np.bool_] | None = None,
    columns: NDArray[np.int64] | None = None,
    told_by: NDArray[np.int64] = RHYTHM,
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Ask of each patient trees that have not seen him.

    Parameters
    ----------
    data : Table
        All beats, of synthetic patients and of single leads too.
    n_folds : int
        See `training.splits.folds`.
    fitted : bool array, shape (len(data),), optional
        Beats the trees may learn from; all by default.
    columns, told_by : int64 array, optional
        As in `Teacher`.

    Returns
    -------
    bool array, shape (len(data),)
        The m beats of records as they are, with both leads.
    float32 array, shape (m, len(CLASSES))
        Probabilities of these.
    """
    real = data.shares == features.SHARES[""]
    number = {
        name: i for i, fold in enumerate(splits.folds(np.unique(data.records).tolist(), n_folds)) for name in fold
    }
    fold = np.array([number[name] for name in data.records.tolist()])
    said = np.zeros((len(data), len(CLASSES)), np.float32)
    for i in range(n_folds):
        mine, others = real & (fold == i), fold != i
        trees = Teacher(features.take(data, others if fitted is None else others & fitted), (1,), columns, told_by)
        said[mine] = trees(data.features[mine])
    return real, said[real]


class _Trees:
    """Say how likely yes is."""

    def __init__(
        self,
        rows: NDArray[np.float32],
        yes: NDArray[np.bool_],
        weights: NDArray[np.float64],
        columns: NDArray[np.int64],
        models: list[Any],
    ) -> None:
        self._columns = columns
        self._always = float(yes.all()) if len(yes) else 0.0
        self._models = [model.fit(rows, yes, weights) for model in models] if 0 < yes.sum() < len(yes) else []

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        if not self._models:
            return np.full(len(rows), self._always)
        seen = rows[:, self._columns]
        return np.asarray(np.mean([model.predict_proba(seen)[:, 1] for model in self._models], axis=0), np.float64)


def _model(seed: int, **settings: Any) -> Any:
    try:
        import sklearn  # noqa: F401, PLC0415 - lightgbm's classifier needs it, and says so only when it is made
        from lightgbm import LGBMClassifier  # noqa: PLC0415 - only training has it
    except (ImportError, OSError) as error:  # OSError: the system lacks OpenMP
        fix = f"{how_to_install('training')}; on Debian also `apt install libgomp1`"
        raise EcgEdgeError(f"training needs lightgbm ({error})", fix) from None
    return LGBMClassifier(
        n_estimators=TREES,
        num_leaves=15,
        learning_rate=0.05,
        min_child_samples=100,
        reg_lambda=10,
        feature_fraction=0.4,
        bagging_fraction=0.4,
        bagging_freq=1,
        random_state=seed,
        n_jobs=2,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
        **settings,
    )
