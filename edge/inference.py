"""Runs the int8 models; the only module that knows a TFLite interpreter.

`ai_edge_litert` is preferred where both it and `tflite_runtime` are installed: its int8 convolutions are several times
as fast. Their calls are the same.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import beat_features
from edge.errors import ModelError
from edge.messages import Label
from edge.model_card import ModelCard, Tensor, read_card

_RUNTIMES = (
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),
)
TINY = 1e-4
"""Added to probabilities before the logarithm: less than half a step of an int8 softmax."""
SUREST = 1e-4
"""Least odds of any other class; beyond it an int8 softmax tells nothing."""
_PACKAGED = Path(__file__).parent / "models"
_CHECKOUT = Path(__file__).parent.parent / "models"


def models_dir() -> Path:
    """Folder of the shipped models: inside the package if installed, else beside it in a checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def model_names() -> tuple[str, ...]:
    """Names of the models that are shipped."""
    return tuple(sorted(path.stem for path in models_dir().glob("*.tflite")))


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
        for details in _signature("file", _build("file", content))
    )
    return inputs, outputs


class BeatModel:
    """A beat classifier with its card.

    Not safe for use from several threads at once: an interpreter holds one beat at a time.

    Parameters
    ----------
    card : ModelCard
        The model's card.
    content : bytes
        The `.tflite` file.

    Raises
    ------
    ModelError
        If no interpreter is installed or works, or model, card and this program's beats do not fit each other.
    """

    def __init__(self, card: ModelCard, content: bytes) -> None:
        self.card = card
        _check_file(card, content)
        _check_beats(card)
        self._interpreter: Any = _build(card.name, content)
        inputs, outputs = _signature(card.name, self._interpreter)
        self._beat = _Port(card.name, card.beat, inputs)
        self._context = _Port(card.name, card.context, inputs)
        self._output = _Port(card.name, card.output, outputs)
        knots = np.array([feature.knots for feature in card.features], np.float32)
        self._from, self._per_unit = knots[:, :-1], 1 / np.diff(knots, axis=1)
        self._offsets = np.array(card.offsets, np.float32)

    @classmethod
    def load(cls, name_or_path: str | Path = "cnn") -> BeatModel:
        """Load a shipped model by its name, or any by the path of its `.tflite`; the card is the `.json` beside it.

        Raises
        ------
        ModelError
            If it is not there or cannot be used.
        """
        path = Path(name_or_path)
        if path.suffix != ".tflite":
            path = models_dir() / f"{name_or_path}.tflite"
        try:
            content = path.read_bytes()
        except OSError:
            names = ", ".join(model_names()) or "none"
            raise ModelError(str(name_or_path), f"{path} cannot be read", f"shipped models: {names}") from None
        return cls(read_card(path.with_suffix(".json")), content)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    @property
    def sha256(self) -> str:
        """Hash of the `.tflite` file."""
        return self.card.sha256

    @property
    def classes(self) -> tuple[Label, ...]:
        """Order of the probabilities that `predict` returns."""
        return self.card.classes

    def predict(self, window: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Classify one beat.

        Parameters
        ----------
        window : float32 array, shape (card.window.n, card.window.leads)
            See `edge.messages.Beat`.
        features : float32 array, shape (len(card.features),)
            As they are; the card tells how they become levels.

        Returns
        -------
        float32 array, shape (len(classes),)
            Probabilities.

        Raises
        ------
        ModelError
            If the model was closed.
        """
        interpreter = self._interpreter
        if interpreter is None:
            raise ModelError(self.name, "is closed", "load it again")
        # The fused LSTM keeps its state from one call to the next; every beat is to start from zero.
        interpreter.reset_all_variables()
        interpreter.set_tensor(self._beat.index, self._beat.quantize(window))
        levels = (features[:, None] - self._from) * self._per_unit
        interpreter.set_tensor(self._context.index, self._context.quantize(levels))
        interpreter.invoke()
        return self._output.dequantize(interpreter.get_tensor(self._output.index))

    def decide(self, probabilities: NDArray[np.float32]) -> tuple[Label, float]:
        """Return the label by what `predict` said, and how often such a label is right, 0 to 1."""
        card = self.card
        weighed = np.log(probabilities + np.float32(TINY)) + self._offsets
        best = int(weighed.argmax())
        others = np.exp(weighed - weighed[best]).sum() - 1
        logit = -math.log(max(float(others), SUREST))
        trust = card.confidence[best]
        return card.classes[best], 1 / (1 + math.exp(-(trust.slope * logit + trust.intercept)))

    def close(self) -> None:
        """Let go of the interpreter; may be called twice."""
        self._interpreter = None

    def __enter__(self) -> BeatModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Port:
    """An input or output of the interpreter, checked against the card, with its quantization."""

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
        steps: NDArray[np.float32] = np.rint(values / self._scale) + np.float32(self._zero)
        return np.minimum(np.maximum(steps, -128), 127).astype(np.int8).reshape(self._shape)

    def dequantize(self, values: NDArray[np.int8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = (values[0].astype(np.float32) - np.float32(self._zero)) * self._scale
        return probabilities


def _shape(tensor: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(n) for n in tensor["shape"])


def _dtype(tensor: dict[str, Any]) -> str:
    return str(np.dtype(tensor["dtype"]).name)


def _check_file(card: ModelCard, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != card.sha256:
        raise ModelError(card.name, f"file has sha256 {sha256[:12]}…, its card says {card.sha256[:12]}…", "reinstall")


def _check_beats(card: ModelCard) -> None:
    """Refuse a model made for beats other than those `edge.stages.beats` cuts."""
    fix = "use a model released with this version"
    window, n_features, n_classes = card.window, len(card.features), len(card.classes)
    expected = (beat_features.WINDOW_HZ, beat_features.BEFORE, beat_features.WINDOW, beat_features.LEADS)
    if (window.fs_hz, window.before, window.n, window.leads) != expected:
        raise ModelError(card.name, f"wants a window {window}, beats have (fs_hz, before, n, leads) {expected}", fix)
    names = tuple(feature.name for feature in card.features)
    if names != beat_features.NAMES:
        odd = sorted(set(names) ^ set(beat_features.NAMES)) or "the order"
        raise ModelError(card.name, f"features differ from those of this version in {odd}", fix)
    if sorted(card.classes) != sorted(("N", "S", "V", "F", "Q")):
        raise ModelError(card.name, f"has classes {card.classes}, not N, S, V, F, Q", fix)
    if len(card.offsets) != n_classes:
        raise ModelError(card.name, f"has {len(card.offsets)} offsets for {n_classes} classes", fix)
    if len(card.confidence) != n_classes:
        raise ModelError(card.name, f"tells the confidence of {len(card.confidence)} of {n_classes} classes", fix)
    n_knots = len(card.features[0].knots)
    for feature in card.features:
        if len(feature.knots) != n_knots or any(a >= b for a, b in pairwise(feature.knots)):
            raise ModelError(card.name, f"the knots of {feature.name} do not rise, or are not {n_knots}", fix)
    shapes = {
        card.beat: (1, window.n, window.leads),
        card.context: (1, n_features * (n_knots - 1)),
        card.output: (1, n_classes),
    }
    for tensor, shape in shapes.items():
        if tensor.shape != shape:
            raise ModelError(card.name, f"card gives {tensor.name} the shape {tensor.shape} instead of {shape}", fix)


def _interpreter() -> tuple[Any, str]:
    """Return the interpreter class and the name of the package it is from."""
    for module, package in _RUNTIMES:
        try:
            return importlib.import_module(module).Interpreter, package
        except ImportError:
            continue
    names = " or ".join(package for _, package in _RUNTIMES)
    raise ModelError("runtime", f"neither interpreter can be imported ({names})", "pip install ecg-edge")


def _build(name: str, content: bytes) -> Any:
    interpreter, package = _interpreter()
    try:
        with _without_greeting():
            built = interpreter(model_content=content, num_threads=1)
            built.allocate_tensors()
    except (ValueError, RuntimeError, AttributeError, SystemError) as error:
        # tflite-runtime with numpy 2 imports well and breaks only here, with an AttributeError.
        raise ModelError(
            name, f"{package} cannot run it ({error})", "reinstall ecg-edge and its dependencies"
        ) from None
    return built


def _signature(name: str, built: Any) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
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
