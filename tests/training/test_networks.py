"""Networks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from edge.features.conducted import RHYTHM
from edge.features.history import NAMES
from edge.features.window import LEADS, WINDOW
from training import networks
from training.features import BINS


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_a_network_gives_probabilities(keras: Any, kind: networks.Kind) -> None:
    model = networks.build(kind)
    rng = np.random.default_rng(0)
    said = model.predict([rng.normal(size=(3, WINDOW, LEADS)), rng.random(size=(3, len(NAMES) * BINS))], verbose=0)
    assert said.shape == (3, 5)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
    assert [tensor.name for tensor in model.inputs] == ["beat", "context"]


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_neither_window_nor_qrs_tell_s_from_n(keras: Any, kind: networks.Kind) -> None:
    keras.utils.set_random_seed(1)
    model = networks.build(kind)
    rng = np.random.default_rng(0)
    windows, levels = rng.normal(size=(8, WINDOW, LEADS)), rng.random(size=(8, len(NAMES), BINS))
    levels[:, RHYTHM] = levels[:1, RHYTHM]
    said = model.predict([windows, levels.reshape(8, -1)], verbose=0)
    odds = said[:, 1] / said[:, 0]
    np.testing.assert_allclose(odds, odds[0], rtol=1e-4)
    assert said[:, 2].std() > 1e-3
    levels[:, RHYTHM[0]] += rng.random(size=(8, BINS))
    changed = model.predict([windows, levels.reshape(8, -1)], verbose=0)
    assert (changed[:, 1] / changed[:, 0]).std() > 1e-3


def test_nothing_imports_tensorflow_before_it_is_needed() -> None:
    code = (
        "import sys; from training import cards, cli, datasets, features, networks, quantize, release, teacher, train;"
        "sys.exit(any(name in sys.modules for name in ('lightgbm', 'tensorflow', 'tf_keras', 'wfdb')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_tensorflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.errors import EcgEdgeError

    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(EcgEdgeError, match=r"\.\[training\]"):
        networks.build("cnn")
