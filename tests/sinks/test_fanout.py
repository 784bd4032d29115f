"""One sink that fails does not take the others' results with it."""

from __future__ import annotations

import io
from pathlib import Path

import wfdb
from sinks_samples import MODEL, STREAM, an_alert, beat

from edge.errors import SinkError
from edge.sinks.console import Console
from edge.sinks.fanout import Fanout
from edge.sinks.jsonl import JsonLines
from edge.sinks.wfdb_annotations import WfdbAnnotations

ALERT = an_alert(strip=None)


def test_a_disk_that_fills_up_costs_only_what_is_on_it(tmp_path: Path) -> None:
    told: list[SinkError] = []
    console = io.StringIO()
    sinks = Fanout(
        [JsonLines(Path("/dev/full"), "bed-3", MODEL), WfdbAnnotations(tmp_path), Console(console)], told.append
    )
    sinks.open(STREAM)
    for message in (beat(100), ALERT, beat(400), ALERT):
        sinks.write(message)
    sinks.close("end of record")
    assert [str(error) for error in told] == [str(error) for error in sinks.errors]
    assert len(told) == 1
    assert "/dev/full" in str(told[0])
    assert sinks.written == (str(tmp_path / "208.edge"),)
    assert wfdb.rdann(str(tmp_path / "208"), "edge").sample.tolist() == [100, 100, 400]
    assert console.getvalue().count("ventricular tachycardia") == 2


def test_what_fails_in_every_record_is_told_once_and_counted_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told: list[SinkError] = []
    sinks = Fanout([WfdbAnnotations(tmp_path / "file"), JsonLines(tmp_path / "a.jsonl", "bed-3", MODEL)], told.append)
    for _ in range(2):
        sinks.open(STREAM)
        sinks.write(ALERT)
        sinks.close("end of record")
        assert len(sinks.errors) == 1
        assert sinks.written == (str(tmp_path / "a.jsonl"),)
    assert len(told) == 1
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 2
