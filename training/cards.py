"""Writes what a model is and how good it is into its card."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge.features import history
from edge.features import window as beat_window
from edge.features.fingerprint import FINGERPRINT
from edge.inference.card import SCHEMA, Confidence, Feature, ModelCard, Origin, Tensor, Window
from edge.inference.runtime import tensors
from training.datasets import CLASSES
from training.train import Trained

SPLIT = "patient-wise: MIT-BIH DS1 of de Chazal 2004 and three in four records of svdb; DS2 and the fourth unseen"

UNCALIBRATED = (Confidence(slope=1.0, intercept=0.0),) * len(CLASSES)


def make_card(
    trained: Trained,
    content: bytes,
    records: Sequence[str],
    metrics: dict[str, dict[str, dict[str, float]]],
    *,
    confidence: Sequence[Confidence] = UNCALIBRATED,
    because: str = "",
) -> ModelCard:
    """Describe a quantized model.

    Parameters
    ----------
    trained : Trained
        The network it was made from.
    content : bytes
        The `.tflite` file.
    records : sequence of str
        ``database/record`` of the beats it learnt from or was chosen by.
    metrics : dict
        See `edge.inference.card.ModelCard`.
    confidence : sequence of Confidence
        One per class; by default the model is taken at its word.
    because : str
        Why it is released although another scored better.
    """
    inputs, outputs = tensors(content)
    databases: dict[str, tuple[str, ...]] = {}
    for record in sorted(records):
        database, name = record.split("/")
        databases[database] = (*databases.get(database, ()), name)
    return ModelCard(
        schema=SCHEMA,
        name=trained.kind,
        kind=trained.kind,
        sha256=hashlib.sha256(content).hexdigest(),
        beat=_of_rank(inputs, 3),
        context=_of_rank(inputs, 2),
        output=outputs[0],
        window=Window(
            fs_hz=beat_window.WINDOW_HZ,
            before=beat_window.BEFORE,
            n=beat_window.WINDOW,
            leads=beat_window.LEADS,
        ),
        fingerprint=FINGERPRINT,
        features=tuple(
            Feature(name=name, knots=tuple(round(knot, 5) for knot in knots))
            for name, knots in zip(history.NAMES, trained.levels.knots.tolist(), strict=True)
        ),
        classes=CLASSES,
        offsets=tuple(round(offset, 3) for offset in trained.offsets.tolist()),
        confidence=tuple(confidence),
        origin=Origin(
            databases=databases,
            split=SPLIT,
            seed=trained.seed,
            revision=revision(),
            date=datetime.now(UTC).date().isoformat(),
            because=because,
        ),
        metrics=metrics,
    )


def revision() -> str:
    """Return the git revision of the code, with ``-dirty`` if the tree was changed, "unknown" outside a checkout."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _of_rank(tensors: Sequence[Tensor], rank: int) -> Tensor:
    return next(tensor for tensor in tensors if len(tensor.shape) == rank)
