"""From records to labelled beats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st
from synthetic import MakeRecord, make_beats

from edge.errors import SourceError
from training import datasets
from training.datasets import CLASSES, load, match, prepare, read_beats, records_of, save

LEARNING = 7


def counts(labels: np.ndarray) -> list[int]:  # type: ignore[type-arg]
    return [int((labels == i).sum()) for i in range(len(CLASSES))]


def test_a_record_becomes_labelled_beats(make_record: MakeRecord) -> None:
    beats = read_beats(make_record("1"), "1")
    assert (beats.database, beats.record, beats.variant) == ("mitdb", "1", "")
    # The detector needs some beats to know the signal; nothing is lost after them.
    assert counts(beats.labels)[1:] == [1, 1, 0, 0]
    assert (np.array(counts(beats.labels)) + beats.missed).tolist() == [18, 1, 1, 0, 0]
    assert beats.missed[0] <= LEARNING
    assert beats.windows.dtype == beats.features.dtype == np.float32


def test_another_rate_gives_the_same_labels_at_360_hz(make_record: MakeRecord) -> None:
    folder = make_record("1")
    make_record("2", fs_hz=250)
    one, other = read_beats(folder, "1"), read_beats(folder, "2")
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_allclose(one.samples, other.samples, atol=4)


def test_one_lead_alone_can_be_read(make_record: MakeRecord) -> None:
    folder = make_record("1")
    for lead in (0, 1):
        beats = read_beats(folder, "1", leads=(lead,))
        assert beats.variant == str(lead)
        assert not beats.windows[:, :, 1].any()
        assert counts(beats.labels)[0] >= 18 - LEARNING


def test_what_is_no_beat_is_no_label(make_record: MakeRecord) -> None:
    beats = read_beats(make_record("1", symbols="NNNNNNNNNN+NNNN~NN"), "1")
    # The marks stand where the signal has a wave: it is found, and no annotated beat answers to it.
    assert counts(beats.labels)[0] >= 16 - LEARNING
    assert (beats.labels < 0).sum() == 2


@given(
    found=st.lists(st.integers(0, 5000), unique=True, max_size=30),
    annotated=st.lists(st.integers(0, 5000), unique=True, max_size=30),
)
def test_each_annotation_is_used_once_and_none_is_lost(found: list[int], annotated: list[int]) -> None:
    classes = (np.arange(len(annotated)) % 5).astype(np.int8)
    labels, missed = match(np.sort(np.array(found, np.int64)), np.sort(np.array(annotated, np.int64)), classes)
    assert (np.array(counts(labels)) + missed).tolist() == counts(classes)
    for sample, label in zip(sorted(found), labels, strict=True):
        if label >= 0:
            assert min(abs(sample - other) for other in annotated) <= 54


def test_the_nearest_is_matched() -> None:
    labels, missed = match(np.array([100, 150]), np.array([148]), np.array([2], np.int8))
    assert labels.tolist() == [-1, 2]
    assert not missed.any()


def test_beats_survive_being_saved(tmp_path: Path) -> None:
    beats = make_beats()
    save(beats, tmp_path / "101.npz", "key")
    again = load(tmp_path / "101.npz", "key")
    assert again is not None
    assert (again.database, again.record, again.variant) == ("mitdb", "101", "")
    for field in ("windows", "features", "labels", "samples", "usable", "missed"):
        np.testing.assert_array_equal(getattr(again, field), getattr(beats, field))
    assert [path.name for path in tmp_path.iterdir()] == ["101.npz"]
    assert load(tmp_path / "101.npz", "other key") is None
    assert load(tmp_path / "102.npz", "key") is None
    (tmp_path / "101.npz").write_bytes(b"PK cut off")
    assert load(tmp_path / "101.npz", "key") is None
    np.savez(tmp_path / "103.npz", mine=np.ones(3))
    with pytest.raises(FileExistsError, match="holds something else already"):
        save(beats, tmp_path / "103.npz", "key")


def times(cache: Path) -> list[int]:
    return [path.stat().st_mtime_ns for path in sorted(cache.rglob("*.npz"))]


def test_prepared_beats_are_made_once(tmp_path: Path, make_record: MakeRecord) -> None:
    folder = make_record("1")
    cache = tmp_path / "cache"
    first = list(prepare(folder, ["1"], cache, datasets.ONE_LEAD_TOO))
    assert [beats.variant for beats in first] == ["", "0", "1"]
    made = times(cache)
    again = list(prepare(folder, ["1"], cache, datasets.ONE_LEAD_TOO))
    np.testing.assert_array_equal(again[0].features, first[0].features)
    assert times(cache) == made


@pytest.mark.parametrize("change", ["record", "annotations", "features", "code"])
def test_prepared_beats_are_made_anew_when_what_they_are_made_of_changes(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    folder = make_record("1")
    cache = tmp_path / "cache"
    (first,) = prepare(folder, ["1"], cache)
    if change == "record":
        make_record("1", symbols="NNNNNNNNANNNNVNNNNNNNNNN")
    elif change == "annotations":
        peaks = wfdb.rdann(str(folder / "1"), "atr")
        wfdb.wrann("1", "atr", peaks.sample, ["V"] * len(peaks.sample), write_dir=str(folder))
    elif change == "features":
        monkeypatch.setattr(datasets, "FINGERPRINT", "other")
    else:
        monkeypatch.setattr(datasets, "_code", lambda: b"other")
    made = times(cache)
    (again,) = prepare(folder, ["1"], cache)
    assert times(cache) != made
    if change in ("record", "annotations"):
        assert counts(again.labels) != counts(first.labels)


def test_a_folder_without_records_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="ecg-train fetch"):
        records_of(tmp_path)


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="999"):
        read_beats(tmp_path, "999")


def test_a_database_that_is_there_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "mitdb").mkdir()
    assert datasets.locate("mitdb", tmp_path) == tmp_path / "mitdb"


def test_a_download_that_fails_leaves_no_empty_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(wfdb, "dl_database", fails)
    with pytest.raises(SourceError, match="no network"):
        datasets.locate("mitdb", tmp_path)
    assert not (tmp_path / "mitdb").exists()
