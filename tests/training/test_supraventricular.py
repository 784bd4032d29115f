"""S beats: measured for training as on the device, learnt, and told of others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edge.features import conducted, history
from edge.features.conducted import CONDUCTED_NAMES, RHYTHM, next_s
from edge.inference.trees import TreeModel
from edge.messages import FS_HZ, LabelledBeat
from edge.pipeline import atrial_model, ectopy_model
from edge.stages.atria import Atria
from training import supraventricular as s
from training import trees
from training.rhythms import Patient


class Asked(TreeModel):
    """The shipped model, and what it is asked."""

    def __init__(self) -> None:
        super().__init__(ectopy_model().card, conducted.NAMES, conducted.example())
        self.rows: list[Sequence[float]] = []

    def log_odds(self, features: Sequence[float]) -> float:
        self.rows.append(features)
        return super().log_odds(features)


def a_patient(seed: int = 0, n: int = 400, every: int = 9) -> Patient:
    """Sinus rhythm with a V beat now and then, and S beats that come early."""
    rng = np.random.default_rng(seed)
    usual_s = rng.uniform(0.7, 1.0)
    classes = np.full(n, "N")
    classes[5::every], classes[20::31] = "S", "V"
    rr_s = usual_s * np.exp(rng.normal(0, 0.02, n)) * np.where(classes == "N", 1, 0.65)
    samples = np.rint(np.cumsum(rr_s) * FS_HZ).astype(np.int64)
    return Patient(name=f"made/{seed}", samples=samples, classes=classes, rhythms=np.full(n, "(N", "<U8"))


def test_training_measures_what_the_stage_asks() -> None:
    patient = a_patient()
    n = len(patient.samples)
    features = np.random.default_rng(1).uniform(0.3, 1.2, (n, len(history.NAMES))).astype(np.float32)
    model = Asked()
    stage = Atria(atrial_model(), None, model)
    rr_s: list[float | None] = [None, *(np.diff(patient.samples) / FS_HZ).tolist()]
    for i, sample in enumerate(patient.samples.tolist()):
        rr = rr_s[i]
        beat = LabelledBeat(
            sample=sample,
            label=str(patient.classes[i]),  # type: ignore[arg-type]
            score=0.9,
            rr_ms=None if rr is None else rr * 1000,
            features=features[i],
            decided=sample,
        )
        (told, *_) = stage.push(beat)
        assert isinstance(told, LabelledBeat)
        assert told.features is None
        assert (told.label == "V") == (patient.classes[i] == "V")
        assert 0 <= told.score <= 1
    ventricular = patient.classes == "V"
    rows = s.measure(rr_s, [next_s(row) for row in features], ventricular, features)
    assert np.isnan(rows[ventricular]).all()
    np.testing.assert_allclose(rows[~ventricular], np.array(model.rows), rtol=1e-4, atol=1e-4)


def test_day_long_records_give_stretches_with_s_beats_and_without_signal() -> None:
    rows = s.of_patient(a_patient(n=5000, every=200))
    assert rows.ectopic.any()
    assert not rows.real.any()
    assert (rows.rows[:, : len(RHYTHM)] == 0).all()
    assert np.isfinite(rows.rows).all()
    assert rows.rows.shape[1] == len(RHYTHM) + len(CONDUCTED_NAMES) + 1


def test_s_beats_are_learnt_from_patients_and_told_of_others() -> None:
    pytest.importorskip("lightgbm", reason="needs lightgbm to grow trees")
    parts = [s.of_patient(a_patient(seed, n=1200)) for seed in range(4)]
    grown = s.learn(s.join(parts[:2]), parts[2])
    odds = trees.log_odds(grown, parts[3].rows)
    least = s.threshold(odds, parts[3].ectopic, parts[3].names)
    told = s.figures(odds, parts[3].ectopic, parts[3].names, least)
    assert told["f1"] > 90
    assert told["se_low"] <= told["se"] <= told["se_high"]
    doubled = trees.log_odds(trees.calibrated(grown, 2.0, 1.0), parts[3].rows)
    np.testing.assert_allclose(doubled, 2 * odds + 1, atol=1e-3)
