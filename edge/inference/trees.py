"""Boosted trees as plain numbers: what tells a rhythm where a network would be too much.

A model is one JSON file: its card and its trees. Only training needs the library that grew them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from edge.errors import ModelError
from edge.features.fingerprint import FINGERPRINT
from edge.inference.beat_model import models_dir
from edge.inference.card import Origin, Tree

SCHEMA = 1
"""Version of the file's form."""
TOLERANCE = 1e-3
"""How far what this program measures of the artificial example may lie from what the model's program measured."""


class TreeCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model and what it is.

    Attributes
    ----------
    schema : int
        `SCHEMA` of the program that wrote it.
    name : str
        What is told by it, also the file's name.
    features : tuple of str
        Names of what it is given, in order.
    example : tuple of float
        What its program measured of an artificial example.
    origin : Origin
        Where it comes from.
    metrics : dict
        Figures in percent of patients that were not learnt from, by database.
    least : float
        Log odds from which it is told, where that is one beat's label.
    fingerprint : str
        Of the features of `edge.features.history` that are among its own; empty if none are.
    trees : tuple of Tree
        Their leaves' sum is the log odds.
    """

    schema: int
    name: str
    features: tuple[str, ...]
    example: tuple[float, ...]
    origin: Origin
    metrics: dict[str, dict[str, float]]
    least: float = 0.0
    fingerprint: str = ""
    trees: tuple[Tree, ...]


class Forest:
    """Trees that have been looked at.

    Parameters
    ----------
    name : str
        Of their model.
    trees : sequence of Tree
        As read.
    n_features : int
        How many numbers they may ask about.

    Raises
    ------
    ModelError
        If they do not hold together.
    """

    def __init__(self, name: str, trees: Sequence[Tree], n_features: int) -> None:
        for tree in trees:
            _check(name, tree, n_features)
        self._trees = [(tree.feature, tree.at, tree.low, tree.high, tree.leaf) for tree in trees]

    def total(self, features: Sequence[float]) -> float:
        """Return the sum of the leaves that features lead to."""
        total = 0.0
        for feature, at, low, high, leaf in self._trees:
            node = 0
            while node >= 0:
                node = low[node] if features[feature[node]] <= at[node] else high[node]
            total += leaf[~node]
        return total


class TreeModel:
    """Boosted trees with their card.

    Parameters
    ----------
    card : TreeCard
        As read.
    names : sequence of str
        What this program measures.
    example : sequence of float
        What it measures of the artificial example.

    Raises
    ------
    ModelError
        If the model was made of other features, or its trees do not hold together.
    """

    def __init__(self, card: TreeCard, names: Sequence[str], example: ArrayLike) -> None:
        self.card = card
        measured = np.asarray(example, np.float64)
        if card.features != tuple(names) or not (
            len(card.example) == len(measured)
            and np.allclose(card.example, measured, rtol=TOLERANCE, atol=TOLERANCE)
            and card.fingerprint in ("", FINGERPRINT)
        ):
            raise ModelError(card.name, "was made of other features than this program measures", "train it again")
        self._trees = Forest(card.name, card.trees, len(names))

    def log_odds(self, features: Sequence[float]) -> float:
        """Return the log odds of what the model tells.

        Parameters
        ----------
        features : sequence of float
            By the card's names.
        """
        return self._trees.total(features)

    def probability(self, features: Sequence[float]) -> float:
        """Return the probability of what the model tells, 0 to 1."""
        return probability(self.log_odds(features))


def probability(log_odds: float) -> float:
    """Return the probability that goes with log odds.

    >>> probability(0.0)
    0.5
    """
    return 1 / (1 + math.exp(-max(min(log_odds, 30.0), -30.0)))


def log_odds(probability: float) -> float:
    """Return the log odds of a probability between 0 and 1, both excluded."""
    return math.log(probability / (1 - probability))


def read_trees(path: Path) -> TreeCard:
    """Read a model.

    Raises
    ------
    ModelError
        If the file is missing, is no such model, or is of another schema.
    """
    try:
        card = msgspec.json.decode(path.read_bytes(), type=TreeCard)
    except OSError as error:
        raise ModelError(path.stem, f"{path} cannot be read ({error.strerror})", "install the program again") from None
    except msgspec.DecodeError as error:
        raise ModelError(path.stem, f"{path.name} is no model of trees ({error})", "train it again") from None
    if card.schema != SCHEMA:
        raise ModelError(path.stem, f"has schema {card.schema}, this program reads {SCHEMA}", "update one")
    return card


def write_trees(card: TreeCard, path: Path) -> None:
    """Write a model: the card so that it can be read, each tree on a line."""
    bare = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(card, trees=())), indent=1).decode()
    trees = ",\n".join(msgspec.json.encode(tree).decode() for tree in card.trees)
    path.write_text(bare.replace('"trees": []', f'"trees": [\n{trees}\n]') + "\n", encoding="utf-8")


@functools.cache
def shipped(name: str) -> TreeCard:
    """Return a model that is shipped, read once."""
    return read_trees(models_dir() / f"{name}.json")


def _check(name: str, tree: Tree, n_features: int) -> None:
    """Refuse a tree that leads nowhere, or round in circles."""
    nodes, leaves = len(tree.feature), len(tree.leaf)
    whole = nodes == len(tree.at) == len(tree.low) == len(tree.high) == leaves - 1 and nodes > 0
    forward = all(
        node < child < nodes if child >= 0 else ~child < leaves
        for branch in (tree.low, tree.high)
        for node, child in enumerate(branch)
    )
    if not (whole and forward and all(0 <= feature < n_features for feature in tree.feature)):
        raise ModelError(name, "has a tree that does not hold together", "install the program again")
