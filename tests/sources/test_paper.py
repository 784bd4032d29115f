"""Pictures of ECG paper as recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import SourceError
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


def test_where_none_goes_through_all_are_used() -> None:
    read = page({"I": (0, 2.5), "aVR": (2.5, 5), "V1": (5, 7.5), "V4": (7.5, 10)})
    assert recording_of(read, "p").stream.leads == ("I", "aVR", "V1", "V4")


def test_leads_can_be_chosen_by_name() -> None:
    read = page({"I": (0, 10), "II": (0, 10)})
    assert recording_of(read, "p", ("ii",)).stream.leads == ("II",)
    with pytest.raises(SourceError, match="has no lead V9"):
        recording_of(read, "p", ("V9",))
