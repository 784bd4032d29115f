"""The files an analysis leaves, and what each of them is."""

from __future__ import annotations

from typing import Literal

import msgspec

Name = Literal[
    "findings.json",
    "triage.json",
    "report.html",
    "report.pdf",
    "export.fhir.json",
    "export.dcm",
    "export.edf",
    "export.csv",
]


class Result(msgspec.Struct, frozen=True):
    """One of them.

    Attributes
    ----------
    key : str
        Under which it is linked.
    title : str
        What it is, for people.
    media_type : str
        What it is, for machines.
    export : str or None
        Its form, as `edge.report.export.FORMS` has it, if it is an export.
    """

    key: str
    title: str
    media_type: str
    export: str | None = None


RESULTS: dict[Name, Result] = {
    "report.html": Result("report", "Report (HTML)", "text/html; charset=utf-8"),
    "report.pdf": Result("report_pdf", "Report (PDF)", "application/pdf"),
    "findings.json": Result("findings", "Findings (JSON)", "application/json"),
    "triage.json": Result("triage", "Triage note (JSON)", "application/json"),
    "export.fhir.json": Result("fhir", "FHIR", "application/json", "fhir"),
    "export.dcm": Result("dicom", "DICOM", "application/dicom", "dicom"),
    "export.edf": Result("edf", "EDF+", "application/octet-stream", "edf"),
    "export.csv": Result("csv", "CSV", "text/csv; charset=utf-8", "csv"),
}
"""By the name of the file, in the order in which they are offered."""
