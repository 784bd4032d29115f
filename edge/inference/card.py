"""The card beside every model: what it is, what it takes, where it comes from and how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from edge.errors import ModelError
from edge.messages import Label

SCHEMA = 3
"""Version of the card's form; raised with every change that an older loader would misread."""


class Tensor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input or output of the model.

    Attributes
    ----------
    name : str
        As the signature of the `.tflite` file has it.
    shape : tuple of int
        Including the batch of one.
    dtype : str
        numpy name; of shipped models always ``int8``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The piece of signal around R.

    Attributes
    ----------
    fs_hz : int
        Its rate.
    before, n : int
        Samples before R, and in all.
    leads : int
        Columns: a limb lead near II, then a chest lead.
    """

    fs_hz: int
    before: int
    n: int
    leads: int


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number beside the window, seen by the model as levels.

    Attributes
    ----------
    name : str
        One of `edge.features.history.NAMES`.
    knots : tuple of float
        Increasing values; between each and the next lies a level, that is 0 below, 1 above, and rises in between.
    """

    name: str
    knots: tuple[float, ...]


class Confidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calibration of a class: ``slope * logit + intercept`` is the logit of the label's being correct."""

    slope: float
    intercept: float


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a model comes from.

    Attributes
    ----------
    databases : dict
        Records it learnt from, by database.
    split : str
        How patients were kept apart.
    seed : int
        Seed of the training.
    revision : str
        Git revision of the code.
    date : str
        ISO day.
    because : str
        Why it was released although an earlier one scored better; empty otherwise.
    """

    databases: dict[str, tuple[str, ...]]
    split: str
    seed: int
    revision: str
    date: str
    because: str = ""


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `edge.inference.beat_model` must know of a model, and what a reader should.

    Attributes
    ----------
    schema : int
        `SCHEMA`.
    name : str
        Name of the model.
    kind : str
        Its family.
    sha256 : str
        Of the `.tflite` file.
    beat, context, output : Tensor
        The two inputs, window and features, and the output.
    window : Window
        The piece of signal around R.
    fingerprint : str
        `edge.features.fingerprint.FINGERPRINT` of the features it learnt from.
    features : tuple of Feature
        The numbers beside the window, in order.
    classes : tuple of Label
        Order of the output.
    offsets : tuple of float
        Added to the log of each class's probability before the largest is taken; chosen on training data only.
    confidence : tuple of Confidence
        For each class, from its weighed probability to the probability that the label is correct; from training
        patients only, each predicted by a model that has not learnt from him.
    origin : Origin
        Where it comes from.
    metrics : dict
        Scores in percent, by set and by number format: ``{"validation": {"float": …}, "ds2": {"int8": …}}``.
        ``cross_fitted`` are those of models made in the same way, each on patients it has not learnt from.
    """

    schema: int
    name: str
    kind: Literal["cnn", "lstm"]
    sha256: str
    beat: Tensor
    context: Tensor
    output: Tensor
    window: Window
    fingerprint: str
    features: tuple[Feature, ...]
    classes: tuple[Label, ...]
    offsets: tuple[float, ...]
    confidence: tuple[Confidence, ...]
    origin: Origin
    metrics: dict[str, dict[str, dict[str, float]]]


def read_card(path: Path) -> ModelCard:
    """Read a card.

    Raises
    ------
    ModelError
        If the file is missing, is no card, or is of another schema.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ModelError(
            path.stem, f"card {path} cannot be read ({error.strerror})", "release the model again"
        ) from None
    try:
        schema = msgspec.json.decode(raw, type=_Version).schema
        if schema != SCHEMA:
            raise ModelError(path.stem, f"card has schema version {schema}, this program reads {SCHEMA}", "update one")
        return msgspec.json.decode(raw, type=ModelCard)
    except msgspec.DecodeError as error:  # ValidationError is a DecodeError
        raise ModelError(path.stem, f"{path.name} is not a model card ({error})", "release the model again") from None


def write_card(card: ModelCard, path: Path) -> None:
    """Write a card, readable and with a stable order of keys."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def is_card(head: bytes) -> bool:
    """Return whether a file begins as those of `write_card` do."""
    return head.startswith(b'{\n  "schema":')


class _Version(msgspec.Struct):
    schema: int
