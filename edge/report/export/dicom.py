"""DICOM: a General ECG Waveform (PS3.3 A.34.3), or an Ambulatory one below 200 Hz, beats and episodes as annotations.

Samples are 16-bit numbers of 1 µV. Patient and study are left empty: they are whoever's who files it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import numpy as np

from edge.errors import EcgEdgeError, how_to_install, one_line
from edge.findings.findings import Findings
from edge.report.export.samples import Scale, filled, scales
from edge.sources import Recording

_GENERAL, _AMBULATORY = "1.2.840.10008.5.1.4.1.1.9.1.2", "1.2.840.10008.5.1.4.1.1.9.1.3"
_LEAST_GENERAL_HZ = 200.0
_MOST_LEADS = {_GENERAL: 24, _AMBULATORY: 12}
_MOST_BYTES = 1 << 31
_SCPECG = {
    **{lead: f"5.6.3-9-{i}" for i, lead in enumerate(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), start=1)},
    **{lead: f"5.6.3-9-{i}" for i, lead in enumerate(("III", "AVR", "AVL", "AVF"), start=61)},
    "MLII": "5.6.3-9-2",
}
"""SCP-ECG codes of leads (PS3.16 CID 3001)."""


def parts(recording: Recording, found: Findings) -> Iterator[bytes]:
    """Yield the file.

    Raises
    ------
    EcgEdgeError
        If pydicom is not installed, or the recording has more than the form can hold.
    """
    try:
        from pydicom.dataset import Dataset, FileMetaDataset  # noqa: PLC0415
        from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid  # noqa: PLC0415
    except ImportError:
        raise EcgEdgeError("pydicom is not installed", f"for DICOM: {how_to_install('report')}") from None
    stream = recording.stream
    kind = _GENERAL if stream.fs_hz >= _LEAST_GENERAL_HZ else _AMBULATORY
    how, n = scales(recording)
    if len(how) > _MOST_LEADS[kind] or n * len(how) * 2 >= _MOST_BYTES:
        raise EcgEdgeError(f"{stream.name}: {len(how)} leads of {n:,} samples", "too many for DICOM: give a part")
    start = stream.start_time.astimezone(UTC) if stream.dated else None
    entropy = [stream.name, str(start), str(n), found.model.sha256]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = UID(kind), ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["instance", *entropy])
    data = Dataset()
    data.file_meta = meta
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = UID(kind), meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = generate_uid(entropy_srcs=["study", *entropy])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=["series", *entropy])
    data.Modality, data.Manufacturer, data.SoftwareVersions = "ECG", "ecg-edge", found.made_by
    data.PatientName = data.PatientID = data.PatientBirthDate = data.PatientSex = ""
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = data.StudyID = ""
    data.SeriesNumber, data.InstanceNumber = 1, 1
    data.ContentDate = f"{start:%Y%m%d}" if start else "19000101"
    data.ContentTime = f"{start:%H%M%S.%f}" if start else "000000"
    data.AcquisitionDateTime = f"{start:%Y%m%d%H%M%S.%f}" if start else "19000101000000"
    data.SeriesDescription = one_line(stream.name)[:64]
    data.AcquisitionContextSequence = []
    data.WaveformSequence = [_waveform(recording, how, n)]
    data.WaveformAnnotationSequence = _annotations(found, n)
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True)
    yield out.getvalue()


def _waveform(recording: Recording, how: tuple[Scale, ...], n: int) -> Any:
    from pydicom.dataset import Dataset  # noqa: PLC0415

    stream = recording.stream
    group = Dataset()
    group.MultiplexGroupTimeOffset = 0
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = len(how), n
    group.SamplingFrequency = _decimal(stream.fs_hz)
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = [_channel(lead, scale) for lead, scale in zip(stream.leads, how, strict=True)]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformPaddingValue = (-32768).to_bytes(2, "little", signed=True)
    blocks = (np.stack([s.of(lead) for s, lead in zip(how, mv.T, strict=True)], axis=1) for mv in filled(recording))
    group.WaveformData = b"".join(block.astype("<i2").tobytes() for block in blocks)
    return group


def _channel(lead: str, scale: Scale) -> Any:
    from pydicom.dataset import Dataset  # noqa: PLC0415

    channel = Dataset()
    channel.ChannelLabel = one_line(lead)[:16]
    known = _SCPECG.get(lead.upper())
    channel.ChannelSourceSequence = [
        _code(known, "SCPECG", f"Lead {lead}") if known else _code("lead", "99ECGEDGE", one_line(lead)[:64])
    ]
    channel.ChannelSensitivity = str(scale.step_uv)
    channel.ChannelSensitivityUnitsSequence = [_code("uV", "UCUM", "microvolt")]
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = str(scale.offset_uv)
    channel.ChannelTimeSkew = "0"
    channel.WaveformBitsStored = 16
    return channel


def _code(value: str, scheme: str, meaning: str) -> Any:
    from pydicom.dataset import Dataset  # noqa: PLC0415

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _annotations(found: Findings, n: int) -> list[Any]:
    """Return one annotation for the beats of each class, and one for each episode; positions count from 1."""
    from pydicom.dataset import Dataset  # noqa: PLC0415

    def annotation(text: str, kind: str, positions: list[int]) -> Any:
        one = Dataset()
        one.UnformattedTextValue = text
        one.ReferencedWaveformChannels = [1, 0]
        one.TemporalRangeType = kind
        one.ReferencedSamplePositions = positions
        one.AnnotationGroupNumber = 1
        return one

    out = []
    beats = found.beats[found.beats["sample"] < n]
    for label in "NSVFQ":
        peaks = (beats["sample"][beats["label"] == label] + 1).tolist()
        if peaks:
            out.append(annotation(f"{label} beats", "POINT" if len(peaks) == 1 else "MULTIPOINT", peaks))
    episodes = [e for e in found.episodes if e.onset < n]
    return out + [annotation(e.title, "SEGMENT", [e.onset + 1, min(e.end, n - 1) + 1]) for e in episodes]


def _decimal(value: float) -> str:
    return f"{value:.10g}"[:16]
