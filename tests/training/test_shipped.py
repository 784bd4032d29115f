"""Cards of released models, renewed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from synthetic import make_beats

from edge.errors import EcgEdgeError
from edge.features.fingerprint import FINGERPRINT
from edge.inference.beat_model import models_dir
from edge.inference.card import SCHEMA, read_card, write_card
from training import calibration, features, shipped
from training.calibration import CrossFitted
from training.sets import Sets


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for suffix in ("tflite", "json"):
        shutil.copy(models_dir() / f"cnn.{suffix}", tmp_path)
    return tmp_path


@pytest.fixture
def sets() -> Sets:
    beats = make_beats("101", n=60)
    table = features.table([beats])
    return Sets(train=table, validation=table, added=table, recorded=(make_beats("201", n=40),), test=(beats,))


def as_schema_2(path: Path) -> None:
    raw: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    del raw["fingerprint"], raw["metrics"]["cross_fitted"]
    raw["metrics"]["judges"] = raw["metrics"].pop("validation")
    path.write_bytes(msgspec.json.encode(raw | {"schema": 2}))


def claim(path: Path, sets: Sets) -> None:
    """Make a card say of its model what it does on these beats."""
    from training import predictions, score

    card = read_card(path)
    with shipped.BeatModel.load(path.with_suffix(".tflite")) as model:
        table = predictions.confusion(sets.test, lambda data: predictions.weigh_int8(model, data))
    write_card(msgspec.structs.replace(card, metrics=card.metrics | {"ds2": {"int8": score.figures(table)}}), path)


def test_a_model_of_other_features_keeps_its_card(models: Path, sets: Sets) -> None:
    before = (models / "cnn.json").read_bytes()
    with pytest.raises(EcgEdgeError, match=r"F1 of N of .* on DS2.*release it again"):
        shipped.recalibrate(["cnn"], sets, models, progress=lambda _: None)
    assert (models / "cnn.json").read_bytes() == before


def test_a_card_of_schema_2_is_renewed_and_the_model_left_alone(
    models: Path, sets: Sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.repeat(np.arange(4, dtype=np.int8), 100)
    weighed = np.full((400, 5), -3, np.float32)
    weighed[np.arange(400), labels] = 0
    fitted = {"cnn": CrossFitted(labels, weighed, weighed[:9])}
    designs: list[calibration.Design] = []
    monkeypatch.setattr(calibration, "cross_fit", lambda asked, *_: designs.extend(asked) or fitted)
    claim(models / "cnn.json", sets)
    former, content = read_card(models / "cnn.json"), (models / "cnn.tflite").read_bytes()
    as_schema_2(models / "cnn.json")
    lines: list[str] = []
    shipped.recalibrate(["cnn"], sets, models, progress=lines.append)
    card = read_card(models / "cnn.json")
    assert (card.schema, card.fingerprint) == (SCHEMA, FINGERPRINT)
    assert card.metrics["validation"] == former.metrics["validation"]
    assert card.metrics["cross_fitted"]["int8"]["v_f1"] == 100
    assert card.confidence != former.confidence
    assert msgspec.structs.replace(card, confidence=former.confidence, metrics=former.metrics) == former
    assert (models / "cnn.tflite").read_bytes() == content
    (design,) = designs
    assert (design.kind, design.seed) == ("cnn", former.origin.seed)
    np.testing.assert_allclose(design.offsets, former.offsets)
    assert any("logit" in line for line in lines)
