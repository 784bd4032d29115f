"""No output destroys an input, a file that something else made, or the results of an earlier run."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Run
from sinks_samples import MODEL, STREAM, an_alert, beat

from edge.errors import SinkError
from edge.sinks.jsonl import JsonLines
from edge.sinks.outputs import put_aside
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


def test_a_link_to_a_board_replaces_links_only(tmp_path: Path) -> None:
    path = tmp_path / "ttyECG"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        Pty(path)
    assert path.read_text() == "mine"
    path.unlink()
    path.symlink_to("/dev/null")
    line = Pty(path)
    assert path.resolve() == Path(line.path).resolve()
    line.close()
    assert not path.is_symlink()


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
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
