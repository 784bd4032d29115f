"""The beat classifiers: an int8 model and its card, checked against each other and against this program's beats."""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.features import history
from edge.features import window as beat_window
from edge.features.fingerprint import FINGERPRINT
from edge.inference.card import ModelCard, PageCard, is_of_pages, read_card
from edge.inference.runtime import Port, build, signature
from edge.messages import Label

TINY = 1e-4
"""Added to probabilities before the logarithm: less than half a step of an int8 softmax."""
MIN_ODDS = 1e-4
"""Least odds of any other class; beyond it an int8 softmax tells nothing."""
_PACKAGED = Path(__file__).parent.parent / "models"
_CHECKOUT = Path(__file__).parent.parent.parent / "models"


def models_dir() -> Path:
    """Folder of the shipped models: inside the package if installed, else beside it in a checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def model_names() -> tuple[str, ...]:
    """Names of the beat models that are shipped."""
    files = models_dir().glob("*.tflite")
    return tuple(sorted(path.stem for path in files if not is_of_pages(path.with_suffix(".json"))))


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
        check_file(card, content)
        _check_beats(card)
        self._interpreter: Any = build(card.name, content)
        inputs, outputs = signature(card.name, self._interpreter)
        self._beat = Port(card.name, card.beat, inputs)
        self._context = Port(card.name, card.context, inputs)
        self._output = Port(card.name, card.output, outputs)
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
        """Return the label by what `predict` gave, and the calibrated probability that it is correct, 0 to 1."""
        card = self.card
        weighed = np.log(probabilities + np.float32(TINY)) + self._offsets
        best = int(weighed.argmax())
        others = np.exp(weighed - weighed[best]).sum() - 1
        logit = -math.log(max(float(others), MIN_ODDS))
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


def check_file(card: ModelCard | PageCard, content: bytes) -> None:
    """Refuse a file that is not its card's.

    Raises
    ------
    ModelError
        If its hash is another.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != card.sha256:
        raise ModelError(card.name, f"file has sha256 {sha256[:12]}…, its card says {card.sha256[:12]}…", "reinstall")


def _check_beats(card: ModelCard) -> None:
    """Refuse a model made for beats other than those `edge.stages.beats` cuts."""
    fix = "use a model released with this version"
    window, n_features, n_classes = card.window, len(card.features), len(card.classes)
    expected = (beat_window.WINDOW_HZ, beat_window.BEFORE, beat_window.WINDOW, beat_window.LEADS)
    if (window.fs_hz, window.before, window.n, window.leads) != expected:
        raise ModelError(card.name, f"wants a window {window}, beats have (fs_hz, before, n, leads) {expected}", fix)
    names = tuple(feature.name for feature in card.features)
    if names != history.NAMES:
        odd = sorted(set(names) ^ set(history.NAMES)) or "the order"
        raise ModelError(card.name, f"features differ from those of this version in {odd}", fix)
    if card.fingerprint != FINGERPRINT:
        reason = f"learnt from features {card.fingerprint}, this version measures {FINGERPRINT}"
        raise ModelError(card.name, reason, fix)
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
