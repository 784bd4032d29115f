"""The networks, small enough for int8 on a Pi. tensorflow is imported here only when one is built.

Both take a window of two leads and the levels of the features and return five probabilities. What int8 needs of
them: legacy Keras, so that the LSTM converts into one fused operator; and a dense layer directly after the LSTM, since
its int8 output takes a wrong scale where it goes straight into a concatenation.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Literal

import numpy as np

from edge.errors import EcgEdgeError, how_to_install
from edge.features.conducted import RHYTHM
from edge.features.history import NAMES
from edge.features.window import LEADS, WINDOW
from training.datasets import CLASSES
from training.features import BINS

Kind = Literal["cnn", "lstm"]

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
        raise EcgEdgeError(f"training needs {error.name}", how_to_install("training")) from None
    if tf.config.threading.get_intra_op_parallelism_threads() == 0:
        tf.config.threading.set_intra_op_parallelism_threads(2)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf_keras


def build(kind: Kind, n_levels: int = len(NAMES) * BINS) -> Any:
    """Build an untrained network.

    Parameters
    ----------
    kind : {"cnn", "lstm"}
        Its family.
    n_levels : int
        Of `training.features.Levels`.

    Returns
    -------
    tf_keras.Model
        From ``[beat (batch, WINDOW, LEADS), context (batch, n_levels)]`` to probabilities of `CLASSES`.
    """
    k = keras()
    beat = k.Input((WINDOW, LEADS), name="beat")
    context = k.Input((n_levels,), name="context")
    shape = _cnn(k, beat) if kind == "cnn" else _lstm(k, beat)
    shape = k.layers.Dense(24, activation="relu")(k.layers.Dropout(0.3)(shape))
    numbers = k.layers.Dense(20, activation="relu")(k.layers.Dropout(0.2)(context))
    both = k.layers.Dropout(0.3)(k.layers.Concatenate()([shape, numbers]))
    both = k.layers.Dense(24, activation="relu")(both)
    said = k.layers.Concatenate()([_rhythm(k, context), _logits(k, both, len(CLASSES) - 2)])
    return k.Model([beat, context], k.layers.Softmax()(said), name=kind)


def _rhythm(k: Any, context: Any) -> Any:
    """Tell S from N by timing and P wave alone.

    What QRS complexes look like says nothing of it; a network that sees them knows its patients by them, and calls S
    what those had.
    """
    import tensorflow as tf  # noqa: PLC0415

    levels = (RHYTHM[:, None] * BINS + np.arange(BINS)).ravel()
    seen = k.layers.Lambda(lambda rows: tf.gather(rows, levels, axis=1))(context)
    h = k.layers.Dense(32, activation="relu")(k.layers.Dropout(0.1)(seen))
    h = k.layers.Dense(16, activation="relu")(h)
    return _logits(k, h, 2)


def _logits(k: Any, h: Any, n: int) -> Any:
    """Return logits between 0 and 6, which is as much as an int8 softmax can tell.

    A free range is several times as wide, and so are its int8 steps. Logits begin in the middle, where they can move.
    """
    import tensorflow as tf  # noqa: PLC0415

    return k.layers.Dense(n, activation=tf.nn.relu6, bias_initializer=k.initializers.Constant(3.0))(h)


def _cnn(k: Any, beat: Any) -> Any:
    """Four strided convolutions; the dense layer that follows knows where in the beat it looks."""
    h = beat
    for filters, width in ((16, 7), (20, 5), (20, 3), (16, 3)):
        h = k.layers.Conv1D(filters, width, strides=2, padding="same", use_bias=False)(h)
        h = k.layers.BatchNormalization(momentum=0.9)(h)
        h = k.layers.ReLU()(h)
    return k.layers.Flatten()(h)


def _lstm(k: Any, beat: Any) -> Any:
    """Read the beat from left to right in short pieces."""
    return k.layers.LSTM(32)(k.layers.Reshape((_STEPS, WINDOW * LEADS // _STEPS))(beat))
