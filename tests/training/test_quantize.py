"""Full integer quantization, end to end with a small training, and what is shipped against its float graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import make_beats

from edge.inference.beat_model import BeatModel
from edge.inference.runtime import tensors
from training import cards, features, train
from training.quantize import quantize
from training.train import Checkpoints, Recipe

pytestmark = pytest.mark.filterwarnings("ignore")  # tensorflow's own, while it converts


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_int8_agrees_with_float(tmp_path: Path, keras: Any, kind: Any) -> None:
    learn = features.table([make_beats("101", n=400), make_beats("106", n=400, seed=1)])
    others = features.table([make_beats("114", n=300, seed=2)])
    recipe = Recipe(epochs=3, drawn=6000, mixed=1000, batch=64, rate=3e-3, blind=0.1)
    checkpoints = Checkpoints(tmp_path, kind)
    trained = train.fit(kind, learn, others, checkpoints, recipe=recipe, progress=lambda _: None)
    content = quantize(trained, learn)

    inputs, outputs = tensors(content)
    assert {tensor.dtype for tensor in (*inputs, *outputs)} == {"int8"}
    assert sorted(len(tensor.shape) for tensor in inputs) == [2, 3]
    assert len(content) < 100_000

    card = cards.make_card(trained, content, ["mitdb/101", "mitdb/106", "mitdb/114"], {})
    said = train.predict(trained.model, trained.levels, others)
    with BeatModel(card, content) as model:
        rows = zip(others.windows, others.features, strict=True)
        quantized = np.stack([model.predict(window, row) for window, row in rows])
    assert (said.argmax(axis=1) == quantized.argmax(axis=1)).mean() > 0.93
    assert np.abs(said - quantized).mean() < 0.05
