"""The TFLite interpreter; the only module that knows one.

`ai_edge_litert` is preferred where both it and `tflite_runtime` are installed: its int8 convolutions are several times
as fast. Their calls are the same.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError, how_to_install
from edge.inference.card import Tensor

_RUNTIMES = (
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),
)


def runtime_name() -> str:
    """Name and version of the interpreter that runs the models, such as ``ai-edge-litert 2.1.6``.

    Raises
    ------
    ModelError
        If none is installed.
    """
    _, package = _interpreter()
    return f"{package} {importlib.metadata.version(package)}"


def tensors(content: bytes) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return inputs and outputs of a `.tflite` file, as a card describes them.

    Raises
    ------
    ModelError
        If it cannot be run.
    """
    inputs, outputs = (
        tuple(Tensor(name=name, shape=_shape(tensor), dtype=_dtype(tensor)) for name, tensor in details.items())
        for details in signature("file", build("file", content))
    )
    return inputs, outputs


class Port:
    """An input or output of an interpreter, with its quantization.

    Parameters
    ----------
    model : str
        Name of the model, for errors.
    expected : Tensor
        What its card says of it.
    tensors : dict
        What the interpreter says of its inputs or outputs, by name.

    Raises
    ------
    ModelError
        If card and file do not agree, or it is not quantized.
    """

    def __init__(self, model: str, expected: Tensor, tensors: dict[str, dict[str, Any]]) -> None:
        if expected.name not in tensors:
            raise ModelError(model, f"card names a tensor {expected.name!r}, the file has {sorted(tensors)}")
        tensor = tensors[expected.name]
        shape, dtype = _shape(tensor), _dtype(tensor)
        if shape != expected.shape:
            raise ModelError(model, f"{expected.name} has shape {shape}, its card says {expected.shape}")
        if dtype != expected.dtype:
            raise ModelError(model, f"{expected.name} is {dtype}, its card says {expected.dtype}")
        scale, self._zero = tensor["quantization"]
        if scale <= 0:
            raise ModelError(model, f"{expected.name} has no quantization")
        self.index: int = tensor["index"]
        self._scale = np.float32(scale)
        self._shape = shape

    def quantize(self, values: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return values as the interpreter takes them, in its shape."""
        steps: NDArray[np.float32] = np.rint(values / self._scale) + np.float32(self._zero)
        return np.minimum(np.maximum(steps, -128), 127).astype(np.int8).reshape(self._shape)

    def dequantize(self, values: NDArray[np.int8]) -> NDArray[np.float32]:
        """Return what the interpreter gave for the one example in it."""
        probabilities: NDArray[np.float32] = (values[0].astype(np.float32) - np.float32(self._zero)) * self._scale
        return probabilities


def _interpreter() -> tuple[Any, str]:
    """Return the interpreter class and the name of the package it is from."""
    for module, package in _RUNTIMES:
        try:
            return importlib.import_module(module).Interpreter, package
        except ImportError:
            continue
    names = " or ".join(package for _, package in _RUNTIMES)
    raise ModelError("runtime", f"neither interpreter can be imported ({names})", how_to_install())


def numpy_clash() -> tuple[str, str] | None:
    """Return what is wrong if the interpreter cannot run with this numpy, and the command that mends it.

    tflite-runtime is built against numpy 1, and another package may have brought numpy 2.

    Raises
    ------
    ModelError
        If no interpreter is installed.
    """
    _, package = _interpreter()
    if package != "tflite-runtime" or int(np.__version__.split(".")[0]) < 2:
        return None
    command = f"`{sys.executable} -m pip install 'numpy>=1.26.4,<2'`"
    return f"{package} cannot run with numpy {np.__version__}, which another package has brought", command


def build(name: str, content: bytes) -> Any:
    """Return an interpreter that holds a model, ready to be invoked.

    Raises
    ------
    ModelError
        If no interpreter is installed, or it cannot run this model.
    """
    interpreter, package = _interpreter()
    try:
        with _without_greeting():
            built = interpreter(model_content=content, num_threads=1)
            built.allocate_tensors()
    except (ValueError, RuntimeError, AttributeError, SystemError) as error:
        # tflite-runtime with numpy 2 imports well and breaks only here.
        reason, fix = numpy_clash() or (f"{package} cannot run it ({error})", how_to_install())
        raise ModelError(name, reason, fix) from None
    return built


def signature(name: str, built: Any) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return the tensors of inputs and outputs by their names in the model's signature.

    The tensors' own names will not do: of the same file some versions of the runtime tell others.
    """
    try:
        runner = built.get_signature_runner()
    except ValueError as error:
        raise ModelError(name, f"has no signature that names its inputs ({error})", "convert it with one") from None
    return runner.get_input_details(), runner.get_output_details()


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep the runtime's greeting off stderr; it has no setting for it, and what goes wrong is raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def _shape(tensor: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(n) for n in tensor["shape"])


def _dtype(tensor: dict[str, Any]) -> str:
    return str(np.dtype(tensor["dtype"]).name)
