"""The networks, small enough for int8 on a Pi. tensorflow is imported here only when one is built.

Both take a window of two leads and a vector of normalized features and return five probabilities. What int8 needs of
them: legacy Keras, so that the LSTM converts into one fused operator; and a dense layer directly after the LSTM, since
its int8 output takes a wrong scale where it goes straight into a concatenation.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.beat_features import LEADS, NAMES, WINDOW
from edge.errors import EcgEdgeError
from training.datasets import CLASSES

Kind = Literal["cnn", "lstm"]

BINS = 6
"""Levels a feature."""

NARROWEST = 0.08
"""Least width of a bin: two and a half steps of the int8 input."""

_STEPS = 16
"""Steps of the LSTM: each sees 8 samples, 67 ms, of both leads. Its cost on the device is nearly all in the steps."""


def keras() -> Any:
    """Import legacy Keras, with tensorflow limited to two threads.

    Raises
    ------
    EcgEdgeError
        If tensorflow is not installed, or was imported before with Keras 3.
    """
    if "tensorflow" not in sys.modules:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf  # noqa: PLC0415
        import tf_keras  # noqa: PLC0415
    except ImportError as error:
        raise EcgEdgeError(f"training needs {error.name}", 'pip install "ecg-edge[training]"') from None
    if tf.config.threading.get_intra_op_parallelism_threads() == 0:
        tf.config.threading.set_intra_op_parallelism_threads(2)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf_keras


def build(kind: Kind, knots: NDArray[np.float32] | None = None) -> Any:
    """Build an untrained network.

    Parameters
    ----------
    kind : {"cnn", "lstm"}
        Its family.
    knots : float32 array, shape (len(NAMES), BINS + 1), optional
        Increasing values of each feature between which the network sees it as a level of its own; not learnt. Without
        them the network is only good for setting weights.

    Returns
    -------
    tf_keras.Model
        From ``[beat (batch, WINDOW, LEADS), context (batch, len(NAMES))]`` to probabilities of `CLASSES`.
    """
    k = keras()
    beat = k.Input((WINDOW, LEADS), name="beat")
    context = k.Input((len(NAMES),), name="context")
    shape = _cnn(k, beat) if kind == "cnn" else _lstm(k, beat)
    levels = k.layers.Dropout(0.2)(_levels(k, context, knots))
    numbers = k.layers.Dense(32, activation="relu")(levels)
    both = k.layers.Dropout(0.3)(k.layers.Concatenate()([shape, numbers]))
    both = k.layers.Dense(32, activation="relu")(both)
    return k.Model([beat, context], k.layers.Dense(len(CLASSES), activation="softmax")(both), name=kind)


def _levels(k: Any, context: Any, knots: NDArray[np.float32] | None) -> Any:
    """Encode each feature piecewise linearly: one unit for each bin, empty below it, full above.

    As trees do, and other than a dense layer on the bare numbers, the network then can treat a range of a feature by
    itself and does not extrapolate into patients whose values lie elsewhere (Gorishniy et al. 2022, arXiv:2203.05556).
    """
    n = len(NAMES)
    kernel, bias = np.zeros((n, n * BINS), np.float32), np.zeros(n * BINS, np.float32)
    if knots is not None:
        slope = 6 / np.maximum(np.diff(knots, axis=1), NARROWEST)
        for feature in range(n):
            kernel[feature, feature * BINS : (feature + 1) * BINS] = slope[feature]
        bias = -(slope * knots[:, :-1]).ravel()
    constant = k.initializers.Constant
    return k.layers.Dense(
        n * BINS,
        activation="relu6",
        trainable=False,
        kernel_initializer=constant(kernel),
        bias_initializer=constant(bias),
        name="levels",
    )(context)


def _cnn(k: Any, beat: Any) -> Any:
    """Four strided convolutions and a dense layer that knows where in the beat it looks."""
    h = beat
    for filters, width in ((16, 7), (24, 5), (32, 3), (32, 3)):
        h = k.layers.Conv1D(filters, width, strides=2, padding="same", use_bias=False)(h)
        h = k.layers.BatchNormalization(momentum=0.9)(h)
        h = k.layers.ReLU()(h)
    h = k.layers.Dropout(0.3)(k.layers.Flatten()(h))
    return k.layers.Dense(32, activation="relu")(h)


def _lstm(k: Any, beat: Any) -> Any:
    """Read the beat from left to right in short pieces."""
    h = k.layers.Reshape((_STEPS, WINDOW * LEADS // _STEPS))(beat)
    h = k.layers.LSTM(32)(h)
    h = k.layers.Dropout(0.3)(h)
    return k.layers.Dense(32, activation="relu")(h)
