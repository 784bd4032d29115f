"""From a trained network to a full-integer TFLite model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EcgEdgeError
from training import features, networks
from training.features import Table
from training.train import Trained

CALIBRATION = 600
"""Beats the ranges of the activations are taken from."""


def quantize(trained: Trained, data: Table, seed: int = 1) -> bytes:
    """Convert to int8: weights, activations, input and output.

    Parameters
    ----------
    trained : Trained
        The float network.
    data : Table
        Beats to calibrate with, of the training set.
    seed : int
        Draws them.

    Returns
    -------
    bytes
        A `.tflite` file with built-in operators only.

    Raises
    ------
    EcgEdgeError
        If the converter could not do it in integers alone.
    """
    return to_int8(trained.model, ("beat", "context"), lambda: _calibration(trained, data, seed), trained.kind)


def to_int8(
    model: Any, names: Sequence[str], samples: Callable[[], Iterator[dict[str, NDArray[np.float32]]]], kind: str
) -> bytes:
    """Convert a network of two inputs to int8: weights, activations, inputs and output.

    Parameters
    ----------
    model : tf_keras.Model
        The float network.
    names : sequence of str
        Of its inputs, in order.
    samples : callable
        Yields what the ranges of the activations are taken from, by the inputs' names.
    kind : str
        What it is called if that fails.

    Returns
    -------
    bytes
        A `.tflite` file with built-in operators only.

    Raises
    ------
    EcgEdgeError
        If the converter could not do it in integers alone.
    """
    networks.keras()
    import tensorflow as tf  # noqa: PLC0415 - takes seconds, and only training has it

    shapes = {tensor.name: (1, *tensor.shape[1:]) for tensor in model.inputs}

    # A concrete function with a batch of one: the LSTM is fused only so, and a dynamic batch does not convert.
    def classify(beat: Any, context: Any) -> Any:
        return model([beat, context], training=False)

    signature = [tf.TensorSpec(shapes[name], tf.float32, name=name) for name in names]
    function = tf.function(classify, input_signature=signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter's own exceptions differ between versions
        raise EcgEdgeError(f"{kind} cannot be made int8 ({error})", "use only operators with int8 kernels") from None


def is_model(head: bytes) -> bool:
    """Return whether a file begins as a `.tflite` does."""
    return head[4:8] == b"TFL3"


def _calibration(trained: Trained, data: Table, seed: int) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield beats drawn as in training; by name, since TFLite's order of inputs is not Keras's."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(data), CALIBRATION, p=features.draw_weights(data))
    windows = features.vary(data.windows[rows], rng)
    context = trained.levels.apply(data.features[rows])
    # The full range, so that the inputs' steps are the same whatever was drawn.
    context[0], context[1] = 0, 1
    windows[0, 0], windows[1, 0] = features.WINDOW_LIMIT, -features.WINDOW_LIMIT
    for i in range(CALIBRATION):
        yield {"beat": windows[i : i + 1], "context": context[i : i + 1]}
