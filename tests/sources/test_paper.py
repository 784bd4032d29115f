"""Pictures of ECG paper as recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import SourceError
from edge.findings.analyze import findings_of
from edge.inference.beat_model import BeatModel
from edge.messages import Samples
from edge.paper import Digitized, Lead
from edge.sources.files import open_recording
from edge.sources.paper import recording_of

FS_HZ = 500.0


def page(spans: dict[str, tuple[float, float]], n: int = 5000) -> Digitized:
    """What would be read of leads that are printed from and to some seconds."""
    t = np.arange(n) / FS_HZ
    leads = {
        name: np.where((t >= start) & (t < stop), np.sin(t), np.nan).astype(np.float32)
        for name, (start, stop) in spans.items()
    }
    quality = tuple(Lead(name, start, stop, 1.0, 1.0) for name, (start, stop) in spans.items())
    return Digitized(leads=leads, fs_hz=FS_HZ, layout="3x4+1", assumed=("gain 10 mm/mV",), quality=quality)


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xd8\xff\xe0\0", b""])
@pytest.mark.parametrize("suffix", [".pdf", ".png", ".jpg", ".heic"])
def test_a_picture_of_nothing_is_refused_in_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"page{suffix}"
    path.write_bytes(content)
    with pytest.raises(SourceError) as told:
        open_recording(str(path))
    assert "page" in str(told.value)
    assert "\n" not in str(told.value)


def test_the_lead_that_goes_through_the_page_is_followed() -> None:
    read = page({"I": (0, 2.5), "aVR": (2.5, 5), "II": (0, 10)})
    recording = recording_of(read, "p")
    assert recording.stream.leads == ("II",)
    assert any("assumed" in note for note in recording.stream.notes)


def test_where_none_goes_through_leads_are_joined() -> None:
    recording = recording_of(page({"I": (0, 2.5), "aVR": (2.5, 5), "V1": (5, 7.5), "V4": (7.5, 10)}), "page")
    assert recording.stream.leads == ("joined",)
    assert sum(len(block.mv) for block in recording.blocks(10_000) if isinstance(block, Samples)) == 5000


def test_leads_can_be_chosen_by_name() -> None:
    read = page({"I": (0, 10), "II": (0, 10)})
    assert recording_of(read, "p", ("ii",)).stream.leads == ("II",)
    with pytest.raises(SourceError, match="has no lead V9"):
        recording_of(read, "p", ("V9",))


@pytest.mark.parametrize("columns", [2, 4])
def test_leads_that_follow_each_other_give_the_rate_of_the_whole_page(columns: int) -> None:
    t = np.arange(5000) / 500
    beats = np.arange(0.4, 10, 0.62)
    wave = sum(
        np.exp(-(((t - beat) / 0.015) ** 2)) + 0.2 * np.exp(-(((t - beat - 0.25) / 0.05) ** 2)) for beat in beats
    )
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    leads, quality = {}, []
    for k, name in enumerate(names):
        first = k // (12 // columns) * 5000 // columns
        shown = (np.arange(5000) >= first) & (np.arange(5000) < first + 5000 // columns)
        leads[name] = np.where(shown, (1.2 - 0.2 * k) * wave + 0.3 * k, np.nan).astype(np.float32)
        quality.append(Lead(name, first / 500, first / 500 + 10 / columns, 1.0, 1.0))
    read = Digitized(leads=leads, layout="3x4" if columns == 4 else "6x2", quality=tuple(quality))
    recording = recording_of(read, "page")
    assert any("joined" in note for note in recording.stream.notes)
    with BeatModel.load() as model:
        found = findings_of(recording, model).beats["time_s"]
    assert len(found) == pytest.approx(len(beats), abs=1)
    assert np.median(np.diff(found)) == pytest.approx(0.62, abs=0.02)
