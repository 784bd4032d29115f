"""Writes an export in a form that is asked for by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from edge.errors import SinkError
from edge.findings.findings import Findings
from edge.report.write import write_parts
from edge.sources import Recording

Parts = Callable[[Recording, Findings], Iterator[bytes]]

FORMS: dict[str, tuple[str, str]] = {
    "fhir": ("fhir", "HL7 FHIR R4 Bundle, JSON"),
    "dicom": ("dicom", "DICOM ECG waveform"),
    "edf": ("edf", "EDF+ with annotations"),
    "csv": ("table", "CSV: time, leads in mV, beats"),
}
"""Module and title, by name."""

_OURS: dict[str, bytes] = {"fhir": b'"ecg-edge"', "dicom": b"ecg-edge", "edf": b"ecg-edge", "csv": b"(mV),beat\n"}


def write_export(form: str, recording: Recording, found: Findings, path: Path) -> Path:
    """Write a recording and what was found in it.

    Parameters
    ----------
    form : str
        One of `FORMS`.
    recording : Recording
        The samples; they are read again.
    found : Findings
        What was found in them.
    path : Path
        Where to. A file of this kind that is there already is kept under another name; anything else is refused.

    Raises
    ------
    SinkError
        If it cannot be written.
    EcgEdgeError
        If something that it needs is not installed, or the form cannot hold it.
    """
    if form not in FORMS:
        raise SinkError(str(path), f"there is no export {form!r}", f"choose from {', '.join(FORMS)}")
    parts: Parts = import_module(f"edge.report.export.{FORMS[form][0]}").parts
    write_parts(path, parts(recording, found), lambda head: _OURS[form] in head)
    return path
