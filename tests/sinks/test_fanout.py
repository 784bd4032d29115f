"""One sink that fails does not take the others' results with it."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import wfdb
from sinks_samples import MODEL, STREAM, a_block, an_alert, beat
from small_disk import small_disk

from edge.messages import Gap
from edge.sinks.console import Console
from edge.sinks.display import Display
from edge.sinks.fanout import Fanout
from edge.sinks.jsonl import JsonLines
from edge.sinks.wfdb_annotations import WfdbAnnotations

ALERT = an_alert(strip=None)


def test_a_disk_that_fills_up_costs_only_what_is_on_it(tmp_path: Path, said: list[str]) -> None:
    console = io.StringIO()
    sinks = Fanout([JsonLines(Path("/dev/full"), "bed-3", MODEL), WfdbAnnotations(tmp_path), Console(Display(console))])
    sinks.open(STREAM)
    for message in (beat(100), ALERT, beat(400), ALERT):
        sinks.write(message)
    sinks.close("end of record")
    assert said == [str(error) for error in sinks.errors]
    assert len(said) == 1
    assert "/dev/full" in said[0]
    assert sinks.written == (str(tmp_path / "208.edge"),)
    assert wfdb.rdann(str(tmp_path / "208"), "edge").sample.tolist() == [100, 100, 400]
    assert console.getvalue().count("ventricular tachycardia") == 2


def test_a_file_goes_on_when_its_disk_has_room_again(tmp_path: Path, said: list[str]) -> None:
    with small_disk(tmp_path / "disk", "8k") as folder:
        hog = folder / "hog"
        hog.write_bytes(b"x" * 4096)
        path = folder / "alerts.jsonl"
        sinks = Fanout([JsonLines(path, "bed-3", MODEL)])
        sinks.open(STREAM)
        number = 0
        while not sinks.problems:
            number += 1
            sinks.write(an_alert(number=number))
        whole = path.read_bytes()
        assert whole.endswith(b"\n"), "a line is there whole or not at all"
        # Tried again after 10 and 30 s, in vain, and not told again.
        for second in range(40):
            sinks.write(a_block(second))
            sinks.write(an_alert(number=100 + second))
        assert path.read_bytes() == whole
        assert sinks.problems == (str(sinks.errors[0]),)
        assert len(said) == len(sinks.errors) == 1
        hog.unlink()
        sinks.write(a_block(68))
        assert sinks.problems, "not yet: it was last tried at 30 s"
        sinks.write(a_block(69))
        assert sinks.problems == ()
        sinks.write(an_alert(number=7, phase="end", end=1400, strip=None))
        lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        assert len(lines) == whole.count(b"\n") + 2, "the one it failed at, and the newest"
        assert lines[-1]["phase"] == "end"
        assert said[1:] == [f"{path}: written again; what came in between is missing there"]
        # That it fails anew is news.
        while not sinks.problems:
            sinks.write(an_alert())
        assert len(said) == 3
        sinks.close("stopped")
        assert sinks.written == (), "not all results are in it"
        assert len(sinks.errors) == 1


def test_a_folder_that_comes_later_is_written_to(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "folder").write_text("in the way")
    sinks = Fanout([JsonLines(tmp_path / "folder" / "a.jsonl", "bed-3", MODEL)])
    sinks.open(STREAM)
    (tmp_path / "folder").unlink()
    sinks.write(Gap(start=0, n=3600, decided=3600))
    sinks.write(ALERT)
    sinks.close("stopped")
    assert len(said) == 2
    assert (tmp_path / "folder" / "a.jsonl").read_bytes().count(b"\n") == 1


def test_what_fails_in_every_record_is_told_once_and_counted_each_time(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("")
    sinks = Fanout([WfdbAnnotations(tmp_path / "file"), JsonLines(tmp_path / "a.jsonl", "bed-3", MODEL)])
    for _ in range(2):
        sinks.open(STREAM)
        sinks.write(ALERT)
        sinks.close("end of record")
        assert len(sinks.errors) == 1
        assert sinks.written == (str(tmp_path / "a.jsonl"),)
    assert len(said) == 1
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 2
