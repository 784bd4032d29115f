"""The card beside every model: what it is, what it takes, where it comes from and how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

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


class Tree(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, array_like=True):
    """One tree, node by node; the first is the root.

    Attributes
    ----------
    feature : tuple of int
        What a node asks about.
    at : tuple of float
        Up to which value one goes to `low`, beyond it to `high`.
    low, high : tuple of int
        The next node; a leaf where negative, ``~number``.
    leaf : tuple of float
        What the leaves add to the log odds.
    """

    feature: tuple[int, ...]
    at: tuple[float, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    leaf: tuple[float, ...]


class PageCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `edge.inference.page_model` must know of a model of whole pages, and what a reader should.

    Attributes
    ----------
    schema : int
        `SCHEMA`.
    name : str
        Name of the model.
    kind : str
        ``page``.
    sha256 : str
        Of the `.tflite` file.
    beats, context, output : Tensor
        The two inputs, median beats and numbers, and the output.
    features : tuple of Feature
        The numbers, in order, of `edge.features.page.NAMES`.
    example : tuple of float
        What the model's program measured of an artificial page.
    classes : tuple of str
        Order of the output, of `edge.inference.page_model.TITLES`.
    trees : tuple of tuples of Tree
        Of each class: their leaves' sum over the numbers is its score. Network and trees have a voice each.
    offsets : tuple of float
        Added to the score of each class before the largest is taken: what makes rare classes count as much as others.
    learnt_from : str
        What a reader of its opinion must be told, in one sentence.
    origin : Origin
        Where it comes from.
    metrics : dict
        Figures in percent by protocol, such as ``{"cross_validation": {"balanced": …, "balanced_low": …}}``.
    """

    schema: int
    name: str
    kind: Literal["page"]
    sha256: str
    beats: Tensor
    context: Tensor
    output: Tensor
    features: tuple[Feature, ...]
    example: tuple[float, ...]
    classes: tuple[str, ...]
    trees: tuple[tuple[Tree, ...], ...]
    offsets: tuple[float, ...]
    learnt_from: str
    origin: Origin
    metrics: dict[str, dict[str, float]]


Card = TypeVar("Card", ModelCard, PageCard)


def read_card(path: Path) -> ModelCard:
    """Read the card of a beat model.

    Raises
    ------
    ModelError
        If the file is missing, is no such card, or is of another schema.
    """
    return _read(path, ModelCard)


def read_page_card(path: Path) -> PageCard:
    """Read the card of a page model.

    Raises
    ------
    ModelError
        If the file is missing, is no such card, or is of another schema.
    """
    return _read(path, PageCard)


def _read(path: Path, form: type[Card]) -> Card:
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
        return msgspec.json.decode(raw, type=form)
    except msgspec.DecodeError as error:  # ValidationError is a DecodeError
        raise ModelError(path.stem, f"{path.name} is not a model card ({error})", "release the model again") from None


def is_of_pages(path: Path) -> bool:
    """Return whether a card says that its model is of pages."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Version).kind == "page"
    except (OSError, msgspec.DecodeError):
        return False


def write_card(card: ModelCard | PageCard, path: Path) -> None:
    """Write a card, readable and with a stable order of keys; each tree on a line."""
    trees = card.trees if isinstance(card, PageCard) else ()
    bare = msgspec.structs.replace(card, trees=()) if isinstance(card, PageCard) else card
    text = msgspec.json.format(msgspec.json.encode(bare), indent=2)
    of_classes = [b"[\n" + b",\n".join(map(msgspec.json.encode, of_class)) + b"]" for of_class in trees]
    path.write_bytes(text.replace(b'"trees": []', b'"trees": [' + b", ".join(of_classes) + b"]") + b"\n")


def is_card(head: bytes) -> bool:
    """Return whether a file begins as those of `write_card` do."""
    return head.startswith(b'{\n  "schema":')


class _Version(msgspec.Struct):
    schema: int
    kind: str = ""
