"""Records that follow each other in a folder are one recording."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import wfdb

from edge.errors import SourceError
from edge.messages import Gap, Samples
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
