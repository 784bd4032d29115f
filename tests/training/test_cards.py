"""Cards."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from synthetic import make_beats

from edge.features.fingerprint import FINGERPRINT
from edge.inference.beat_model import BeatModel, models_dir
from training import cards, features
from training.train import Trained


def test_a_card_describes_its_file() -> None:
    content = (models_dir() / "cnn.tflite").read_bytes()
    levels = features.levels(features.table([make_beats()]))
    offsets = np.array([0.3, 0, 0, 0, -9], np.float32)
    trained = Trained(kind="cnn", model=None, levels=levels, offsets=offsets, score=0.5, seed=7)
    metrics: dict[str, Any] = {"ds2": {"int8": {"v_f1": 90.0}}}
    card = cards.make_card(trained, content, ["svdb/802", "mitdb/106", "mitdb/101"], metrics, because="a test")
    assert card.sha256 == hashlib.sha256(content).hexdigest()
    assert card.fingerprint == FINGERPRINT
    assert card.origin.databases == {"mitdb": ("101", "106"), "svdb": ("802",)}
    assert (card.origin.seed, card.origin.because) == (7, "a test")
    np.testing.assert_allclose([feature.knots for feature in card.features], levels.knots, atol=1e-5)
    assert card.offsets == (0.3, 0, 0, 0, -9)
    with BeatModel(card, content) as model:
        assert model.name == "cnn"


def test_the_revision_is_a_hash_or_says_it_is_unknown() -> None:
    revision = cards.revision()
    assert revision == "unknown" or int(revision.removesuffix("-dirty"), 16) >= 0
