"""`import edge` as a notebook has it; the examples of the documentation run."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from numpy.typing import NDArray

import edge
from edge.errors import SourceError
from edge.messages import LabelledBeat


@pytest.mark.parametrize(
    "module",
    [
        "edge.api",
        "edge.evidence",
        "edge.findings.collector",
        "edge.findings.conduction",
        "edge.findings.findings",
        "edge.report.drawing",
        "edge.sources.array",
        "edge.web.analyses.files",
    ],
)
def test_examples_run(module: str) -> None:
    done = doctest.testmod(importlib.import_module(module))
    assert done.attempted
    assert not done.failed


def test_an_array_and_a_stream_of_it_are_told_alike(toy_ecg: NDArray[np.float32]) -> None:
    mv = toy_ecg[: 360 * 60, 0]
    whole = edge.analyze(mv, fs_hz=360, leads=["MLII"])
    pipeline = edge.Pipeline(fs_hz=360, leads=["MLII"])
    events = [e for at in range(0, len(mv), 101) for e in pipeline.push(mv[at : at + 101])] + pipeline.flush()
    beats = [e for e in events if isinstance(e, LabelledBeat)]
    assert [b.sample for b in beats] == whole.beats["sample"].tolist()
    assert [b.label for b in beats] == whole.beats["label"].tolist()
    streamed = pipeline.findings()
    assert streamed.episode_counts == whole.findings.episode_counts
    assert [s.uv.tolist() for s in streamed.strips] == [s.uv.tolist() for s in whole.findings.strips]


def test_gaps_in_a_stream_are_told() -> None:
    pipeline = edge.Pipeline(fs_hz=250)
    pipeline.push(np.zeros(2500))
    pipeline.gap(5000)
    pipeline.push(np.zeros((250, 1)))
    pipeline.flush()
    assert pipeline.findings().readable.lost_s == 20


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(TypeError, match="give fs_hz"):
        edge.analyze(np.zeros(100))
    with pytest.raises(ValueError, match="1 leads"):
        edge.Pipeline(fs_hz=250).push(np.zeros((10, 2)))
    for mv, fs_hz, leads, said in (
        (np.zeros(0), 250, None, "shape"),
        (np.zeros((3, 3, 3)), 250, None, "shape"),
        (np.zeros(1000), 20, None, "20 samples a second"),
        (np.zeros(1000), float("nan"), None, "nan samples a second"),
        (np.zeros(1000), 1e9, None, "check the rate"),
        (np.zeros((1000, 2)), 250, ["II"], "2 columns"),
    ):
        with pytest.raises(SourceError, match=said):
            edge.analyze(mv, fs_hz=fs_hz, leads=leads)


def test_fast_arrays_are_slowed_and_it_is_noted(toy_ecg: NDArray[np.float32]) -> None:
    slow = edge.analyze(toy_ecg[: 360 * 30], fs_hz=360)
    fast = edge.analyze(np.repeat(toy_ecg[: 360 * 30], 6, axis=0), fs_hz=2160)
    assert fast.findings.subject.fs_hz == 720
    assert "2160" in fast.findings.subject.notes[0]
    assert abs(len(fast.beats) - len(slow.beats)) <= 1
