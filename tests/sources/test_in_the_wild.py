"""Whole recordings as they are met, from the file to the alarms: the patient is found, and nothing else is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from front_end import ecg
from numpy.typing import NDArray

import edge
from edge.api import Analyzed
from edge.sources.files import open_recording

FS_HZ = 250
RR_S = 60 / 72


def patient(seconds: float, fs_hz: int = FS_HZ) -> NDArray[np.float64]:
    mv = ecg(seconds, fs_hz, rr_s=RR_S, leads=1)[0][:, 0]
    return np.asarray(mv + np.random.default_rng(1).normal(0, 0.008, len(mv)))


def write(folder: Path, lines: Sequence[str], columns: Sequence[NDArray[np.float64]], encoding: str = "ascii") -> Path:
    """Write `r.hea`, and `r.dat` of 16-bit values in these columns."""
    (folder / "r.hea").write_text("\n".join(lines) + "\n", encoding=encoding)
    (folder / "r.dat").write_bytes(np.round(np.stack(columns, axis=1)).astype("<i2").tobytes())
    return folder / "r"


def told(found: Analyzed) -> list[str]:
    return [episode.kind for episode in found.episodes]


def is_at_72(found: Analyzed, seconds: float) -> bool:
    return len(found.beats) == pytest.approx(seconds * 1.2, abs=2.5) and found.heart_rate.overall.mean == pytest.approx(
        72, abs=1
    )


@pytest.mark.parametrize("flat_s", [0.5, 1, 3, 10])
@pytest.mark.parametrize("level_mv", [0.0, 1.7])
def test_a_flat_start_hides_no_beat_and_is_no_alarm(flat_s: float, level_mv: float) -> None:
    mv = patient(40)
    mv[: round(flat_s * FS_HZ)] = level_mv
    found = edge.analyze(mv, fs_hz=FS_HZ, leads=["II"])
    there = np.arange(0.5, 40, RR_S)
    first = there[there > flat_s + 0.35][0]
    assert found.beats["time_s"][found.beats["time_s"] > flat_s][0] <= first + 0.1
    # Ten seconds without a heart are an asystole or a lead that is off, which nobody can know here; three are nothing.
    assert told(found) == ([] if flat_s < 4 else ["asystole_or_lead_off"])


@pytest.mark.parametrize(("fmt", "gain", "fill"), [("16", 200, -32768), ("80", 60, -128), ("160", 200, -32768)])
def test_what_has_no_value_is_signal_lost_and_nothing_else(fmt: str, gain: int, fill: int, tmp_path: Path) -> None:
    adc = np.round(patient(60) * gain).astype(np.int64)
    adc[20 * FS_HZ : 35 * FS_HZ] = fill
    stored = {
        "16": adc.astype("<i2"),
        "80": (adc + 128).astype(np.uint8),
        "160": (adc + 32768).astype("<u2"),
    }[fmt]
    (tmp_path / "r.hea").write_text(f"r 1 {FS_HZ} {len(adc)}\nr.dat {fmt} {gain}/mV 16 0 0 0 0 II\n")
    (tmp_path / "r.dat").write_bytes(stored.tobytes())
    found = edge.analyze(tmp_path / "r")
    assert told(found) == ["signal_lost"]
    assert is_at_72(found, 45)


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        (["r 1 250 7500 2014-05-08 05:05:15", "r.dat 16 1000/mV 16 0 0 0 0 II"], "ascii"),
        (["r 1 250 7500 05-May-2020 09:49:17", "r.dat 16 1000/mV 16 0 0 0 0 II"], "ascii"),
        (["r 1 250 7500 10:00:00 00/00/0000", "r.dat 16 1000/mV 16 0 0 0 0 II"], "ascii"),
        (["r 1 250 7500 2006", "r.dat 16 1000/mV 16 0 0 0 0 II"], "ascii"),
        (["r 1 250 7500 24:00:00 01/01/2001", "r.dat 16 1000/mV 16 0 0 0 0 II"], "ascii"),
        (["r 1 250 7500", "r.dat 16 1/µV 16 0 0 0 0 ECG II", "# Größe: 5 µV"], "latin-1"),
        (["r 1 250 7500", "r.dat 16 -1000(0)/mV 16 0 0 0 0 II"], "ascii"),
    ],
)
def test_headers_as_they_are_written(lines: list[str], encoding: str, tmp_path: Path) -> None:
    sign = -1 if "-1000" in lines[1] else 1
    found = edge.analyze(write(tmp_path, lines, [sign * 1000 * patient(30)], encoding))
    assert told(found) == []
    assert is_at_72(found, 30)
    assert np.median(found.beats["rr_ms"][1:]) == pytest.approx(1000 * RR_S, abs=20)


@pytest.mark.parametrize(
    ("unit", "name", "beside"),
    [
        ("1000/mV", "RESP", lambda t: 1000 * np.sin(2 * np.pi * 0.25 * t)),
        ("-19.3(3064)/degC", "skin temperature", lambda t: 3064 - 19.3 * (33 + 0.1 * np.sin(t / 9))),
        ("100/mmHg", "ABP", lambda t: 100 * (90 + 30 * np.sin(2 * np.pi * 1.2 * t))),
        ("1000/Ohm", "Resp", lambda t: 1000 * np.sin(2 * np.pi * 0.25 * t)),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_what_stands_beside_an_ecg_in_a_record_is_not_watched(
    unit: str, name: str, beside: object, first: bool, tmp_path: Path
) -> None:
    mv = 1000 * patient(30)
    other = beside(np.arange(len(mv)) / FS_HZ)  # type: ignore[operator]
    lines, columns = ["r.dat 16 1000/mV 16 0 0 0 0 MCL1", f"r.dat 16 {unit} 16 0 0 0 0 {name}"], [mv, other]
    order = slice(None, None, -1 if first else 1)
    path = write(tmp_path, [f"r 2 {FS_HZ} {len(mv)}", *lines[order]], columns[order])
    assert open_recording(str(path)).stream.leads == ("MCL1",)
    found = edge.analyze(path)
    assert (told(found), is_at_72(found, 30)) == ([], True)
