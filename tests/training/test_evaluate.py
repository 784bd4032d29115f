from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb

from edge.errors import EcgEdgeError
from training.evaluate import evaluate, read_annotations, record_names
from training.report import render
from training.splits import DS1, DS2, PACED

FS_HZ = 360


def write_record(folder: Path, name: str, beats: list[tuple[int, str]], extension: str, seconds: int = 1800) -> None:
    """Write annotations and the header they belong to."""
    samples, symbols = zip(*beats, strict=True)
    wfdb.wrann(name, extension, np.array(samples), symbol=list(symbols), fs=FS_HZ, write_dir=str(folder))
    n = seconds * FS_HZ
    header = f"{name} 1 {FS_HZ} {n}\n{name}.dat 16 200 11 1024 0 0 0 MLII\n"
    (folder / f"{name}.hea").write_text(header, encoding="ascii")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Three records: two patients and a pacemaker."""
    folder = tmp_path / "database"
    folder.mkdir()
    write_record(folder, "100", [(1000 * k, "V" if k % 10 == 0 else "N") for k in range(1, 101)], "atr")
    write_record(folder, "232", [(1000 * k, "A" if k % 2 else "N") for k in range(1, 101)], "atr")
    write_record(folder, "102", [(1000 * k, "/") for k in range(1, 101)], "atr")
    return folder


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """What a replay might have written of them: two V missed, every second S called N, one beat extra."""
    folder = tmp_path / "found"
    folder.mkdir()
    beats = [(1000 * k + 4, "V" if k % 10 == 0 and k > 20 else "N") for k in range(1, 101)]
    write_record(folder, "100", [*beats, (150_000, "V")], "edge")
    write_record(folder, "232", [(1000 * k, "S" if k % 4 == 1 else "N") for k in range(1, 101)], "edge")
    write_record(folder, "102", [(1000 * k, "V") for k in range(1, 100)], "edge")
    return folder


def test_figures_of_three_records(database, found):
    report = evaluate(found, database, ["all"], without=["232"])
    qrs, v, s = report.qrs(), report.beat_class("V"), report.beat_class("S")
    assert (qrs.tp, qrs.fn, qrs.fp) == (299, 1, 1)
    assert (v.strict.tp, v.strict.fn, v.strict.fp) == (8, 2, 1)
    assert v.false_per_hour == 1.0
    assert (s.strict.se, s.strict.ppv) == (0.5, 1.0)
    assert report.beat_class("S", ["232"]).strict.tp == 0
    assert report.records[0].name == "100"
    assert report.records[0].offset_ms == pytest.approx((4000 / 360, 4000 / 360))


def test_paced_records_count_in_qrs_only(database, found):
    alone = evaluate(found, database, ["102"])
    assert alone.qrs().tp == 99
    assert alone.table.sum() == 0


def test_json_has_every_figure_and_null_where_undefined(database, found):
    summary = json.loads(evaluate(found, database, ["100"], without=["100"]).to_json())
    assert summary["classes"]["V"]["strict"]["se"] == 0.8
    assert summary["classes"]["V"]["ec57"]["fp"] == 1
    assert summary["classes"]["S"]["strict"]["se"] is None
    assert summary["classes"]["S"]["interval"]["f1"] == [None, None]
    assert summary["classes_without"]["V"]["false_per_hour"] is None
    assert summary["records"][0]["qrs"]["fp"] == 1


def test_text_shows_gross_figures_and_records(database, found):
    report = evaluate(found, database, ["all"], without=["232"])
    text = render(report, per_record=True)
    assert "Se  99.67, +P  99.67 (missed 1, extra 1)" in text
    assert "without 232" in text
    assert [line.split()[0] for line in text.splitlines()[-3:]] == ["100", "102", "232"]
    assert "232" not in render(evaluate(found, database, ["100"]))


def test_record_sets(database):
    assert record_names(["ds2", "ds1", "paced"], database) == DS2 + DS1 + PACED
    assert record_names(["DS2", "100", "x1"], database) == (*DS2, "x1")
    assert record_names(["all"], database) == ("100", "102", "232")
    write_record(database, "803", [(5, "N")], "atr")
    assert record_names(["svdb"], database) == ("803",)


def test_a_missing_file_is_named_in_one_line(database, found):
    (found / "232.edge").unlink()
    with pytest.raises(EcgEdgeError, match=r"232\.edge: No such file") as error:
        evaluate(found, database, ["all"])
    assert "\n" not in str(error.value)
    with pytest.raises(EcgEdgeError, match=r"999\.hea"):
        evaluate(found, database, ["999"])
    with pytest.raises(EcgEdgeError, match="no annotated records"):
        evaluate(found, found / "nowhere", ["all"])
    with pytest.raises(EcgEdgeError, match="101: is to be left out but"):
        evaluate(found, database, ["all"], without=["101"])


@pytest.mark.parametrize("damage", [b"", b"hello, I am text\n", b"\0", None])
def test_a_broken_file_is_named_in_one_line(database, found, damage):
    file = found / "100.edge"
    file.write_bytes(file.read_bytes()[:100] if damage is None else damage)
    with pytest.raises(EcgEdgeError, match=r"100\.edge: is no annotation file") as error:
        evaluate(found, database, ["100"])
    assert "\n" not in str(error.value)


def test_another_records_file_is_refused(database, found):
    write_record(database, "100", [(1000, "N")], "atr", seconds=60)
    with pytest.raises(EcgEdgeError, match=r"100\.edge: has a beat at sample 150,000, 100 has 21,600"):
        evaluate(found, database, ["100"])


def test_a_file_without_beats_is_scored_as_all_missed(database, found):
    (found / "100.edge").write_bytes(b"\0\0")
    assert evaluate(found, database, ["100"]).qrs().fn == 100


def test_ds2_holds_the_beats_published_for_it(mitdb, tmp_path):
    for name in DS2:
        shutil.copy(mitdb / f"{name}.atr", tmp_path / f"{name}.edge")
    report = evaluate(tmp_path, mitdb, ["ds2"])
    beats = {label: report.beat_class(label).strict.tp for label in "NSVFQ"}
    assert beats == {"N": 44_259, "S": 1_837, "V": 3_221, "F": 388, "Q": 7}


def test_what_the_sink_writes_can_be_read(tmp_path):
    from edge.wfdb_format.annotations import encode_annotations as encode

    (tmp_path / "x.edge").write_bytes(encode([(70, "+", "(N"), (80, "N", ""), (70_000, "S", "")], 360.0))
    samples, symbols = read_annotations(tmp_path / "x.edge")
    assert (samples.tolist(), symbols) == ([70, 80, 70_000], ["+", "N", "S"])


@pytest.mark.parametrize("stated", [("atr", 250), ("atr", 1000), ("edge", 128), ("edge", 1000)])
def test_each_file_counts_at_the_resolution_that_it_states(database, found, stated):
    extension, hz = stated
    folder = database if extension == "atr" else found
    at_record, symbols = read_annotations(folder / f"100.{extension}")
    samples = np.rint(at_record * hz / FS_HZ).astype(int)
    wfdb.wrann("100", extension, samples, symbol=symbols, fs=hz, write_dir=str(folder))
    report = evaluate(found, database, ["100"])
    assert (report.qrs().tp, report.qrs().fn, report.qrs().fp) == (100, 0, 1)
    assert report.records[0].hours == pytest.approx(0.5, abs=1e-4)
    assert report.records[0].offset_ms[1] < 20


def test_a_pipe_is_not_waited_for(database, found):
    (found / "100.edge").unlink()
    os.mkfifo(found / "100.edge")
    with pytest.raises(EcgEdgeError, match="is no regular file"):
        evaluate(found, database, ["100"])
