"""Grows boosted trees and writes them down as the numbers that the device walks through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.errors import EcgEdgeError, how_to_install
from edge.inference.card import Origin, Tree
from edge.inference.trees import SCHEMA, TreeCard
from training.cards import revision


def grow(rows: NDArray[Any], yes: NDArray[np.bool_], weights: NDArray[Any], **settings: Any) -> tuple[Tree, ...]:
    """Fit boosted trees; return them as plain numbers.

    Parameters
    ----------
    rows : float array, shape (n, k)
        Features.
    yes : bool array, shape (n,)
        What they are to tell.
    weights : float array, shape (n,)
        How much each row counts; brought to a mean of 1.
    settings
        Of the classifier, in place of the usual ones; ``rounds`` is how many trees, ``after`` the log odds of each row
        by other trees that these are to be added to.

    Raises
    ------
    EcgEdgeError
        If lightgbm is not installed.
    """
    return _boost(rows, yes, weights, settings)


def _boost(
    rows: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any], settings: dict[str, Any]
) -> tuple[Tree, ...]:
    try:
        import lightgbm  # noqa: PLC0415 - only training has it
    except (ImportError, OSError) as error:  # OSError: the system lacks OpenMP
        fix = f"{how_to_install('training')}; on Debian also `apt install libgomp1`"
        raise EcgEdgeError(f"training needs lightgbm ({error})", fix) from None
    usual = {
        "objective": "binary", "num_leaves": 8, "learning_rate": 0.1, "min_child_samples": 200, "reg_lambda": 10,
        "feature_fraction": 0.5, "bagging_fraction": 0.5, "bagging_freq": 1, "seed": 1, "num_threads": 2,
        "deterministic": True, "force_row_wise": True, "verbose": -1, "boost_from_average": False,
    }  # fmt: skip
    rounds, after = settings.pop("rounds", 60), settings.pop("after", None)
    weight = weights * (len(weights) / weights.sum())
    data = lightgbm.Dataset(rows, labels.astype(np.int8), weight=weight, init_score=after)
    booster = lightgbm.train({**usual, **settings}, data, rounds)
    return tuple(_tree(grown["tree_structure"]) for grown in booster.dump_model()["tree_info"])


def grow_classes(
    rows: NDArray[Any], labels: NDArray[np.int64], n_classes: int, **settings: Any
) -> tuple[tuple[Tree, ...], ...]:
    """Fit boosted trees that tell several classes; return those of each class, whose leaves' sum is its score.

    Parameters
    ----------
    rows : float array, shape (n, k)
        Features.
    labels : int64 array, shape (n,)
        Numbers of classes.
    n_classes : int
        How many there are.
    settings
        As in `grow`.

    Raises
    ------
    EcgEdgeError
        If lightgbm is not installed.
    """
    grown = _boost(rows, labels, np.ones(len(rows)), {"objective": "multiclass", "num_class": n_classes, **settings})
    return tuple(grown[k::n_classes] for k in range(n_classes))


def calibrated(trees: Sequence[Tree], slope: float, intercept: float) -> tuple[Tree, ...]:
    """Return trees whose sum is `slope` times what it was, and `intercept`."""
    each = intercept / max(len(trees), 1)
    return tuple(
        msgspec.structs.replace(tree, leaf=tuple(round(slope * leaf + each, 5) for leaf in tree.leaf)) for tree in trees
    )


def log_odds(trees: Sequence[Tree], rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return what the trees say of many rows at once, shape (n,)."""
    total = np.zeros(len(rows))
    for tree in trees:
        feature, at, low, high = (np.array(column) for column in (tree.feature, tree.at, tree.low, tree.high))
        node = np.zeros(len(rows), np.int64)
        while (live := np.flatnonzero(node >= 0)).size:
            asked = node[live]
            goes_low = rows[live, feature[asked]] <= at[asked]
            node[live] = np.where(goes_low, low[asked], high[asked])
        total += np.array(tree.leaf)[~node]
    return total


def interval(parts: Sequence[float], wholes: Sequence[float], n_draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a gross share in percent, drawing whole patients; NaN where undefined.

    Parameters
    ----------
    parts, wholes : sequence of float
        Numerator and denominator of each patient.
    n_draws : int
        Draws.
    """
    n = len(parts)
    if not n or not sum(wholes):
        return (float("nan"), float("nan"))
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), n_draws)
    part, whole = draws @ np.asarray(parts, np.float64), draws @ np.asarray(wholes, np.float64)
    low, high = np.percentile(100 * part[whole > 0] / whole[whole > 0], [2.5, 97.5]).tolist()
    return (round(low, 2), round(high, 2))


def with_interval(name: str, parts: Sequence[float], wholes: Sequence[float]) -> dict[str, float]:
    """Return a share in percent and its interval under `name`, `name_low` and `name_high`; nothing where undefined."""
    if not sum(wholes):
        return {}
    low, high = interval(parts, wholes)
    return {name: round(100 * sum(parts) / sum(wholes), 2), f"{name}_low": low, f"{name}_high": high}


def card(
    name: str,
    trees: Sequence[Tree],
    *,
    features: Sequence[str],
    example: ArrayLike,
    records: Sequence[str],
    split: str,
    metrics: dict[str, dict[str, float]],
) -> TreeCard:
    """Describe a model of trees.

    Parameters
    ----------
    name : str
        What it tells.
    trees : sequence of Tree
        From `grow`.
    features, example, split, metrics
        See `edge.inference.trees.TreeCard` and `edge.inference.card.Origin`.
    records : sequence of str
        ``database/record`` of all that were learnt from.
    """
    databases: dict[str, tuple[str, ...]] = {}
    for record in sorted(records):
        database, own = record.split("/")
        databases[database] = (*databases.get(database, ()), own)
    origin = Origin(
        databases=databases,
        split=split,
        seed=1,
        revision=revision(),
        date=datetime.now(UTC).date().isoformat(),
        because="",
    )
    return TreeCard(
        schema=SCHEMA,
        name=name,
        features=tuple(features),
        example=tuple(round(float(value), 5) for value in np.asarray(example).tolist()),
        origin=origin,
        metrics=metrics,
        trees=tuple(trees),
    )


def _tree(root: dict[str, Any]) -> Tree:
    feature: list[int] = []
    at: list[float] = []
    low: list[int] = []
    high: list[int] = []
    leaf: list[float] = []

    def visit(node: dict[str, Any]) -> int:
        if "leaf_value" in node and "split_feature" not in node:
            leaf.append(round(float(node["leaf_value"]), 5))
            return ~(len(leaf) - 1)
        number = len(feature)
        feature.append(int(node["split_feature"]))
        at.append(round(float(node["threshold"]), 6))
        low.append(0)
        high.append(0)
        low[number] = visit(node["left_child"])
        high[number] = visit(node["right_child"])
        return number

    if "split_feature" not in root:  # nothing could be asked: one leaf both ways
        value = round(float(root["leaf_value"]), 5)
        return Tree(feature=(0,), at=(0.0,), low=(-1,), high=(-2,), leaf=(value, value))
    visit(root)
    return Tree(feature=tuple(feature), at=tuple(at), low=tuple(low), high=tuple(high), leaf=tuple(leaf))
