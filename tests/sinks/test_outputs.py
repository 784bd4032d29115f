"""No output destroys an input, a file that something else made, or the results of an earlier run."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command import Run
from msgspec.structs import replace
from sinks_samples import MODEL, STREAM, an_alert, beat

from edge.errors import SinkError
from edge.sinks.jsonl import JsonLines
from edge.sinks.outbox.outbox import Outbox
from edge.sinks.outputs import put, put_aside
from edge.sinks.wfdb_annotations import WfdbAnnotations
from edge.wfdb_format.annotations import decode_annotations
from firmware_bridge.emulator import Pty

FOREIGN = [b"[device]\nid = 'bed'\n", bytes(range(256)) * 8, b'{"a": 1}\n', b"\0\0", b"x"]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("content", FOREIGN)
def test_alerts_are_never_written_into_something_else(tmp_path: Path, content: bytes, keep: bool) -> None:
    path = tmp_path / "some.dat"
    path.write_bytes(content)
    with pytest.raises(SinkError, match="holds something else already"):
        JsonLines(path, "bed-3", MODEL, keep=keep).open(STREAM)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", FOREIGN)
def test_annotations_are_never_written_over_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{STREAM.name}.edge"
    path.write_bytes(content)
    with pytest.raises(SinkError):
        WfdbAnnotations(tmp_path).open(STREAM)
    assert path.read_bytes() == content


def annotate(folder: Path, *samples: int) -> bytes:
    sink = WfdbAnnotations(folder)
    sink.open(STREAM)
    for sample in samples:
        sink.write(beat(sample))
    sink.close("end of record")
    return (folder / f"{STREAM.name}.edge").read_bytes()


def test_annotations_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    whole = annotate(tmp_path, 100, 460, 820)
    assert annotate(tmp_path, 100, 460, 820) == whole
    assert [path.name for path in tmp_path.iterdir()] == [f"{STREAM.name}.edge"]
    partial = annotate(tmp_path, 100)
    again = annotate(tmp_path, 100, 460)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(kept.values(), key=len) == sorted([whole, partial, again], key=len)
    assert decode_annotations(kept[f"{STREAM.name}.edge"]).samples.tolist()[-1] == 460


def test_alerts_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    for number in range(3):
        sink = JsonLines(path, "bed-3", MODEL)
        sink.open(STREAM)
        sink.write(an_alert(number=number))
        sink.close("end of record")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["alerts.jsonl", "alerts.jsonl.1", "alerts.jsonl.2"]
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 3


def test_what_is_put_aside_takes_no_name_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    (tmp_path / "a.1").symlink_to(tmp_path / "nowhere")
    assert put_aside(path) == tmp_path / "a.2"
    assert put_aside(path) is None


# As data sets that are kept apart from their names have them: links, some to what is not there now.
@pytest.mark.parametrize("target", [".annex/objects/208", "/dev/null", "/dev/ptsx", "208.dat", "pipe"])
def test_links_pipes_and_devices_are_left_alone(tmp_path: Path, target: str) -> None:
    (tmp_path / "208.dat").write_bytes(b"signals")
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / f"{STREAM.name}.edge"
    path.symlink_to(target)
    with pytest.raises(SinkError, match=r"is no file|holds something else"):
        WfdbAnnotations(tmp_path).open(STREAM)
    with pytest.raises(FileExistsError):
        put(path, b"x", is_ours=lambda head: head == b"ours")
    with pytest.raises(FileExistsError):
        Pty(path)
    assert str(path.readlink()) == target
    assert (tmp_path / "208.dat").read_bytes() == b"signals"


def test_a_link_to_a_board_replaces_no_file_and_takes_its_own_away(tmp_path: Path) -> None:
    path = tmp_path / "ttyECG"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        Pty(path)
    assert path.read_text() == "mine"
    path.unlink()
    path.symlink_to("/dev/pts/98765")
    line = Pty(path)
    assert path.resolve() == Path(line.path).resolve()
    second = Pty(path)
    line.close()
    assert path.resolve() == Path(second.path).resolve()
    second.close()
    assert not path.is_symlink()


def test_an_emulator_says_what_stands_in_the_place_of_its_link(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    (tmp_path / "rec.dat").symlink_to(toy_record.with_suffix(".dat"))
    done = ecg_edge("emulate", toy_record, "--link", tmp_path / "rec.dat")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "is something else already: give --link a name that is free" in done.stderr
    assert (tmp_path / "rec.dat").readlink() == toy_record.with_suffix(".dat")


def test_the_second_of_two_records_of_one_name_is_refused(tmp_path: Path) -> None:
    sink = WfdbAnnotations(tmp_path)
    for sample in (100, 200):
        sink.open(replace(STREAM, name=f"r{sample}"))
        sink.write(beat(sample))
        sink.close("end of record")
    # As on a disk that does not tell capitals from small letters.
    (tmp_path / "R100.edge").hardlink_to(tmp_path / "r100.edge")
    with pytest.raises(SinkError, match="was written for another record just now"):
        sink.open(replace(STREAM, name="R100"))


@pytest.mark.parametrize("keep", [False, True])
def test_a_pipe_that_nobody_reads_holds_nobody_up(tmp_path: Path, keep: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SinkError, match="is a pipe that nobody reads"):
        JsonLines(tmp_path / "pipe", "bed-3", MODEL, keep=keep).open(STREAM)


def test_a_pipe_that_is_full_does_not_stop_a_watch(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    sink = JsonLines(tmp_path / "pipe", "bed-3", MODEL, keep=True)
    sink.open(STREAM)
    with pytest.raises(SinkError, match=r"nobody reads what comes|No space left|Illegal seek"):
        for _ in range(1000):
            sink.write(an_alert())
    os.close(reader)


def test_alerts_go_on_only_in_what_is_still_theirs(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    sink = JsonLines(path, "bed-3", MODEL)
    sink.open(STREAM)
    sink.close("end of record")
    path.write_bytes(b"signals")
    with pytest.raises(SinkError, match="holds something else already"):
        sink.open(STREAM)
    assert path.read_bytes() == b"signals"


@pytest.mark.parametrize("name", ["rec.dat", "rec.hea", "alerts"])
def test_an_outbox_is_never_made_of_something_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(bytes(range(256)) * 64)
    check_untouched(path, "holds something else already")


def test_an_outbox_is_never_put_into_the_database_of_something_else(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "home.db")) as connection:
        connection.execute("CREATE TABLE states (id INTEGER)")
    check_untouched(tmp_path / "home.db", "is the database of something else")


def check_untouched(path: Path, why: str) -> None:
    before = path.read_bytes()
    box = Outbox(path)
    assert box.trouble == f"alerts are kept in memory only: {why}"
    box.close()
    assert ({path.name: path.read_bytes()}, [file.name for file in path.parent.iterdir()]) == (
        {path.name: before},
        [path.name],
    )


def test_a_replay_destroys_no_input(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    for suffix in (".dat", ".hea"):
        (tmp_path / f"rec{suffix}").write_bytes(toy_record.with_suffix(suffix).read_bytes().replace(b"toy", b"rec"))
    config = tmp_path / "edge.toml"
    config.write_text("[device]\nid = 'bed-3'\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for output in (tmp_path / "rec.dat", tmp_path / "rec.hea", config):
        done = ecg_edge("replay", tmp_path / "rec", "--config", config, "--alerts", output)
        assert done.returncode == 1
        assert "holds something else already" in done.stderr
    (tmp_path / "mine.svg").write_text("<svg/>")
    before |= {tmp_path / "mine.svg": b"<svg/>"}
    done = ecg_edge("replay", tmp_path / "rec", "--plot", tmp_path / "mine.svg")
    assert (done.returncode, done.stderr.count("mine.svg")) == (1, 1)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    done = ecg_edge("replay", tmp_path / "rec", "--alerts", tmp_path / "a.svg", "--plot", tmp_path / "a.svg")
    assert (done.returncode, "is the file of --alerts already" in done.stderr) == (2, True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["toy.edge", "rec.EDGE"])
def test_alerts_and_annotations_are_not_asked_for_in_one_file(
    ecg_edge: Run, toy_record: Path, tmp_path: Path, name: str
) -> None:
    done = ecg_edge("replay", toy_record, "--annotations", tmp_path / "out", "--alerts", tmp_path / "out" / name)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "may be one of the files of --annotations" in done.stderr
