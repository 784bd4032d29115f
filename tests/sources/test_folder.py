"""Records that follow each other in a folder are one recording."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
import wfdb

import edge
from edge.errors import SourceError
from edge.messages import Gap, Samples, Stream
from edge.sinks.recorder.files import JOURNAL, beside
from edge.sinks.recorder.ring import Limits, segments
from edge.sinks.recorder.segment import Segment
from edge.sinks.recorder.sink import Recorder
from edge.sources.files import open_recording

START = datetime(2026, 1, 2, 23, 59, 50)


def write(folder: Path, name: str, start: datetime | None, mv: np.ndarray, lead: str = "II") -> None:
    when = {} if start is None else {"base_date": start.date(), "base_time": start.time()}
    wfdb.wrsamp(name, 250, ["mV"], [lead], mv[:, None].astype(float), fmt=["16"], write_dir=str(folder), **when)


def test_parts_are_joined_with_gaps_between(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(0, 1, 2500) for _ in range(3)]
    for i, (mv, after_s) in enumerate(zip(parts, (0, 10, 25), strict=True)):
        write(tmp_path, f"p{2 - i}", START + timedelta(seconds=after_s), mv)
    write(tmp_path, "other", START, parts[0], lead="V1")
    recording = open_recording(str(tmp_path))
    messages = list(recording.blocks(777))
    at = 0
    for message in messages:
        assert message.start == at
        at = message.end if isinstance(message, Samples) else message.start + message.n
    assert at == recording.stream.n_samples == 35 * 250
    assert [(g.start, g.n) for g in messages if isinstance(g, Gap)] == [(5000, 1250)]
    mv = np.concatenate([m.mv for m in messages if isinstance(m, Samples)])[:, 0]
    np.testing.assert_allclose(mv, np.concatenate(parts), atol=0.001)
    assert recording.stream.start_time == START.replace(tzinfo=UTC)
    assert recording.stream.name == tmp_path.name
    assert "1 records are left out" in recording.stream.notes[0]


def test_what_is_no_recording_in_pieces_is_refused(tmp_path: Path) -> None:
    mv = np.zeros(2500)
    write(tmp_path, "a", None, mv)
    with pytest.raises(SourceError, match="do not say when they began"):
        open_recording(str(tmp_path))
    write(tmp_path, "a", START, mv)
    write(tmp_path, "b", START, mv)
    with pytest.raises(SourceError, match="of the same time: a and b"):
        open_recording(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="is a folder"):
        open_recording(str(tmp_path / "empty"))


@pytest.mark.parametrize(("tells", "told"), [(True, "asystole"), (False, "asystole_or_lead_off")])
def test_whether_electrodes_are_known_to_be_on_is_recorded(
    tells: bool, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(
        name="board",
        fs_hz=250,
        leads=("II",),
        start_time=START.replace(tzinfo=UTC),
        lead_off_detection=tells,
    )
    at = np.arange(40 * 250) / 250
    # A QRS complex every 0.8 s, then a dead flat line.
    mv = np.where(at < 25, np.exp(-0.5 * (((at + 0.4) % 0.8 - 0.4) / 0.012) ** 2), 0.0).astype(np.float32)[:, None]
    recorder = Recorder(tmp_path, "bed-1", Limits(max_bytes=10**9, max_s=1e9, segment_s=15, reserve_bytes=0))
    recorder.open(stream)
    for start in range(0, len(mv), 250):
        recorder.write(Samples(start=start, mv=mv[start : start + 250]))
    # The last segment is left as by a process that is killed.
    monkeypatch.setattr(Segment, "complete", Segment.let_go)
    recorder.close("killed")
    monkeypatch.undo()
    assert any(beside(kept.path, JOURNAL).exists() for kept in segments(tmp_path))
    recorder.open(msgspec.structs.replace(stream, lead_off_detection=not tells))
    recorder.close("nothing came")
    assert all(kept.finished for kept in segments(tmp_path))
    assert {open_recording(str(kept.path)).stream.lead_off_detection for kept in segments(tmp_path)} == {tells}
    assert [e.kind for e in edge.analyze(tmp_path).episodes if e.priority == "high"] == [told]


def test_a_folder_of_which_one_record_does_not_say_so_does_not_know_electrodes_on(tmp_path: Path) -> None:
    for i, tells in enumerate((True, False)):
        write(tmp_path, f"p{i}", START + timedelta(seconds=10 * i), np.zeros(2500))
        header = tmp_path / f"p{i}.hea"
        header.write_text(header.read_text() + "# no value where an electrode is off\n" * tells)
    assert open_recording(str(tmp_path / "p0")).stream.lead_off_detection
    assert not open_recording(str(tmp_path)).stream.lead_off_detection
