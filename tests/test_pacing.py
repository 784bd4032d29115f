"""A paced heart through the whole pipeline: what captures is a beat, what does not is none, and silence is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import wfdb
from front_end import cut, ecg, r_peaks_of
from numpy.typing import NDArray

from edge.inference.beat_model import BeatModel
from edge.messages import FS_HZ, Alert, Event, LabelledBeat, PacingSpike, Stream
from edge.pipeline import Pipeline

SECONDS = 30
SPIKES = np.arange(0.4, SECONDS, 60 / 70)
LOST_S = 14.0
_PACED = ((0.06, 0.022, -0.9), (0.10, 0.02, 0.5), (0.33, 0.06, 0.35))
"""Time after the spike in s, width in s, height in mV of a complex that is wide because it is paced."""

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def cnn() -> Iterator[BeatModel]:
    with BeatModel.load("cnn") as loaded:
        yield loaded


def paced(fs_hz: float, captured: NDArray[np.bool_], amplitude_mv: float, *, leads: tuple[float, float]) -> Floats:
    """Return a paced heart of which these spikes capture; leads in shares of the first one's spikes."""
    time = np.arange(round(SECONDS * fs_hz)) / fs_hz
    wave, spikes = np.zeros(len(time)), np.zeros(len(time))
    for at in SPIKES[captured]:
        for after, width, height in _PACED:
            wave += height * np.exp(-0.5 * ((time - at - after) / width) ** 2)
    spikes[np.round(SPIKES * fs_hz).astype(int)] = amplitude_mv
    noise = np.random.default_rng(4).normal(0, 0.004, (len(time), 2))
    return np.outer(wave, [1.0, 0.6]) + np.outer(spikes, leads) + noise


def followed(mv: Floats, fs_hz: float, model: BeatModel, *, electrodes_known: bool = True) -> list[Event]:
    stream = Stream(
        name="paced",
        fs_hz=fs_hz,
        leads=("II", "V1"),
        start_time=datetime(2026, 1, 1, tzinfo=UTC),
        lead_off_detection=electrodes_known,
    )
    pipeline = Pipeline(stream, model)
    return [event for message in cut(mv.astype(np.float32), [200]) for event in pipeline.push(message)]


def beats_s(events: list[Event], fs_hz: float) -> Floats:
    return np.array([event.sample / fs_hz for event in events if isinstance(event, LabelledBeat)])


def onsets(events: list[Event]) -> dict[str, Alert]:
    return {event.kind: event for event in events if isinstance(event, Alert) and event.phase == "onset"}


def spikes_in(events: list[Event]) -> int:
    return sum(isinstance(event, PacingSpike) for event in events)


@pytest.mark.parametrize("fs_hz", [128.0, 250.0, 360.0, 500.0, 1000.0])
@pytest.mark.parametrize(("amplitude_mv", "leads"), [(0.4, (1.0, 1.0)), (-3.0, (1.0, 0.4)), (20.0, (0.0, 1.0))])
def test_loss_of_capture_is_asystole(cnn: BeatModel, fs_hz: float, amplitude_mv: float, leads) -> None:
    events = followed(paced(fs_hz, SPIKES < LOST_S, amplitude_mv, leads=leads), fs_hz, cnn)
    beats = beats_s(events, fs_hz)
    assert len(beats) == (SPIKES < LOST_S).sum()
    assert np.abs(beats - SPIKES[: len(beats)] - 0.07).max() < 0.08
    # At 128 Hz two samples are half an R wave: beside a complex some of the smallest cannot be told.
    assert spikes_in(events) >= (0.8 if fs_hz < 200 and abs(amplitude_mv) < 1 else 0.95) * len(SPIKES)
    assert (onsets(events)["asystole"].decided / fs_hz) - beats[-1] < 5


@pytest.mark.parametrize("electrodes_known", [True, False])
def test_spikes_that_never_capture_are_no_rhythm(cnn: BeatModel, electrodes_known: bool) -> None:
    mv = paced(FS_HZ, np.zeros(len(SPIKES), bool), 2.0, leads=(1.0, 0.5))
    events = followed(mv, FS_HZ, cnn, electrodes_known=electrodes_known)
    assert not len(beats_s(events, FS_HZ))
    # Spikes that are seen show that the electrodes are on.
    assert onsets(events)["asystole"].decided / FS_HZ < 10


@pytest.mark.parametrize("amplitude_mv", [0.5, -5.0])
def test_one_in_three_captures(cnn: BeatModel, amplitude_mv: float) -> None:
    captured = np.arange(len(SPIKES)) % 3 == 0
    events = followed(paced(FS_HZ, captured, amplitude_mv, leads=(1.0, 0.5)), FS_HZ, cnn)
    beats = beats_s(events, FS_HZ)
    assert np.abs(beats - SPIKES[captured][: len(beats)] - 0.07).max() < 0.08
    assert len(beats) >= captured.sum() - 1
    assert "extreme_bradycardia" in onsets(events)


@pytest.mark.parametrize("fs_hz", [250.0, 360.0])
@pytest.mark.parametrize("amplitude_mv", [1.0, -8.0])
def test_failure_to_sense_changes_no_beat(cnn: BeatModel, fs_hz: float, amplitude_mv: float) -> None:
    mv, beats = ecg(SECONDS, fs_hz, rr_s=0.72)
    spikes = paced(fs_hz, np.zeros(len(SPIKES), bool), amplitude_mv, leads=(1.0, 0.5))
    found = beats_s(followed(mv + spikes, fs_hz, cnn), fs_hz)
    apart = np.array([beat for beat in beats[:-2] if np.abs(SPIKES - beat).min() > 0.1])
    assert all(np.abs(found - beat).min() < 0.03 for beat in apart)
    assert all(np.abs(beats - beat).min() < 0.1 for beat in found)


@pytest.mark.parametrize("record", ["102", "104", "107", "217"])
def test_paced_beats_of_records_are_found(mitdb: Path, record: str) -> None:
    mv = wfdb.rdrecord(str(mitdb / record), sampto=100 * FS_HZ).p_signal.astype(np.float32)
    annotation = wfdb.rdann(str(mitdb / record), "atr", sampto=100 * FS_HZ)
    reference = np.array([s for s, kind in zip(annotation.sample, annotation.symbol, strict=True) if kind in "/fNVQ"])
    found = np.array([peak.sample for peak in r_peaks_of(mv)])
    assert np.mean([np.abs(found - at).min() < 54 for at in reference]) > 0.99
    assert np.mean([np.abs(reference - at).min() < 54 for at in found]) > 0.96
