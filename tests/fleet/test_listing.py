"""What is to be read: every way of saying so leads to the same locations, and what leads nowhere is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive import archive, write

from edge.errors import EcgEdgeError
from edge.fleet.listing import locations

MV = np.zeros((3600, 1), np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    archive(tmp_path / "holters", MV, ["a/100", "b/100", "b/101"])
    return tmp_path / "holters"


def names(folder: Path) -> list[str]:
    return [str(folder / name) for name in ("a/100", "b/100", "b/101")]


def test_a_folder_a_pattern_and_names_lead_to_the_same_records(folder: Path) -> None:
    everything = names(folder)
    assert locations([str(folder)]) == everything
    assert locations([str(folder / "*")]) == everything
    assert locations([str(folder / "**" / "10?")]) == everything
    assert locations([str(folder / "*" / "*.hea")]) == everything
    assert locations([str(folder / "*" / "*")]) == everything
    assert locations(everything) == everything
    assert locations(["100"], folder / "a") == everything[:1]


def test_each_is_read_once_however_often_it_is_named(folder: Path) -> None:
    assert locations([str(folder / "b"), str(folder), str(folder / "a/100.hea")]) == [
        str(folder / name) for name in ("b/100", "b/101", "a/100")
    ]


def test_lists_say_where_records_are_beside_them(folder: Path) -> None:
    (folder / "RECORDS").write_text("a/100\nb/100\n\n# the third\nb/101\n")
    (folder / "list.csv").write_text("patient,record\n1,a/100\n2,b/100.hea\n3,b/101\n4,\n")
    pq.write_table(pa.table({"record": names(folder)}), folder / "list.parquet")
    for word in ("RECORDS", "@list.csv", "@list.parquet", "@RECORDS"):
        name = word.removeprefix("@")
        assert locations([f"{'@' * word.startswith('@')}{folder / name}"]) == names(folder)


def test_a_record_of_several_segments_is_one_record(folder: Path) -> None:
    (folder / "b/102.hea").write_text("102/2 1 360 7200\n102_0001 3600\n102_0002 3600\n")
    archive(folder / "b", MV, ["102_0001", "102_0002", "102_0003", "103_0001"])
    expected = [*names(folder), *(str(folder / "b" / name) for name in ("102", "102_0003", "103_0001"))]
    assert locations([str(folder)]) == expected
    assert locations([f"file://{folder}"]) == [f"file://{name}" for name in expected]


def test_urls_are_listed_by_fsspec(folder: Path) -> None:
    expected = [f"file://{name}" for name in names(folder)]
    assert locations([f"file://{folder}"]) == expected
    assert locations([f"file://{folder}/**/*.hea"]) == expected
    assert locations([f"file://{folder}/b/10?"]) == expected[1:]
    assert locations([expected[0], f"{expected[1]}.hea"]) == expected[:2]
    (folder / "list.txt").write_text(f"a/100\n{expected[1]}\n")
    assert locations([f"@file://{folder}/list.txt"]) == expected[:2]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("nosuch", "no such record"),
        ("empty", "no record is there"),
        ("no/such/*", "no record is there"),
        ("@nosuch.txt", "the list cannot be read"),
        ("@wrong.csv", "has no column 'record': its columns are name"),
        ("@wrong.parquet", "is no Parquet file"),
        ("file:///no/such/folder", "no record is there"),
        ("file:///no/**such", "cannot be listed"),
        ("nosuch://bucket/a", "cannot be read"),
    ],
)
def test_what_leads_nowhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.csv").write_text("name\na\n")
    (tmp_path / "wrong.parquet").write_text("name\na\n")
    with pytest.raises(EcgEdgeError, match=said):
        locations([word])


def test_a_record_called_like_its_folder_is_a_record(tmp_path: Path) -> None:
    write(tmp_path / "a", MV)
    archive(tmp_path / "a", MV, ["b"])
    assert locations([str(tmp_path / "a")]) == [str(tmp_path / "a")]


def test_edf_is_found_in_folders_and_tables_where_they_are_asked_for(folder: Path) -> None:
    for name in ("a/one.EDF", "a/100.edf", "b/table.csv", "b/notes.txt"):
        (folder / name).write_text("")
    everything = sorted([*names(folder), str(folder / "a/one.EDF")])
    assert locations([str(folder)]) == everything
    assert locations([f"file://{folder}"]) == [f"file://{name}" for name in everything]
    table = str(folder / "b/table.csv")
    assert locations([table]) == locations([str(folder / "b/*.csv")]) == [table]
    assert locations(["table.csv"], folder / "b") == [table]
    assert locations([f"file://{table}"]) == locations([f"file://{folder}/**/*.csv"]) == [f"file://{table}"]
