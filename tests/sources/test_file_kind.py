"""What is said of files that are no recordings, and which record is meant by one of its files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from command import write_record

from edge.errors import SourceError
from edge.sources.files import open_recording
from edge.sources.wfdb_lookup import find_record
from edge.wfdb_format.annotations import encode_annotations

ANNOTATIONS = encode_annotations([(100, "N", ""), (400, "V", "")], 250.0)
OLD_ANNOTATIONS = bytes([100, 4, 200, 4, 0, 0])
KINDS = {
    "orphan.dat": (bytes(range(256)) * 4, "is a signal file without its header", "fetch orphan.hea as well"),
    "lone.atr": (OLD_ANNOTATIONS, "is an annotation file", "give the record"),
    "lone.man": (OLD_ANNOTATIONS, "is an annotation file", "give the record"),
    "lone": (ANNOTATIONS, "is an annotation file", "give the record"),
    "page": (b"%PDF-1.7\n", "is a PDF document", "ends as its kind does"),
    "photo": (b"\x89PNG\r\n\x1a\n\0\0", "is a picture", "ends as its kind does"),
    "records.zip": (b"PK\x03\x04\0\0", "is an archive", "unpack it"),
    "records.tar.gz": (b"\x1f\x8b\x08\0", "is an archive", "unpack it"),
    "IM0001": (bytes(128) + b"DICM", "is a DICOM file", "ends in .dcm"),
    "aecg": (b'<?xml version="1.0"?>', "is an XML file", "ends in .xml"),
    "rest.scp": (b"\0" * 16 + b"SCPECG", "is an SCP-ECG file", "export it"),
    "recorder": (b"0       " + b" " * 248, "is an EDF file", "ends in .edf"),
    "alerts.jsonl": (b'{"id":"01","device":"bed-3"}\n', "is a log of alerts", "give the recording"),
    "edge.toml": (b"[device]\n", "is a configuration", "--config"),
    "cnn.tflite": (b"\x20\0\0\0TFL3\0", "is a model", "--model"),
    "box.sqlite": (b"SQLite format 3\0", "is a database", "give a recording"),
    "table": (b"time,II\n0,0.1\n", "is a text", "ends in .csv"),
    "x.bin": (b"\x07\x01\x02\x99\xfe\x01\x00" * 9, "is a file of no known kind", "give a recording"),
    "empty": (b"", "is an empty file", "fetch it again"),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("by_data", [False, True])
def test_what_is_no_recording_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, by_data: bool
) -> None:
    content, what, fix = KINDS[name]
    (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ECG_EDGE_DATA", raising=False)
    with pytest.raises(SourceError) as told:
        open_recording(name if by_data else str(tmp_path / name), tmp_path if by_data else None)
    assert str(told.value).startswith(name if by_data else str(tmp_path / name))
    assert f": {what}: " in str(told.value)
    assert fix in str(told.value)


def test_what_is_no_file_is_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "annexed").symlink_to("objects/annexed")
    (tmp_path / "empty").mkdir()
    (tmp_path / "deep" / "records").mkdir(parents=True)
    write_record(tmp_path / "deep" / "records", "100", np.zeros((400, 1), np.float32))
    for name, what in {
        tmp_path / "pipe": "is no regular file",
        tmp_path / "pipe.csv": "is no regular file",
        tmp_path / "loop": "cannot be read",
        tmp_path / "annexed": "is a link to nowhere",
        tmp_path / "empty": "is a folder without records",
        tmp_path / "deep": f"is a folder: give the path of a record, such as {tmp_path}/deep/records/100",
        tmp_path / "deep" / "records": "is a folder of records that do not say when they began: it holds 1 record; one",
        "/dev/zero": "is a device: watch a board with `ecg-edge run --port`",
        "socket://localhost:3333": "is an address, not a file: a board is watched with",
        "https://example.org/100.hea": "is an address, not a file: fetch what is there",
        "": "is no name of a record",
        "/": "is no name of a record",
        "a\0b": "is no name of a record",
        "x" * 5000: "cannot be read, File name too long: check the path",
    }.items():
        with pytest.raises(SourceError) as told:
            open_recording(str(name))
        assert what in str(told.value)
        assert len(str(told.value)) < 600


def test_whichever_file_of_a_record_is_named_the_record_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "r.1"
    (tmp_path / "r.1.mat").write_bytes(bytes(800))
    (tmp_path / "r.1.hea").write_text("r.1 1 360 400\nr.1.mat 16 1000/mV 16 0 0 0 0 II\n")
    (tmp_path / "r.1.qrs").write_bytes(OLD_ANNOTATIONS)
    (tmp_path / "r.1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.chdir(tmp_path)
    for named in ("r.1", "r.1.hea", "r.1.mat", "r.1.qrs", "r.1.atr", "./r.1.dat"):
        assert find_record(named) == Path(named).with_name("r.1")
        assert find_record(str(record.with_name(Path(named).name))) == record
        assert find_record(Path(named).name, tmp_path) == record
    with pytest.raises(SourceError, match="is a picture"):
        find_record("r.1.png")
