"""Networks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from edge.beat_features import LEADS, NAMES, WINDOW
from training import networks
from training.networks import BINS


def knots() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.tile(np.linspace(-2, 2, BINS + 1, dtype=np.float32), (len(NAMES), 1))


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_a_network_gives_probabilities(keras: Any, kind: networks.Kind) -> None:
    model = networks.build(kind, knots())
    rng = np.random.default_rng(0)
    said = model.predict([rng.normal(size=(3, WINDOW, LEADS)), rng.normal(size=(3, len(NAMES)))], verbose=0)
    assert said.shape == (3, 5)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
    assert [tensor.name for tensor in model.inputs] == ["beat", "context"]


def test_levels_are_empty_below_and_full_above_their_bins(keras: Any) -> None:
    model = networks.build("cnn", knots())
    levels = keras.Model(model.inputs, model.get_layer("levels").output)
    context = np.zeros((3, len(NAMES)), np.float32)
    context[:, 4] = (-3, 0, 3)
    filled = levels.predict([np.zeros((3, WINDOW, LEADS)), context], verbose=0)[:, 4 * BINS : 5 * BINS]
    assert not filled[0].any()
    np.testing.assert_allclose(filled[1], [6, 6, 6, 0, 0, 0], atol=1e-4)
    np.testing.assert_allclose(filled[2], 6, atol=1e-4)


def test_weights_can_be_set_into_a_network_without_knots(keras: Any) -> None:
    model, empty = networks.build("cnn", knots()), networks.build("cnn")
    empty.set_weights(model.get_weights())
    inputs = [np.ones((2, WINDOW, LEADS)) * 0.1, np.ones((2, len(NAMES)))]
    np.testing.assert_allclose(empty.predict(inputs, verbose=0), model.predict(inputs, verbose=0), rtol=1e-5)


def test_nothing_imports_tensorflow_before_it_is_needed() -> None:
    code = (
        "import sys; from training import cards, cli, datasets, features, networks, quantize, release, train;"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'tf_keras', 'wfdb')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_tensorflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.errors import EcgEdgeError

    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(EcgEdgeError, match=r"ecg-edge\[training\]"):
        networks.build("cnn")
