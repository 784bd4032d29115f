"""Exports, read back by independent readers: lossless to 1 µV, beats and episodes where they are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyedflib
import pytest
from numpy.typing import NDArray

from edge.api import Analyzed
from edge.errors import EcgEdgeError
from edge.findings.analyze import findings_of
from edge.inference.beat_model import BeatModel
from edge.messages import Samples
from edge.report.export import FORMS
from edge.report.write import SinkError
from edge.sources.array import ArrayRecording
from edge.sources.edf import EdfRecording
from edge.sources.table import open_table

START = datetime(2026, 2, 3, 4, 5, 6, 500_000, tzinfo=UTC)
LOST = slice(360 * 20, 360 * 24)


@pytest.fixture(scope="module")
def made(toy_ecg: NDArray[np.float32]) -> Analyzed:
    mv = np.repeat(toy_ecg[: 360 * 60], 2, axis=1)
    mv[:, 1] *= -0.5
    mv[LOST] = np.nan
    mv[1000:1010, 1] = np.nan
    recording = ArrayRecording(mv, 360, ["MLII", "V1"], name="bed-3", start_time=START)
    with BeatModel.load() as model:
        return Analyzed(findings_of(recording, model), recording)


def truth(made: Analyzed) -> NDArray[np.float64]:
    n = made.findings.subject.n_samples
    mv = np.full((n, 2), np.nan)
    for block in made.recording.blocks(1000):
        if isinstance(block, Samples):
            mv[block.start : block.end] = block.mv
    return mv


def test_csv_comes_back_through_the_table_reader(made: Analyzed, tmp_path: Path) -> None:
    path = made.export("csv", tmp_path / "x.csv")
    recording = open_table(path)
    assert (recording.stream.fs_hz, recording.stream.leads) == (360, ("MLII", "V1"))
    back = np.full_like(truth(made), np.nan)
    for block in recording.blocks(999):
        if isinstance(block, Samples):
            back[block.start : block.end] = block.mv
    np.testing.assert_allclose(back, truth(made), atol=0.00051)
    lines = path.read_text().splitlines()
    beats = [line.rsplit(",", 1)[1] for line in lines[1:]]
    assert "".join(beats) == "".join(made.beats["label"])
    at = [round(float(line.split(",")[0]) * 360) for line in lines[1:] if not line.endswith(",")]
    assert at == made.beats["sample"].tolist()


def test_edf_is_read_by_an_independent_reader(made: Analyzed, tmp_path: Path) -> None:
    path = made.export("edf", tmp_path / "x.edf")
    with pyedflib.EdfReader(str(path)) as reader:
        assert reader.getSignalLabels() == ["ECG MLII", "ECG V1"]
        assert reader.getSampleFrequency(0) == 360
        assert reader.getStartdatetime() == START.replace(tzinfo=None, microsecond=0)
        theirs = np.stack([reader.readSignal(i) for i in range(2)], axis=1) / 1000
        onsets, durations, texts = reader.readAnnotations()
    mine = truth(made)
    there = np.isfinite(mine)
    np.testing.assert_allclose(theirs[: len(mine)][there], mine[there], atol=0.00051)
    assert (theirs[: len(mine)][~there] == 0).all()
    beats = [(t, text) for t, text in zip(onsets, texts, strict=True) if text in set("NSVFQ")]
    assert "".join(text for _, text in beats) == "".join(made.beats["label"])
    np.testing.assert_allclose([t for t, _ in beats], made.beats["time_s"], atol=1e-4)
    for episode in made.episodes:
        i = next(i for i, t in enumerate(onsets) if texts[i] == episode.title and abs(t - episode.onset_s) < 1e-3)
        assert float(durations[i]) == pytest.approx(episode.duration_s, abs=0.001)
    assert "no signal" in texts
    stream = EdfRecording(path).stream
    assert stream.leads == ("MLII", "V1")


def test_dicom_is_read_by_pydicom(made: Analyzed, tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    path = made.export("dicom", tmp_path / "x.dcm")
    data = pydicom.dcmread(path)
    assert data.SOPClassUID.name == "General ECG Waveform Storage"
    assert str(data.PatientName) == ""
    group = data.WaveformSequence[0]
    assert [c.ChannelSourceSequence[0].CodeValue for c in group.ChannelDefinitionSequence] == ["5.6.3-9-2", "5.6.3-9-3"]
    theirs = data.waveform_array(0) / 1000
    mine = truth(made)
    there = np.isfinite(mine)
    np.testing.assert_allclose(theirs[there], mine[there], atol=0.00051)
    assert (theirs[~there] == -32.768).all()
    notes = {a.UnformattedTextValue: a for a in data.WaveformAnnotationSequence}
    positions = notes["V beats"].ReferencedSamplePositions
    positions = [positions] if isinstance(positions, int) else list(positions)
    assert positions == (made.beats["sample"][made.beats["label"] == "V"] + 1).tolist()
    for episode in made.episodes:
        assert episode.title in notes


def test_fhir_is_valid_and_has_real_voltages(made: Analyzed, tmp_path: Path) -> None:
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    path = made.export("fhir", tmp_path / "x.json")
    bundle = bundles.Bundle.model_validate_json(path.read_bytes())
    kinds = [entry.resource.get_resource_type() for entry in bundle.entry]
    assert kinds.count("DetectedIssue") == len(made.episodes)
    (ecg,) = [e.resource for e in bundle.entry if e.resource.id and getattr(e.resource, "component", None)][:1]
    assert ecg.category[0].coding[0].code == "procedure"
    mine = truth(made)
    for i, component in enumerate(ecg.component):
        sampled = component.valueSampledData
        assert (float(sampled.period), sampled.origin.code) == (pytest.approx(1000 / 360), "uV")
        uv = np.array([np.nan if word == "E" else float(word) for word in sampled.data.split()])
        np.testing.assert_allclose(uv / 1000, mine[:, i], atol=0.00051)
    urls = {entry.fullUrl for entry in bundle.entry}
    text = path.read_text()
    references = [r["reference"] for r in _find(json.loads(text), "reference")]
    assert references
    assert set(references) <= urls
    assert len(urls) == len(bundle.entry)


def _find(value: object, key: str) -> list[dict[str, str]]:
    if isinstance(value, dict):
        return ([value] if key in value else []) + [f for v in value.values() for f in _find(v, key)]
    return [f for v in value for f in _find(v, key)] if isinstance(value, list) else []


def test_long_recordings_go_to_fhir_as_strips(toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    recording = ArrayRecording(toy_ecg, 360, ["MLII"])
    with BeatModel.load() as model:
        made = Analyzed(findings_of(recording, model), recording)
    path = made.export("fhir", tmp_path / "x.json")
    bundles.Bundle.model_validate_json(path.read_bytes())
    assert path.stat().st_size < 3e6


@pytest.mark.parametrize("form", FORMS)
def test_odd_recordings(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(0)
    mv = rng.normal(0, 0.1, (1000, 2))
    mv[:, 0] += 300
    mv[:, 1] = np.nan
    mv[500, 0] = 400
    with BeatModel.load() as model:
        for fs_hz in (128.5, 100, 1000 / 3):
            recording = ArrayRecording(mv, fs_hz, ["ECG,1\x1b[2J", "µ"], name="a/b")
            made = Analyzed(findings_of(recording, model), recording)
            path = made.export(form, tmp_path / f"{fs_hz}.{form}")
            assert b"\x1b" not in path.read_bytes()[:700] or form == "dicom"
            if form == "edf":
                with pyedflib.EdfReader(str(path)) as reader:
                    assert reader.getSampleFrequency(0) == pytest.approx(fs_hz, rel=1e-6)
                    np.testing.assert_allclose(reader.readSignal(0)[:1000] / 1000, mv[:, 0], atol=0.0021)


def test_nothing_else_is_written_over(made: Analyzed, tmp_path: Path) -> None:
    for form in FORMS:
        path = tmp_path / f"x.{form}"
        path.write_text("mine")
        with pytest.raises(SinkError, match="something else"):
            made.export(form, path)
        made.export(form, tmp_path / f"y.{form}")
        made.export(form, tmp_path / f"y.{form}")
        assert (tmp_path / f"y.{form}.1").is_file()
    with pytest.raises(EcgEdgeError, match="choose from"):
        made.export("xls", tmp_path / "x.xls")
