"""Rhythms that are learnt: trees as numbers, patients with rhythms, and what is counted right and wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import SourceError
from edge.inference.trees import TreeModel
from edge.messages import FS_HZ
from edge.wfdb_format.annotations import encode_annotations
from training import atrial, strips, trees, ventricular
from training.rhythms import Patient, read_patient, read_patients


def a_patient(parts: list[tuple[str, int, float]], seed: int = 0) -> Patient:
    """Beats by rhythm: note, how many, and how uneven their intervals are."""
    rng = np.random.default_rng(seed)
    rr, notes = [], []
    for note, n, uneven in parts:
        rr += list(0.8 * np.exp(uneven * rng.uniform(-1, 1, n)))
        notes += [note] * n
    samples = np.rint(np.cumsum(rr) * FS_HZ).astype(np.int64)
    return Patient(
        name=f"made/{seed}", samples=samples, classes=np.full(len(samples), "N"), rhythms=np.array(notes, "<U8")
    )


def test_grown_trees_say_what_they_have_learnt_and_the_device_says_the_same() -> None:
    pytest.importorskip("lightgbm", reason="needs lightgbm to grow trees")
    rows = np.random.default_rng(0).standard_normal((2000, 3))
    yes = rows[:, 0] + rows[:, 1] > 0
    grown = trees.grow(rows, yes, np.ones(2000), rounds=30, min_child_samples=20)
    odds = trees.log_odds(grown, rows)
    assert ((odds > 0) == yes).mean() > 0.93
    card = trees.card(
        "x", grown, features=("a", "b", "c"), example=(0.0,), records=["made/1"], split="none", metrics={}
    )
    model = TreeModel(card, ("a", "b", "c"), (0.0,))
    assert [model.log_odds(row) for row in rows[:50].tolist()] == pytest.approx(odds[:50].tolist())


def test_a_tree_that_could_ask_nothing_is_one_leaf() -> None:
    pytest.importorskip("lightgbm", reason="needs lightgbm to grow trees")
    grown = trees.grow(np.zeros((50, 2)), np.arange(50) % 2 == 0, np.ones(50), rounds=2)
    assert len(set(trees.log_odds(grown, np.array([[0.0, 0.0], [9.0, -9.0]])).tolist())) == 1


def test_intervals_over_patients_hold_the_gross_figure() -> None:
    low, high = trees.interval([9, 5, 7], [10, 10, 10])
    assert 50 <= low < 70 < high <= 90
    assert trees.with_interval("se", [0.0], [0.0]) == {}


def test_fibrillation_is_learnt_from_patients_and_told_of_others() -> None:
    pytest.importorskip("lightgbm", reason="needs lightgbm to grow trees")
    parts = [("(N", 300, 0.02), ("(AFIB", 400, 0.4), ("(N", 300, 0.02)]
    judged = [atrial.judge(a_patient(parts, seed)) for seed in range(6)]
    grown = atrial.learn(judged[:5], rounds=60, learning_rate=0.2, min_child_samples=5)
    told = atrial.tell(judged[5], grown)
    figures = atrial.figures([told])
    assert figures["se"] > 85
    assert figures["sp"] > 85
    assert told.false == 0


def test_flutter_counts_neither_way() -> None:
    patient = a_patient([("(N", 100, 0.02), ("(AFL", 100, 0.02), ("(AFIB", 100, 0.02)])
    whole = (int(patient.samples[0]), int(patient.samples[-1]))
    told = atrial.score(patient, [whole])
    assert told.tp_s == pytest.approx(80, abs=4)
    assert told.fp_s == pytest.approx(80, abs=4)
    assert told.fn_s == told.tn_s == 0
    assert told.false == 0


def test_ventricular_beats_join_no_pairs() -> None:
    patient = a_patient([("(N", 200, 0.02)])
    patient.classes[::3] = "V"
    assert not len(atrial.judge(patient).at)


def test_a_patient_is_read_with_the_rhythm_of_each_beat(tmp_path: Path) -> None:
    (tmp_path / "1.hea").write_text("1 0 128\n")
    notes = [(10, "+", "(N"), (20, "N", ""), (148, "A", ""), (200, "+", "(AFIB"), (276, "N", ""), (300, "V", "")]
    (tmp_path / "1.atr").write_bytes(encode_annotations(notes, 128))
    patient = read_patient(tmp_path / "1")
    assert patient.classes.tolist() == ["N", "S", "N", "V"]
    assert patient.rhythms.tolist() == ["(N", "(N", "(AFIB", "(AFIB"]
    assert patient.samples[1] - patient.samples[0] == FS_HZ
    with pytest.raises(SourceError, match=r"has no \.ecg files"):
        read_patients(tmp_path, "ecg")


def test_waits_and_seconds_of_ventricular_fibrillation() -> None:
    rhythms = np.array(["(N"] * 20 + ["(VFL"] * 20 + ["(VT"] * 5 + ["(N"] * 15)
    one = ventricular.Seen(
        name="made/1", messages=(), rhythms=rhythms, measured=np.zeros((57, 1, 10)), usable=np.zeros((57, 1), np.bool_)
    )
    found = ventricular.compare(one, [(22 * FS_HZ, 42 * FS_HZ, 27 * FS_HZ), (50 * FS_HZ, 51 * FS_HZ, 52 * FS_HZ)])
    assert (found.tp, found.fn, found.fp_tachycardia, found.false) == (18, 2, 3, 1)
    assert found.waits_s == (7.0,)
    assert ventricular.compare(one, []).waits_s == (float("inf"),)


def test_strips_are_scored_against_all_others() -> None:
    labels, said = np.array(["A", "A", "N", "O", "~"]), np.array([True, False, True, False, False])
    assert strips.figures(labels, said) == {"f1": 50.0, "se": 50.0, "ppv": 50.0}
