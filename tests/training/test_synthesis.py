"""Patients that are made."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import make_beats

from edge.features.history import NAMES
from edge.features.window import LEADS, WINDOW
from training.datasets import CLASSES, LabelledBeats
from training.synthesis import synthesize

N, S, V, F = (CLASSES.index(label) for label in "NSVF")


@pytest.fixture(scope="module")
def real() -> LabelledBeats:
    return make_beats("106", n=900)


@pytest.fixture(scope="module")
def made(real: LabelledBeats) -> dict[str, LabelledBeats]:
    return {beats.variant: beats for beats in synthesize(real)}


def share(beats: LabelledBeats, label: int) -> float:
    return float((beats.labels == label).mean())


def test_every_kind_is_made_and_is_the_same_patient(made: dict[str, LabelledBeats]) -> None:
    assert set(made) == {"frequent", "runs", "fibrillation", "uneven", "fusion"}
    for beats in made.values():
        n = len(beats.labels)
        assert (beats.database, beats.record) == ("mitdb", "106")
        assert beats.windows.shape == (n, WINDOW, LEADS)
        assert beats.features.shape == (n, len(NAMES))
        assert np.isfinite(beats.features).all()
        assert beats.usable.all()
        assert (np.diff(beats.samples) > 0).all()


def test_s_beats_become_usual(real: LabelledBeats, made: dict[str, LabelledBeats]) -> None:
    assert share(made["frequent"], S) > share(real, S)


def test_runs_are_steady_and_faster_than_the_sinus_beats_between_them(made: dict[str, LabelledBeats]) -> None:
    beats = made["runs"]
    rr = np.diff(beats.samples)
    label = beats.labels[1:]
    assert set(beats.labels.tolist()) == {N, S}
    assert np.median(rr[label == N]) > 1.3 * np.median(rr[label == S])
    assert rr[label == S].std() < 0.1 * rr[label == S].mean()


def test_fibrillation_is_irregular_without_p_waves_and_holds_no_s(made: dict[str, LabelledBeats]) -> None:
    beats = made["fibrillation"]
    assert set(beats.labels.tolist()) <= {N, V}
    rr = np.diff(beats.samples)[(beats.labels == N)[1:]]
    assert rr.std() > 0.08 * rr.mean()
    irregularity = beats.features[100:, NAMES.index("irregularity_usual")]
    assert np.median(irregularity) > np.median(made["runs"].features[100:, NAMES.index("irregularity_usual")])


def test_an_uneven_sinus_drops_beats_and_only_s_beats_come_much_too_early(real: LabelledBeats) -> None:
    every = [beats for seed in range(12) for beats in synthesize(real, seed) if beats.variant == "uneven"]
    longest, early = [], []
    for beats in every:
        assert set(beats.labels.tolist()) <= {N, S}
        rr = np.diff(beats.samples)
        usual = np.median(rr)
        longest.append(float(np.quantile(rr / usual, 0.97)))
        early += (rr[beats.labels[1:] == S] / usual).tolist()
    assert max(longest) > 1.5
    assert min(longest) < 1.3
    assert np.median(early) < 0.9


def test_fusion_beats_lie_between_the_patients_normal_and_ventricular_ones(made: dict[str, LabelledBeats]) -> None:
    beats = made["fusion"]
    height = beats.windows[:, 44:52].mean(axis=(1, 2))
    assert {N, V, F} <= set(beats.labels.tolist())
    n, f, v = (float(np.median(height[beats.labels == label])) for label in (N, F, V))
    assert n < f < v


def test_the_seed_decides(real: LabelledBeats) -> None:
    one, again, other = (synthesize(real, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.features, b.features) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a.samples, b.samples) for a, b in zip(one, other, strict=True))


def test_of_too_few_beats_nothing_is_made() -> None:
    assert synthesize(make_beats(n=12)) == []
