"""Boosted trees on the features, of which the networks learn.

On so few patients they are better at what timing and shape say than a network that finds out by itself; a network that
is told their probabilities, also of beats in between the real ones, comes to the same. On the device only it remains.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError
from training import features
from training.datasets import CLASSES
from training.features import Table

TREES = 150


class Teacher:
    """Boosted trees, fitted to beats as they are drawn.

    Parameters
    ----------
    data : Table
        Beats to learn from.
    seeds : tuple of int
        One model each; their probabilities are averaged.

    Raises
    ------
    EcgEdgeError
        If lightgbm is not installed.
    """

    def __init__(self, data: Table, seeds: tuple[int, ...] = (1, 2)) -> None:
        weights = features.draw_weights(data) * len(data)
        self._models = [_model(seed).fit(data.features, data.labels, weights) for seed in seeds]

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities of features, shape (n, len(CLASSES)); 0 for classes without a beat to learn from."""
        said = np.zeros((len(rows), len(CLASSES)), np.float32)
        for model in self._models:
            said[:, model.classes_] += model.predict_proba(rows) / len(self._models)
        return said


def _model(seed: int) -> Any:
    try:
        import sklearn  # noqa: F401, PLC0415 - lightgbm's classifier needs it, and says so only when it is made
        from lightgbm import LGBMClassifier  # noqa: PLC0415 - only training has it
    except (ImportError, OSError) as error:  # OSError: the system lacks OpenMP
        fix = 'pip install "ecg-edge[training]"; on Debian also apt install libgomp1'
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
    )
