"""DICOM ECG waveforms; needs pydicom, which the extra `report` brings. A patient's name is never taken."""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import SourceError, how_to_install, one_line
from edge.sources.array import ArrayRecording
from edge.sources.read_as import ReadAs
from edge.sources.wfdb_files import MV_PER

SUFFIXES = frozenset({".dcm", ".dicom"})

_MOST_VALUES = 200_000_000


def open_dicom(path: Path, read_as: ReadAs | None = None) -> ArrayRecording:
    """Open the longest waveform of a DICOM file.

    Parameters
    ----------
    path : Path
        The file.
    read_as : ReadAs, optional
        What the user says of it: only which leads to read.

    Raises
    ------
    SourceError
        If it has none, or pydicom is not installed.
    """
    try:
        import pydicom  # noqa: PLC0415
    except ImportError:
        raise SourceError(path.name, "pydicom is not installed", f"for DICOM: {how_to_install('report')}") from None
    try:
        with warnings.catch_warnings():
            # What is odd in a file that can be read all the same is nobody's concern here.
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path)
            groups = list(data.get("WaveformSequence", []))
            if not groups:
                what = str(data.get("Modality", "")) or "no modality"
                raise SourceError(path.name, f"has no waveform ({one_line(what)[:20]})", "give an ECG, not its picture")
            longest = max(range(len(groups)), key=lambda i: int(groups[i].NumberOfWaveformSamples))
            return _read(path, data, longest, (read_as or ReadAs()).leads)
    except SourceError:
        raise
    except Exception as error:  # a file can be damaged in many ways
        reason = f"cannot be read ({type(error).__name__}: {error})"
        raise SourceError(path.name, reason, "export it again, or as EDF or CSV") from error


def _read(path: Path, data: Any, index: int, wanted: tuple[str, ...] | None) -> ArrayRecording:
    group = data.WaveformSequence[index]
    channels = group.ChannelDefinitionSequence
    if int(group.NumberOfWaveformSamples) * len(channels) > _MOST_VALUES:
        raise SourceError(path.name, "has a waveform too long to be read at once", "export it as EDF")
    values = data.waveform_array(index).astype(np.float64)
    padding = group.get("WaveformPaddingValue")
    names, columns = [], []
    for i, channel in enumerate(channels):
        units = channel.get("ChannelSensitivityUnitsSequence")
        per = MV_PER.get(str(units[0].CodeValue).lower(), None) if units else 1e-3
        if per is None:
            continue
        if isinstance(padding, bytes):
            none = int.from_bytes(padding, "little", signed=True)
            sensitivity = float(channel.get("ChannelSensitivity", 1) or 1)
            baseline = float(channel.get("ChannelBaseline", 0) or 0)
            values[np.isclose(values[:, i], none * sensitivity + baseline), i] = np.nan
        names.append(_name(channel, i))
        columns.append(values[:, i] * per)
    if not columns:
        raise SourceError(path.name, "has no waveform in volts", "give an ECG")
    chosen = list(range(len(names)))
    if wanted is not None:
        places = {name.casefold(): i for i, name in enumerate(names)}
        if missing := [name for name in wanted if name.casefold() not in places]:
            raise SourceError(path.name, f"has no lead {', '.join(missing)}", f"it has {', '.join(names)}")
        chosen = [places[name.casefold()] for name in wanted]
    return ArrayRecording(
        np.stack([columns[i] for i in chosen], axis=1),
        float(group.SamplingFrequency),
        [names[i] for i in chosen],
        name=path.stem,
        start_time=_start(str(data.get("AcquisitionDateTime", ""))),
        notes=["a DICOM waveform"],
    )


def _name(channel: Any, i: int) -> str:
    """Return a lead's name from `Lead II`, `Lead I (Einthoven)`, or the channel's label."""
    source = channel.get("ChannelSourceSequence")
    text = str(source[0].get("CodeMeaning", "")) if source else ""
    text = text or str(channel.get("ChannelLabel", ""))
    found = re.search(r"(?i)\b(I{1,3}|a-?V[RLF]|V[1-9]R?|MLII|V[XYZ]?)\b", text)
    return found[1].replace("-", "") if found else one_line(text)[:30] or f"lead{i + 1}"


def _start(text: str) -> datetime | None:
    found = re.match(r"(\d{14})(\.\d{1,6})?", text)
    if found is None or text.startswith("1900"):
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
