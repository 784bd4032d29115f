"""Splits of patients."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.splits import DS1, DS2, PACED, VALIDATION, folds, svdb_training, svdb_unseen


def test_de_chazals_halves_share_no_record_and_leave_out_the_paced() -> None:
    assert len(set(DS1)) == len(set(DS2)) == 22
    assert not set(DS1) & set(DS2)
    assert not set(PACED) & (set(DS1) | set(DS2))


def test_together_they_are_the_database(mitdb: Path) -> None:
    assert {*DS1, *DS2, *PACED} == {path.stem for path in mitdb.glob("*.hea")}


def test_validation_patients_are_of_the_training_sets() -> None:
    assert set(VALIDATION["mitdb"]) < set(DS1)
    assert svdb_training(VALIDATION["svdb"]) == tuple(sorted(VALIDATION["svdb"]))


@given(st.sets(st.integers(800, 894).map(str)))
def test_of_the_supraventricular_records_some_stay_unseen(records: set[str]) -> None:
    assert set(svdb_training(records)) | set(svdb_unseen(records)) == records
    assert not set(svdb_training(records)) & set(svdb_unseen(records))


@given(st.integers(2, 22), st.randoms())
def test_folds_hold_each_patient_once_whatever_their_order(n: int, random: object) -> None:
    shuffled = sorted(DS1, key=lambda _: random.random())  # type: ignore[attr-defined]
    dealt = folds(shuffled, n)
    assert dealt == folds(DS1, n)
    assert sorted(record for fold in dealt for record in fold) == sorted(DS1)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@pytest.mark.parametrize("n", [0, 1, 23])
def test_impossible_folds_are_an_error(n: int) -> None:
    with pytest.raises(ValueError, match=str(n)):
        folds(DS1, n)
