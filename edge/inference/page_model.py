"""The page classifier: an int8 model and its card, checked against each other and against what is measured here."""

from __future__ import annotations

import functools
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.features import page
from edge.features.page import Measured
from edge.inference.beat_model import TINY, check_file, models_dir
from edge.inference.card import PageCard, read_page_card
from edge.inference.runtime import Port, build, signature
from edge.inference.trees import Forest

TITLES = {
    "normal": "normal",
    "abnormal": "abnormal heartbeat",
    "mi": "myocardial infarction",
    "past_mi": "history of myocardial infarction",
}
"""What a page can be said to look like, and how that is said."""

TOLERANCE = 1e-3
"""How far what this program measures of the artificial page may lie from what the model's program measured."""


class PageModel:
    """A page classifier with its card.

    Not safe for use from several threads at once: an interpreter holds one page at a time.

    Parameters
    ----------
    card : PageCard
        The model's card.
    content : bytes
        The `.tflite` file.

    Raises
    ------
    ModelError
        If no interpreter is installed or works, or model, card and what this program measures do not fit each other.
    """

    def __init__(self, card: PageCard, content: bytes) -> None:
        self.card = card
        check_file(card, content)
        _check(card)
        self._interpreter: Any = build(card.name, content)
        inputs, outputs = signature(card.name, self._interpreter)
        self._beats = Port(card.name, card.beats, inputs)
        self._context = Port(card.name, card.context, inputs)
        self._output = Port(card.name, card.output, outputs)
        knots = np.array([feature.knots for feature in card.features], np.float32)
        self._from, self._per_unit = knots[:, :-1], 1 / np.diff(knots, axis=1)
        self._trees = [Forest(card.name, of_class, len(page.NAMES)) for of_class in card.trees]
        self._offsets = np.array(card.offsets, np.float32)

    @classmethod
    def load(cls, path: Path | None = None) -> PageModel:
        """Load the shipped model, or any by the path of its `.tflite`; the card is the `.json` beside it.

        Raises
        ------
        ModelError
            If it is not there or cannot be used.
        """
        path = path or models_dir() / "page.tflite"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(
                path.stem, f"{path} cannot be read ({error.strerror})", "install the program again"
            ) from None
        return cls(read_page_card(path.with_suffix(".json")), content)

    def predict(self, measured: Measured) -> NDArray[np.float32]:
        """Return the probability of each of the card's classes, weighed by its offsets.

        Parameters
        ----------
        measured : Measured
            Of `edge.features.page.measure`.
        """
        levels = np.clip((measured.numbers[:, None] - self._from) * self._per_unit, 0, 1)
        self._interpreter.set_tensor(self._beats.index, self._beats.quantize(measured.beats))
        self._interpreter.set_tensor(self._context.index, self._context.quantize(levels.astype(np.float32)))
        self._interpreter.invoke()
        said = self._output.dequantize(self._interpreter.get_tensor(self._output.index))
        numbers = measured.numbers.tolist()
        scores = np.array([forest.total(numbers) for forest in self._trees], np.float32)
        return blended(said, scores, self._offsets)


def blended(
    probabilities: NDArray[np.float32], scores: NDArray[np.float32], offsets: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the classes' probabilities by the network and the trees together.

    Parameters
    ----------
    probabilities : float32 array, shape (…, k)
        By the network.
    scores : float32 array, shape (…, k)
        Sums of the trees' leaves.
    offsets : float32 array, shape (k,)
        See `edge.inference.card.PageCard`.

    Examples
    --------
    >>> even = np.array([0.5, 0.5], np.float32)
    >>> blended(even, np.array([0, 2], np.float32), np.array([0, 0], np.float32)).round(2).tolist()
    [0.27000001072883606, 0.7300000190734863]
    """
    trees = scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    logits = (np.log(np.maximum(probabilities, 0) + np.float32(TINY)) + trees) / 2 + offsets
    return np.asarray(np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)), np.float32)


@functools.cache
def shipped() -> PageModel:
    """Return the model that is shipped, built once.

    Raises
    ------
    ModelError
        If it cannot be used.
    """
    return PageModel.load()


def example() -> NDArray[np.float32]:
    """Return what is measured of an artificial page; a model made of other measurements is told by it."""
    t = np.arange(5000) / 500
    peaks = 150 + 400 * np.arange(12) + np.array([0, 30, -20, 10, 0, 0, -60, 15, 5, -5, 20, 0])
    leads = {}
    for k, name in enumerate(page.LEADS):
        waves = (
            (-0.16, 0.03, 0.1),
            (-0.03, 0.01, -0.1),
            (0.0, 0.014, 1.0 - 0.15 * k),
            (0.04, 0.02, -0.2),
            (0.28, 0.06, 0.2),
        )
        mv = sum(high * np.exp(-(((t - peak / 500 - at) / wide) ** 2)) for peak in peaks for at, wide, high in waves)
        first = 1250 * (k // 3)
        shown = (np.arange(5000) >= first) & (np.arange(5000) < first + 1250)
        leads[name] = np.where(shown, mv, np.nan).astype(np.float32)
    measured = page.measure(leads, 500.0, peaks.tolist(), "NNNNSNVNNNNN")
    assert measured is not None  # noqa: S101 - there are twelve leads and beats enough
    return np.concatenate([measured.numbers, measured.beats[::6].ravel()])


def _check(card: PageCard) -> None:
    """Refuse a model made of other measurements than those of this program."""
    fix = "use a model released with this version"
    names = tuple(feature.name for feature in card.features)
    if names != page.NAMES:
        odd = sorted(set(names) ^ set(page.NAMES)) or "the order"
        raise ModelError(card.name, f"features differ from those of this version in {odd}", fix)
    measured = example()
    if len(card.example) != len(measured) or not np.allclose(card.example, measured, rtol=TOLERANCE, atol=TOLERANCE):
        raise ModelError(card.name, "was made of other measurements than this program's", fix)
    if sorted(card.classes) != sorted(TITLES) or len(card.offsets) != len(card.classes):
        raise ModelError(card.name, f"has classes {card.classes} and {len(card.offsets)} offsets", fix)
    if len(card.trees) != len(card.classes):
        raise ModelError(card.name, f"has trees of {len(card.trees)} of {len(card.classes)} classes", fix)
    n_knots = len(card.features[0].knots)
    for feature in card.features:
        if len(feature.knots) != n_knots or any(a >= b for a, b in pairwise(feature.knots)):
            raise ModelError(card.name, f"the knots of {feature.name} do not rise, or are not {n_knots}", fix)
    shapes = {
        card.beats: (1, page.WINDOW, len(page.LEADS)),
        card.context: (1, len(names) * (n_knots - 1)),
        card.output: (1, len(card.classes)),
    }
    for tensor, shape in shapes.items():
        if tensor.shape != shape:
            raise ModelError(card.name, f"card gives {tensor.name} the shape {tensor.shape} instead of {shape}", fix)
