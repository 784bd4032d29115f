"""What electrocardiographs export: aECG, MUSE, DICOM."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import edge
from edge.errors import SourceError
from edge.messages import Samples, Stream
from edge.sources.array import ArrayRecording
from edge.sources.files import open_recording
from edge.sources.read_as import ReadAs

RNG = np.random.default_rng(0)
UV = np.round(RNG.normal(0, 200, (3, 5000))).astype(int)


def read(path: Path, **said: object) -> tuple[Stream, np.ndarray]:
    recording = open_recording(str(path), None, ReadAs(**said))  # type: ignore[arg-type]
    return recording.stream, np.concatenate([b.mv for b in recording.blocks(999) if isinstance(b, Samples)])


def aecg(heads: tuple[str, str] = ("20240102030405.500", "20240102030405.500")) -> str:
    def sequence(name: str, row: int) -> str:
        digits = " ".join(map(str, UV[row]))
        return (
            f'<component><sequence><code code="MDC_ECG_LEAD_{name}"/><value xsi:type="SLIST_PQ"><origin value="0" '
            f'unit="uV"/><scale value="2" unit="uV"/><digits>{digits}</digits></value></sequence></component>'
        )

    def part(head: str, leads: str) -> str:
        return (
            '<component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE"/><value><head value="'
            f'{head}"/><increment value="2" unit="ms"/></value></sequence></component>{leads}</sequenceSet></component>'
        )

    body = part(heads[0], sequence("II", 0) + sequence("V1", 1)) + part(heads[1], sequence("V2", 2))
    return (
        '<?xml version="1.0"?><AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<name>Jane Doe</name><component><series>{body}</series></component></AnnotatedECG>"
    )


def test_aecg(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(aecg())
    stream, mv = read(path)
    assert (stream.fs_hz, stream.leads) == (500, ("II", "V1", "V2"))
    assert stream.start_time == datetime(2024, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    np.testing.assert_allclose(mv, UV.T * 0.002, atol=1e-4)
    assert "Doe" not in repr(stream)
    assert read(path, leads=("v2",))[0].leads == ("V2",)
    path.write_text(aecg(("20240102030405", "20240102030407.5")))
    stream, mv = read(path)
    assert len(mv) == 5000 + 1250
    assert np.isnan(mv[:1250, 2]).all()
    assert np.isfinite(mv[1250:, 2]).all()


def muse(dtd: str = "") -> str:
    def lead(name: str, row: int) -> str:
        data = base64.b64encode(UV[row].astype("<i2").tobytes()).decode()
        return (
            "<LeadData><LeadAmplitudeUnitsPerBit>5</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>MICROVOLTS"
            f"</LeadAmplitudeUnits><LeadID>{name}</LeadID><WaveFormData>{data}</WaveFormData></LeadData>"
        )

    return (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>{dtd}<RestingECG><PatientDemographics><PatientLastName>Doe'
        "</PatientLastName></PatientDemographics><TestDemographics><AcquisitionTime>09:15:11</AcquisitionTime>"
        "<AcquisitionDate>08-17-2025</AcquisitionDate></TestDemographics><Waveform><WaveformType>Median</WaveformType>"
        "</Waveform><Waveform><WaveformType>Rhythm</WaveformType><SampleBase>500</SampleBase><SampleExponent>0"
        f"</SampleExponent>{lead('I', 0)}{lead('II', 1)}{lead('V1', 2)}</Waveform></RestingECG>"
    )


def test_muse(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    path.write_text(muse('<!DOCTYPE RestingECG SYSTEM "restecg.dtd">'))
    stream, mv = read(path)
    assert (stream.fs_hz, stream.leads) == (500, ("I", "II", "V1", "III", "aVR", "aVL", "aVF"))
    np.testing.assert_allclose(mv[:, :3], UV.T * 0.005, atol=1e-4)
    np.testing.assert_allclose(mv[:, 3], (UV[1] - UV[0]) * 0.005, atol=1e-4)
    assert stream.start_time == datetime(2025, 8, 17, 9, 15, 11, tzinfo=UTC)
    assert "Doe" not in repr(stream)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><RestingECG>&b;</RestingECG>'
BAD = {
    "a bomb": (BOMB, "defines entities"),
    "a file of this machine": ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>', "defines entities"),
    "another": ("<svg/>", "of another kind"),
    "cut": (aecg()[:3000], "no whole XML"),
    "empty": ("", "no whole XML"),
    "no waveform": ("<AnnotatedECG/>", "without a waveform"),
    "no rhythm": ("<RestingECG/>", "without a rhythm"),
    "digits": (aecg().replace(f"<digits>{UV[0][0]}", "<digits>x"), "no numbers"),
    "rate": (muse().replace("<SampleBase>500", "<SampleBase>5e9"), "samples a second"),
    "no rate": (muse().replace("<SampleBase>500", "<SampleBase>nan"), "where a number stands"),
    "years apart": (aecg(("20240102030405", "20340102030407")), "far apart"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_a_line(tmp_path: Path, case: str) -> None:
    text, said = BAD[case]
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(SourceError, match=said):
        read(tmp_path / "x.xml")


def test_dicom_there_and_back(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    mv = UV.T / 1000
    mv[100:120] = np.nan
    start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    made = edge.Analyzed(*_found(ArrayRecording(mv, 500, ["II", "V1", "V2"], start_time=start)))
    stream, back = read(made.export("dicom", tmp_path / "x.dcm"))
    assert (stream.fs_hz, stream.leads, stream.start_time) == (500, ("II", "V1", "V2"), start)
    there = np.isfinite(mv).all(axis=1)
    np.testing.assert_allclose(back, mv[there], atol=0.00051)
    (tmp_path / "no.dcm").write_bytes(b"no")
    with pytest.raises(SourceError, match="cannot be read"):
        read(tmp_path / "no.dcm")


def _found(recording: ArrayRecording):  # type: ignore[no-untyped-def]
    from edge.findings.analyze import findings_of
    from edge.inference.beat_model import BeatModel

    with BeatModel.load() as model:
        return findings_of(recording, model), recording


@pytest.mark.parametrize(
    ("name", "fs_hz", "n_leads"),
    [("aecg.xml", 500, 12), ("philips.xml", 500, 12), ("muse.xml", 500, 12), ("ecg.dcm", 0, 12)],
)
def test_files_that_people_have(data_dir: Path, name: str, fs_hz: int, n_leads: int) -> None:
    path = data_dir / "user_files" / name
    if not path.is_file():
        pytest.skip(f"needs {path}")
    if name.endswith(".dcm"):
        pytest.importorskip("pydicom")
    stream, mv = read(path)
    assert fs_hz in (0, stream.fs_hz)
    assert len(stream.leads) == n_leads
    assert {"II", "V1"} <= set(stream.leads)
    assert 0.2 < np.nanmax(np.abs(mv[:, stream.leads.index("II")])) < 5
