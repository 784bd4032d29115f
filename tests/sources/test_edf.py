"""EDF as an independent library writes it, and as it is in the wild."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyedflib
import pytest
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.messages import Gap, Samples
from edge.sources.edf import EdfRecording
from edge.sources.read_as import ReadAs

Signals = dict[str, tuple[NDArray[np.float64], int, str]]


def wave(seconds: int, fs_hz: int, seed: int = 0) -> NDArray[np.float64]:
    t = np.arange(seconds * fs_hz) / fs_hz % 0.8
    rng = np.random.default_rng(seed)
    return np.asarray(np.exp(-(((t - 0.4) / 0.012) ** 2)) + rng.normal(0, 0.01, len(t)))


def write(path: Path, signals: Signals, kind: int = pyedflib.FILETYPE_EDFPLUS, notes: bool = True) -> Path:
    writer = pyedflib.EdfWriter(str(path), len(signals), file_type=kind)
    writer.setPatientName("Jane_Doe")
    writer.setStartdatetime(datetime(2024, 2, 3, 4, 5, 6))
    wide = kind in (pyedflib.FILETYPE_BDF, pyedflib.FILETYPE_BDFPLUS)
    writer.setSignalHeaders(
        [
            {
                "label": label,
                "dimension": unit,
                "sample_frequency": fs_hz,
                "physical_min": -5000 if unit == "uV" else -5,
                "physical_max": 5000 if unit == "uV" else 5,
                "digital_min": -8388608 if wide else -32768,
                "digital_max": 8388607 if wide else 32767,
                "transducer": "",
                "prefilter": "",
            }
            for label, (_, fs_hz, unit) in signals.items()
        ]
    )
    writer.writeSamples([values for values, _, _ in signals.values()])
    if notes and kind in (pyedflib.FILETYPE_EDFPLUS, pyedflib.FILETYPE_BDFPLUS):
        writer.writeAnnotation(3, -1, "felt it")
    writer.close()
    return path


def read(path: Path, n: int = 1000) -> tuple[NDArray[np.float32], list[Gap]]:
    messages = list(EdfRecording(path).blocks(n))
    end = 0
    for message in messages:
        assert message.start == end
        end = message.end if isinstance(message, Samples) else message.start + message.n
    mv = np.concatenate([m.mv for m in messages if isinstance(m, Samples)])
    return mv, [m for m in messages if isinstance(m, Gap)]


@pytest.mark.parametrize("n", [1, 77, 256, 1000, 10**6])
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        (pyedflib.FILETYPE_EDF, "edf"),
        (pyedflib.FILETYPE_EDFPLUS, "edf"),
        (pyedflib.FILETYPE_BDFPLUS, "bdf"),
    ],
)
def test_samples_are_those_of_an_independent_reader(tmp_path: Path, kind: int, suffix: str, n: int) -> None:
    a, b = wave(4, 256), wave(4, 256, 1)
    path = write(tmp_path / f"x.{suffix}", {"ECG II": (a, 256, "mV"), "ECG V1": (b * 1000, 256, "uV")}, kind)
    mv, gaps = read(path, n)
    assert gaps == []
    with pyedflib.EdfReader(str(path)) as reader:
        theirs = np.stack([reader.readSignal(0), reader.readSignal(1) / 1000], axis=1)
    np.testing.assert_allclose(mv, theirs, atol=1e-5)
    np.testing.assert_allclose(mv, np.stack([a, b], axis=1), atol=2e-4)
    stream = EdfRecording(path).stream
    assert (stream.leads, stream.fs_hz, stream.n_samples) == (("II", "V1"), 256, 4 * 256)
    assert stream.start_time == datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert "Doe" not in repr(stream)


def test_several_rates_and_what_is_no_ecg(tmp_path: Path) -> None:
    slow = np.sin(np.arange(10 * 25) / 25)
    path = write(
        tmp_path / "psg.edf",
        {
            "EEG Fpz-Cz": (slow * 0.01, 25, "uV"),
            "ECG": (wave(10, 500), 500, "mV"),
            "ECG V1": (wave(10, 250), 250, "mV"),
            "ECG V2": (wave(10, 200), 200, "mV"),
            "Resp": (slow, 25, "mV"),
            "SpO2": (slow, 25, "%"),
        },
    )
    recording = EdfRecording(path)
    assert (recording.stream.leads, recording.stream.fs_hz) == (("ECG", "V1"), 500)
    assert any("V2 is left out: it has 200" in note for note in recording.stream.notes)
    assert any("Resp is left out" in note for note in recording.stream.notes)
    mv, _ = read(path)
    np.testing.assert_allclose(mv[::2, 1], wave(10, 250), atol=2e-4)
    assert EdfRecording(path, ReadAs(leads=("V2",))).stream.fs_hz == 200
    with pytest.raises(SourceError, match="has no lead V9"):
        EdfRecording(path, ReadAs(leads=("V9",)))


def test_holes_between_records_are_gaps(tmp_path: Path) -> None:
    path = write(tmp_path / "d.edf", {"ECG": (wave(6, 200), 200, "mV")}, notes=False)
    content = bytearray(path.read_bytes())
    assert content[192:197] == b"EDF+C"
    content[192:197] = b"EDF+D"
    # Records of a second each; the fourth begins at 5.5 s.
    onset = content.index(b"+3\x14\x14")
    content[onset : onset + 6] = b"+5.5\x14\x14"
    path.write_bytes(content)
    mv, gaps = read(path)
    assert [(gap.start, gap.n) for gap in gaps] == [(600, 500)]
    assert len(mv) == 1200


def test_a_file_that_ends_early_is_read_to_there(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.edf", {"ECG": (wave(6, 200), 200, "mV")})
    path.write_bytes(path.read_bytes()[:-600])
    seen = 0
    with pytest.raises(SourceError, match="ends after 4 of 6 data records"):
        for block in EdfRecording(path).blocks(200):
            seen += len(block.mv) if isinstance(block, Samples) else 0
    assert seen == 800


def test_annotations_only_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    writer = pyedflib.EdfWriter(str(path), 0, file_type=pyedflib.FILETYPE_EDFPLUS)
    writer.writeAnnotation(1, -1, "x")
    writer.close()
    with pytest.raises(SourceError, match="annotations only"):
        EdfRecording(path)


def test_no_ecg_says_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path / "p.edf", {"Pleth": (wave(3, 100), 100, "mV"), "SpO2": (wave(3, 100), 100, "%")})
    with pytest.raises(SourceError, match=r"has no ECG .*SpO2 in %"):
        EdfRecording(path)


def test_any_damage_is_a_line(tmp_path: Path) -> None:
    whole = write(tmp_path / "x.edf", {"ECG": (wave(2, 200), 200, "mV")}).read_bytes()
    rng = np.random.default_rng(0)
    cuts = [whole[:n] for n in (0, 1, 100, 255, 256, 300, 511, 767, 800)]
    for _ in range(200):
        damaged = bytearray(whole)
        for at in rng.integers(0, 768, 3):
            damaged[at] = rng.integers(0, 256)
        cuts.append(bytes(damaged))
    for content in cuts:
        (tmp_path / "y.edf").write_bytes(content)
        try:
            read(tmp_path / "y.edf")
        except SourceError as error:
            assert str(error).isprintable()
