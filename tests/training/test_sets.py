"""Patients by what their beats are for."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import MakeRecord

from training import sets as gathering
from training import splits


def test_sets_are_gathered_by_patient(tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "DS1", ("106", "114"))
    monkeypatch.setattr(splits, "DS2", ("100",))
    for name in ("106", "114", "100"):
        make_record(name)
    for name in ("802", "803", "824"):
        make_record(name, database="svdb", fs_hz=128, leads=("ECG1", "ECG2"))
    sets = gathering.gather(tmp_path, tmp_path / "cache", lambda _: None)
    assert set(sets.train.records) == {"mitdb/106", "svdb/802"}
    assert set(sets.validation.records) == {"mitdb/114", "svdb/824"}
    assert set(sets.added.records) == {"mitdb/114", "svdb/824"}
    assert len(sets.added) > len(sets.validation)  # each lead alone as well
    assert [beats.record for beats in sets.test] == ["100"]
    alone = gathering.gather(tmp_path, tmp_path / "cache", lambda _: None, ["mitdb"])
    assert set(alone.train.records) == {"mitdb/106"}
    assert set(alone.validation.records) == {"mitdb/114"}


def test_the_subject_of_202_validates_but_is_never_learnt_from(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "DS1", ("106", "114", "201"))
    monkeypatch.setattr(splits, "DS2", ("100",))
    for name in ("106", "114", "201", "100"):
        make_record(name)
    make_record("802", database="svdb", fs_hz=128, leads=("ECG1", "ECG2"))
    sets = gathering.gather(tmp_path, tmp_path / "cache", lambda _: None)
    assert set(sets.validation.records) == {"mitdb/114", "mitdb/201"}
    assert set(sets.added.records) == {"mitdb/114"}
