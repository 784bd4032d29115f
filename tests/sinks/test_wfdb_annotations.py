"""Annotation files: as wfdb writes them, and what is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sinks_samples import STREAM, beat, episode

from edge.errors import SinkError
from edge.kinds import STAGE_KINDS as KINDS
from edge.sinks.wfdb_annotations import RHYTHMS, WfdbAnnotations, rhythm_changes
from edge.wfdb_format.annotations import CODES, Annotation
from edge.wfdb_format.annotations import encode_annotations as encode

steps = st.one_of(st.integers(0, 3), st.integers(1000, 1100), st.integers(65_000, 66_000), st.integers(0, 2**24))
symbols = st.sampled_from(["N", "S", "V", "F", "Q"])
entries = st.one_of(
    st.tuples(steps, symbols, st.just("")),
    st.tuples(steps, st.just("+"), st.sampled_from([*RHYTHMS.values(), "(N", "(AFIB"])),
)


def in_time(entries: list[Annotation]) -> list[Annotation]:
    samples = np.cumsum([step for step, _, _ in entries])
    return [(int(sample), symbol, aux) for sample, (_, symbol, aux) in zip(samples, entries, strict=True)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(entries, min_size=1, max_size=40), fs_hz=st.sampled_from([360.0, 128.0, 257.5, 1000.0]))
def test_files_are_byte_for_byte_those_of_wfdb(
    tmp_path: Path, entries: list[tuple[int, str, str]], fs_hz: float
) -> None:
    annotations = in_time(entries)
    samples, marks, aux = (list(column) for column in zip(*annotations, strict=True))
    wfdb.wrann("theirs", "edge", np.array(samples), marks, aux_note=aux, fs=fs_hz, write_dir=str(tmp_path))
    assert encode(annotations, fs_hz) == (tmp_path / "theirs.edge").read_bytes()


def test_codes_are_those_of_wfdb() -> None:
    table = wfdb.io.annotation.ann_label_table
    theirs = dict(zip(table["symbol"], table["label_store"], strict=True))
    assert {symbol: theirs[symbol] for symbol in CODES} == CODES


def test_every_rhythm_is_a_kind_of_episode() -> None:
    assert set(RHYTHMS) <= set(KINDS)


@pytest.mark.parametrize(
    ("spans", "changes"),
    [
        ([], [(100, "(N")]),
        ([("vt", 500, 900)], [(100, "(N"), (500, "(VT"), (901, "(N")]),
        ([("vt", 100, 900)], [(100, "(VT"), (901, "(N")]),
        ([("vt", 500, None)], [(100, "(N"), (500, "(VT")]),
        ([("couplet", 500, 600)], [(100, "(N")]),
        # Ventricular tachycardia within bigeminy, which goes on after it.
        (
            [("bigeminy", 300, 2000), ("vt", 500, 900)],
            [(100, "(N"), (300, "(B"), (500, "(VT"), (901, "(B"), (2001, "(N")],
        ),
        # A run that becomes tachycardia, and one rhythm straight after another.
        ([("v_run", 500, 700), ("vt", 500, 900)], [(100, "(N"), (500, "(VT"), (901, "(N")]),
        ([("bigeminy", 300, 499), ("trigeminy", 500, 900)], [(100, "(N"), (300, "(B"), (500, "(T"), (901, "(N")]),
    ],
)
def test_rhythm_changes(spans: list[tuple[str, int, int | None]], changes: list[tuple[int, str]]) -> None:
    assert rhythm_changes(spans, 100) == changes


def test_a_record_is_read_back_in_order(tmp_path: Path) -> None:
    sink = WfdbAnnotations(tmp_path / "new" / "folder")
    sink.open(STREAM)
    for event in (beat(200), beat(500, "V"), beat(700, "V"), beat(900, "V"), episode(1, "v_run", 500), beat(1500)):
        sink.write(event)
    sink.write(episode(1, "v_run", 500, 900))
    sink.close("end of record")
    read = wfdb.rdann(str(tmp_path / "new" / "folder" / "208"), "edge")
    assert read.symbol == ["+", "N", "+", "V", "V", "V", "+", "N"]
    assert read.sample.tolist() == [200, 200, 500, 500, 700, 900, 901, 1500]
    assert [note.rstrip("\0") for note in read.aux_note if note] == ["(N", "(VT", "(N"]
    assert read.fs == 360
    assert Path(sink.where) == tmp_path / "new" / "folder" / "208.edge"


def test_a_record_without_beats_is_an_empty_file_that_can_be_read(tmp_path: Path) -> None:
    sink = WfdbAnnotations(tmp_path)
    sink.open(STREAM)
    sink.close("end of record")
    assert len(wfdb.rdann(str(tmp_path / "208"), "edge").sample) == 0


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    old = encode([(7, "N", "")], 360.0)
    (tmp_path / "208.edge").write_bytes(old)
    sink = WfdbAnnotations(tmp_path)
    sink.open(STREAM)
    sink.write(beat(200))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [old]
    sink.close("failed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["208.edge", "208.edge.1"]
    assert (tmp_path / "208.edge.1").read_bytes() == old
    assert len(wfdb.rdann(str(tmp_path / "208"), "edge").sample) == 2


def test_a_folder_that_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="file"):
        WfdbAnnotations(tmp_path / "file").open(STREAM)
    with pytest.raises(SinkError, match="--annotations"):
        WfdbAnnotations(Path("/proc/no")).open(STREAM)
    (tmp_path / "208.edge").mkdir()
    with pytest.raises(SinkError, match=r"208\.edge: is a folder"):
        WfdbAnnotations(tmp_path).open(STREAM)
