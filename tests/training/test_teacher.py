"""The boosted trees networks learn from."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from synthetic import make_beats

from edge.errors import EcgEdgeError
from edge.features.conducted import RHYTHM
from edge.features.history import NAMES
from training import features
from training.datasets import CLASSES
from training.teacher import Teacher

N, S, V = (CLASSES.index(label) for label in "NSV")


def test_a_teacher_knows_what_features_tell_and_leaves_out_what_is_not_there(trees: None) -> None:
    learn = features.table([make_beats("101", n=600), make_beats("106", n=600, seed=1)])
    others = features.table([make_beats("114", n=300, seed=2)])
    said = Teacher(learn, seeds=(1,))(others.features)
    assert said.shape == (len(others), 5)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
    assert (said.argmax(axis=1) == others.labels).mean() > 0.75
    assert not said[:, 4].any()


def test_s_is_told_by_timing_and_p_wave_never_by_the_qrs(trees: None) -> None:
    learn, others = (make_beats(name, n=900, seed=seed) for name, seed in (("101", 0), ("114", 1)))
    qrs = np.setdiff1d(np.arange(len(NAMES)), RHYTHM)
    assert {NAMES[column] for column in qrs} >= {"qrs_angle", "width_first", "t_lean", "area"}
    for beats in (learn, others):  # S differs from N in the QRS alone, V from both by the first features
        beats.features[:, :4] = np.where(beats.labels == V, -2, 1)[:, None]
        beats.features[:, qrs] += np.where(beats.labels == S, 3, 0)[:, None]
    said = Teacher(features.table([learn]), seeds=(1,))(others.features)
    assert said[others.labels == V, V].mean() > 0.9
    odds = said[:, S] / (said[:, N] + said[:, S])
    assert abs(odds[others.labels == S].mean() - odds[others.labels == N].mean()) < 0.1


def test_trees_can_be_limited_to_some_columns(trees: None) -> None:
    learn, others = (make_beats(name, n=600, seed=seed) for name, seed in (("101", 0), ("114", 1)))
    said = Teacher(features.table([learn]), seeds=(1,), columns=np.arange(4, len(NAMES)))(others.features)
    assert abs(said[others.labels == S, S].mean() - said[others.labels == N, S].mean()) < 0.1


def test_without_lightgbm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(EcgEdgeError, match=r"\.\[training\].*libgomp1"):
        Teacher(features.table([make_beats(n=50)]))
