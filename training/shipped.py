"""Renews the cards of models that are released already, without training these models again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge.errors import EcgEdgeError
from edge.features.fingerprint import FINGERPRINT
from edge.inference.beat_model import BeatModel
from edge.inference.card import SCHEMA, ModelCard, read_card, write_card
from training import calibration, predictions, release, score, splits
from training.calibration import CrossFitted, Design, Weighed
from training.networks import Kind
from training.sets import Progress, Sets
from training.train import Recipe

SAME = 0.5
"""Points of F1 on DS2 by which a model may differ from its card if its features are those it learnt from."""


def recalibrate(
    kinds: Sequence[Kind], sets: Sets, models: Path, *, recipe: Recipe | None = None, progress: Progress = print
) -> None:
    """Calibrate the scores of released models by cross-fitting, and write their cards anew.

    A card of schema 2, which has no fingerprint of the features, becomes one of this schema. All cards are written in
    the end, or none.

    Parameters
    ----------
    kinds : sequence of {"cnn", "lstm"}
        Families of the models, which are also their names.
    sets : Sets
        Of the databases they learnt from.
    models : Path
        Where they are.
    recipe : Recipe, optional
        As they were trained.
    progress : callable
        Called with a line at each step.

    Raises
    ------
    EcgEdgeError
        If a model does not do on DS2 what its card says: then the features are not those that it learnt from.
    """
    loaded = {kind: _load(models / f"{kind}.json", sets) for kind in kinds}
    designs = [
        Design(kind, np.array(model.card.offsets, np.float32), model.card.origin.seed, recipe or Recipe())
        for kind, model in loaded.items()
    ]
    fitted = calibration.cross_fit(designs, sets, progress)
    never = [beats for beats in sets.recorded if beats.record in splits.NEVER_LEARNT]
    for kind, model in loaded.items():
        progress(f"{kind}: {_comparison(fitted[kind], calibration.scored(model, never)[1])}")
        write_card(release.calibrated(model.card, fitted[kind]), models / f"{kind}.json")
        model.close()


def _load(path: Path, sets: Sets) -> BeatModel:
    """Return a model whose features are shown to be those that it learnt from."""
    model = BeatModel(_card(path), path.with_suffix(".tflite").read_bytes())
    found = score.figures(predictions.confusion(sets.test, lambda table: predictions.weigh_int8(model, table)))
    claimed = model.card.metrics["ds2"]["int8"]
    for label in "nsv":
        name = f"{label}_f1"
        if abs(found[name] - claimed[name]) > SAME:
            raise EcgEdgeError(
                f"{path.stem} has an F1 of {label.upper()} of {found[name]} on DS2, its card says {claimed[name]}",
                "the beats are no longer those it learnt from: release it again",
            )
    return model


def _card(path: Path) -> ModelCard:
    """Read a card, also one of schema 2."""
    raw: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    if raw.get("schema") != SCHEMA - 1:
        return read_card(path)
    metrics = {"validation" if name == "judges" else name: figures for name, figures in raw["metrics"].items()}
    return msgspec.convert(raw | {"schema": SCHEMA, "fingerprint": FINGERPRINT, "metrics": metrics}, ModelCard)


def _comparison(fitted: CrossFitted, weighed: Weighed) -> str:
    """Compare how sure the released and the cross-fitted models are of the same patients, unseen by all of them."""
    released, cross_fitted = (calibration.logits(rows) for rows in (weighed, fitted.unseen))
    return (
        f"mean logit of patients nobody has learnt from: released {released.mean():.2f}, cross-fitted "
        f"{cross_fitted.mean():.2f} (standard deviations {released.std():.2f}, {cross_fitted.std():.2f})"
    )
