"""The boosted trees networks learn from."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from synthetic import make_beats

from edge.errors import EcgEdgeError
from training import features
from training.teacher import Teacher


def test_a_teacher_knows_what_features_tell_and_leaves_out_what_is_not_there(trees: None) -> None:
    learn = features.table([make_beats("101", n=600), make_beats("106", n=600, seed=1)])
    judge = features.table([make_beats("114", n=300, seed=2)])
    said = Teacher(learn, seeds=(1,))(judge.features)
    assert said.shape == (len(judge), 5)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
    assert (said.argmax(axis=1) == judge.labels).mean() > 0.75
    assert not said[:, 4].any()


def test_without_lightgbm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(EcgEdgeError, match=r"ecg-edge\[training\].*libgomp1"):
        Teacher(features.table([make_beats(n=50)]))
