"""Learns to tell whole pages, says by honest protocols how well, and shows where better figures come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.features import page
from edge.inference.card import SCHEMA, Feature, Origin, PageCard, Tree, is_card, read_page_card, write_card
from edge.inference.page_model import TITLES, PageModel, blended, example
from edge.inference.runtime import tensors
from edge.sinks.outputs import put, refuse
from training import trees
from training.cards import revision
from training.pages import network
from training.pages.examples import CLASSES, COPIES, DATABASES, Examples
from training.quantize import is_model

FOLDS, REPEATS = 5, 1
_DRAWS = 2000
_SPLITS = 1
SPLIT = (
    "stratified cross-validation over groups of pages: copies, known pairs of one patient and pages whose beats are "
    "alike are on one side; in the end all pages are learnt from"
)

Progress = Callable[[str], object]
Learn = Callable[[Examples, Examples, int], NDArray[np.float32]]
"""From pages to learn from, pages to tell and a seed to probabilities of these."""


@dataclass(frozen=True)
class Told:
    """What was said of pages that were not learnt from, once in each repeat.

    Attributes
    ----------
    labels : int64 array, shape (n,)
        What they are.
    said : int64 array, shape (repeats, n)
        What was said.
    groups : int64 array, shape (n,)
        Whose they are.
    """

    labels: NDArray[np.int64]
    said: NDArray[np.int64]
    groups: NDArray[np.int64]

    def figures(self) -> dict[str, float]:
        """Return balanced accuracy, accuracy, and of each class sensitivity and +P, percent, with 95 % intervals.

        Figures are means over the repeats; intervals are of bootstrap over the groups, which are drawn whole.
        """
        counts = np.zeros((self.groups.max() + 1, len(CLASSES), len(CLASSES)))
        for said in self.said:
            np.add.at(counts, (self.groups, self.labels, said), 1 / len(self.said))
        n = len(counts)
        drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), _DRAWS)
        many = np.tensordot(drawn, counts, axes=1)
        out: dict[str, float] = {}
        of_all = _figures(counts.sum(axis=0)[None])[0]
        for name, value, spread in zip(_figure_names(), of_all, _figures(many).T, strict=True):
            known = spread[np.isfinite(spread)]
            if np.isfinite(value) and len(known):  # of a class that is never said there is no +P
                low, high = np.percentile(known, [2.5, 97.5])
                out |= {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
        return {name: round(value, 1) for name, value in out.items()}


def _figure_names() -> list[str]:
    return ["balanced", "accuracy", *(f"{what}_{name}" for what in ("se", "ppv") for name in CLASSES)]


def _figures(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the figures of tables of counts, what they are by what was said; shape (tables, figures)."""
    hits = np.diagonal(tables, axis1=1, axis2=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        se, ppv = hits / tables.sum(axis=2), hits / tables.sum(axis=1)
    accuracy = hits.sum(axis=1) / tables.sum(axis=(1, 2))
    return np.asarray(100 * np.column_stack([np.nanmean(se, axis=1), accuracy, se, ppv]), np.float64)


def folds_of(pages: Examples, repeat: int, n: int = FOLDS) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the rows to learn from and those to tell, `n` times; groups whole, classes alike in all folds."""
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - only training has it

    splitter = StratifiedGroupKFold(n, shuffle=True, random_state=repeat)
    yield from splitter.split(pages.numbers, pages.labels, pages.groups)


def cross_validate(pages: Examples, learn: Learn, repeats: int = REPEATS, progress: Progress = print) -> Told:
    """Tell every page by what has not learnt from its group, in each repeat of the folds."""
    said = np.zeros((repeats, len(pages)), np.int64)
    for repeat in range(repeats):
        for number, (others, own) in enumerate(folds_of(pages, repeat)):
            learnt = pages.take(others)
            probabilities = learn(learnt, pages.take(own), 1 + repeat * FOLDS + number)
            said[repeat, own] = probabilities.argmax(axis=1)
        once = Told(pages.labels, said[repeat : repeat + 1], pages.groups).figures()
        progress(f"repeat {repeat + 1}: balanced accuracy {once['balanced']:.1f} %")
    return Told(pages.labels, said, pages.groups)


def by_network(epochs: int) -> Learn:
    """Return the way of the network alone; it has drawn rare classes half as often as would make them count alike."""

    def learn(pages: Examples, others: Examples, seed: int) -> NDArray[np.float32]:
        return np.asarray(network.fit(pages, seed, epochs).predict(others) / np.sqrt(share_of(pages)), np.float32)

    return learn


def by_both(epochs: int) -> Learn:
    """Return the way of what ships: network and trees, a voice each."""

    def learn(pages: Examples, others: Examples, seed: int) -> NDArray[np.float32]:
        said = network.fit(pages, seed, epochs).predict(others)
        return blended(said, scores_of(grown(pages, seed), others), offsets_of(pages))

    return learn


def grown(pages: Examples, seed: int) -> tuple[tuple[Tree, ...], ...]:
    """Return the trees of each class, over the numbers alone."""
    return trees.grow_classes(
        pages.numbers, pages.labels, len(CLASSES),
        rounds=150, learning_rate=0.05, min_child_samples=8, feature_fraction=0.15, bagging_fraction=0.7,
        reg_lambda=5, boost_from_average=True, seed=seed, num_threads=1,
    )  # fmt: skip


def scores_of(by_class: Sequence[Sequence[Tree]], pages: Examples) -> NDArray[np.float32]:
    """Return the scores of the classes by their trees, shape (n, classes)."""
    return np.asarray(np.stack([trees.log_odds(of_class, pages.numbers) for of_class in by_class], axis=1), np.float32)


def by_trees(pages: Examples, others: Examples, seed: int) -> NDArray[np.float32]:
    """Tell by the trees alone: rare classes count as much as others."""
    return np.asarray(scores_of(grown(pages, seed), others) - np.log(share_of(pages)), np.float32)


def by_majority(pages: Examples, others: Examples, seed: int) -> NDArray[np.float32]:
    """Say of every page what most pages are."""
    del seed
    return np.tile(share_of(pages), (len(others), 1))


def as_published(pages: Examples, learn: Learn, progress: Progress = print) -> Told:
    """Tell pages as the field does it: with all copies of the published set, a fifth of the files drawn at random.

    Copies of most pages that are told are then among those learnt from: the figure says how well pages are remembered.
    """
    first = np.flatnonzero([str(name).startswith("ecg_images/") for name in pages.names])
    times = [COPIES[CLASSES[label]] for label in pages.labels[first]]
    files = pages.take(np.repeat(first, times))
    progress(f"{len(files)} files of {len(first)} pages, as in the published set")
    labels, said, numbers = [], [], []
    for split in range(_SPLITS):
        order = np.random.default_rng(split).permutation(len(files))
        own, others = order[: len(order) // 5], order[len(order) // 5 :]
        said.append(learn(files.take(others), files.take(own), 50 + split).argmax(axis=1))
        labels.append(files.labels[own])
        numbers.append(np.arange(len(own)) + split * len(files))
    return Told(np.concatenate(labels), np.concatenate(said)[None], np.concatenate(numbers))


def share_of(pages: Examples) -> NDArray[np.float32]:
    """Return the share of each class."""
    return np.asarray(np.bincount(pages.labels, minlength=len(CLASSES)) / len(pages), np.float32)


def offsets_of(pages: Examples) -> NDArray[np.float32]:
    """Return what makes rare classes count as much as others, of network and trees together."""
    return np.asarray(-(0.5 + 1) / 2 * np.log(share_of(pages)), np.float32)


def make(pages: Examples, metrics: dict[str, dict[str, float]], seed: int, epochs: int) -> tuple[PageCard, bytes]:
    """Learn from all pages; return the int8 model and its card.

    Parameters
    ----------
    pages : Examples
        All of them.
    metrics : dict
        By protocol, of models made in the same way.
    seed, epochs : int
        Of the training.
    """
    fitted = network.fit(pages, seed, epochs)
    by_class = grown(pages, seed)
    content = network.quantized(fitted, pages)
    inputs, outputs = tensors(content)
    by_name = {tensor.name: tensor for tensor in inputs}
    databases: dict[str, tuple[str, ...]] = {}
    for name in sorted(pages.names.tolist()):
        database, _, picture = name.partition("/")
        databases[database] = (*databases.get(database, ()), picture)
    card = PageCard(
        schema=SCHEMA,
        name="page",
        kind="page",
        sha256=hashlib.sha256(content).hexdigest(),
        beats=by_name[network.BEATS],
        context=by_name[network.CONTEXT],
        output=outputs[0],
        features=tuple(
            Feature(name=name, knots=tuple(round(knot, 5) for knot in knots))
            for name, knots in zip(page.NAMES, fitted.knots.tolist(), strict=True)
        ),
        example=tuple(round(float(value), 5) for value in example()),
        classes=CLASSES,
        trees=by_class,
        offsets=tuple(round(value, 3) for value in offsets_of(pages).tolist()),
        learnt_from=statement(pages, metrics["cross_validation"]),
        origin=Origin(
            databases=databases, split=SPLIT, seed=seed, revision=revision(), date=datetime.now(UTC).date().isoformat()
        ),
        metrics=metrics,
    )
    agreement = {"int8": {"agreement": _agreement(card, content, fitted, pages)}}
    return msgspec.structs.replace(card, metrics={**metrics, **agreement}), content


def _agreement(card: PageCard, content: bytes, fitted: network.Fitted, pages: Examples) -> float:
    """Return of how many pages, percent, the int8 network says what the float network says."""
    model = PageModel(card, content)
    each = zip(pages.beats, pages.numbers, strict=True)
    said = np.array([model.predict(page.Measured(beats, numbers)).argmax() for beats, numbers in each])
    floats = blended(fitted.predict(pages), scores_of(card.trees, pages), np.array(card.offsets, np.float32))
    return round(100 * float((said == floats.argmax(axis=1)).mean()), 1)


def statement(pages: Examples, told: dict[str, float]) -> str:
    """Return what must be said beside every opinion."""
    counts = np.bincount(pages.labels, minlength=len(CLASSES)).tolist()
    kinds = ", ".join(f"{n} {TITLES[name]}" for name, n in zip(CLASSES, counts, strict=True))
    return (
        f"It has learnt from {len(pages)} pages of one hospital's devices ({kinds}); of pages that it had not seen "
        f"it told {told['balanced']:.0f} % rightly, in the mean of the classes ({told['balanced_low']:.0f} to "
        f"{told['balanced_high']:.0f}). "
        "Other devices and other patients it does not know; it is no diagnosis."
    )


def release(card: PageCard, content: bytes, models: Path) -> str | None:
    """Write model and card, unless a better model is there: only the best is kept.

    Returns
    -------
    str or None
        Why they were not written.
    """
    target = models / "page.tflite"
    try:
        before = read_page_card(target.with_suffix(".json")).metrics["cross_validation"]["balanced"]
        PageModel.load(target)
    except (ModelError, KeyError):
        before = 0.0
    now = card.metrics["cross_validation"]["balanced"]
    if before > now:
        return f"{target} tells {before:.1f} % and is kept: this one tells {now:.1f} %"
    models.mkdir(parents=True, exist_ok=True)
    refuse(target, is_ours=is_model)
    put(target, content, is_ours=is_model)
    refuse(target.with_suffix(".json"), is_ours=is_card)
    write_card(card, target.with_suffix(".json"))
    return None


def lines(figures: dict[str, float], names: Sequence[str]) -> str:
    """Return some figures with their intervals in a line."""
    said = ((name, figures[name], figures[f"{name}_low"], figures[f"{name}_high"]) for name in names)
    return ", ".join(f"{name} {value:.1f} % ({low:.1f} to {high:.1f})" for name, value, low, high in said)


def study(pages: Examples, epochs: int, progress: Progress = print) -> dict[str, dict[str, float]]:
    """Judge the network by all protocols, and what it is compared with; tell the figures and return them.

    Parameters
    ----------
    pages : Examples
        All of them.
    epochs : int
        Of each training.
    progress : callable
        Called with lines.
    """
    per_class = [f"{what}_{name}" for what in ("se", "ppv") for name in CLASSES]
    progress(f"{len(pages)} pages in {len(set(pages.groups.tolist()))} groups, {len(pages.refused)} not read")
    metrics: dict[str, dict[str, float]] = {}
    ways: tuple[tuple[str, Learn, int], ...] = (
        ("majority", by_majority, 1),
        ("trees", by_trees, REPEATS),
        ("cross_validation", by_both(epochs), REPEATS),
    )
    for name, learn, repeats in ways:
        told = cross_validate(pages, learn, repeats, lambda _: None)
        metrics[name] = told.figures()
        progress(f"{name}: {lines(metrics[name], ['balanced', 'accuracy'])}")
    progress(f"cross_validation: {lines(metrics['cross_validation'], per_class)}")
    for database in DATABASES:
        own = np.array([name.startswith(f"{database}/") for name in pages.names.tolist()])
        metrics[f"cross_validation_{database}"] = Told(told.labels[own], told.said[:, own], told.groups[own]).figures()
        progress(f"of these, {database}: {lines(metrics[f'cross_validation_{database}'], ['balanced', 'accuracy'])}")
    metrics["random_split_with_copies"] = as_published(pages, by_both(epochs), progress).figures()
    progress(f"random_split_with_copies: {lines(metrics['random_split_with_copies'], ['balanced', 'accuracy'])}")
    return metrics
