"""HL7 FHIR R4: a Bundle of the ECG as an Observation with SampledData, measurements, and episodes as DetectedIssue.

Up to `WHOLE_S` the whole signal is in it, in µV as it came; of longer recordings the strips are. Leads are coded as in
ISO/IEEE 11073-10101, what was measured as in LOINC, units as in UCUM. No patient is named: whoever files the bundle
adds the subject.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.findings.findings import EpisodeFinding, Findings, StripFinding
from edge.findings.words import evidence
from edge.report.export.samples import filled, scales
from edge.sources import Recording

WHOLE_S = 120.0

_MDC, _LOINC, _UCUM = "urn:iso:std:iso:11073:10101", "http://loinc.org", "http://unitsofmeasure.org"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_SEVERITY = {"high": "high", "medium": "moderate", "low": "low"}
LEADS = {
    **{"I": 131329, "II": 131330, "III": 131389, "AVR": 131390, "AVL": 131391, "AVF": 131392},
    **{f"V{i}": 131330 + i for i in range(1, 7)},
    "MLII": 131330,
}
"""ISO/IEEE 11073-10101, part::ref 2:256 + lead."""


def parts(recording: Recording, found: Findings) -> Iterator[bytes]:
    """Yield the bundle."""
    yield msgspec.json.format(msgspec.json.encode(bundle(recording, found)), indent=1)


def bundle(recording: Recording, found: Findings) -> dict[str, Any]:
    """Return the bundle as JSON values."""
    make = _Maker(found)
    device = make.entry(
        "Device",
        "device",
        {
            "deviceName": [{"name": "ecg-edge", "type": "model-name"}],
            "version": [{"value": found.made_by}, {"value": f"model {found.model.name} {found.model.sha256}"}],
        },
    )
    make.device = device["fullUrl"]
    signals = list(_signals(recording, found))
    ecgs = [make.ecg(f"ecg-{i}", *signal) for i, signal in enumerate(signals)]
    whole = len(signals) == 1 and signals[0][3] is None
    entries = [device, *ecgs, *make.measures()]
    shown = {signal[3]: ecg["fullUrl"] for signal, ecg in zip(signals, ecgs, strict=True)}
    entries += [make.issue(e, ecgs[0]["fullUrl"] if whole else shown.get(e.number)) for e in found.episodes]
    out: dict[str, Any] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return out


Signal = tuple[int, tuple[str, ...], NDArray[np.int32], int | None]
"""First sample, leads, µV in rows by lead, and the episode it shows."""


def _signals(recording: Recording, found: Findings) -> Iterable[Signal]:
    if found.subject.duration_s <= WHOLE_S:
        _, end = scales(recording)
        mv = np.concatenate([*filled(recording), np.zeros((0, len(recording.stream.leads)), np.float32)])[:end]
        with np.errstate(invalid="ignore"):
            uv = np.where(np.isfinite(mv), np.rint(mv.astype(np.float64) * 1000), _NONE).astype(np.int32)
        yield 0, recording.stream.leads, uv.T, None
        return
    strips: list[StripFinding] = [s for s in found.strips if s.episode is not None] or list(found.strips)
    for strip in strips:
        yield strip.start, strip.leads, strip.uv, strip.episode


_NONE = int(np.iinfo(np.int32).min)


class _Maker:
    """Makes the resources of one bundle."""

    def __init__(self, found: Findings) -> None:
        self._found = found
        self.device = ""

    def entry(self, kind: str, what: str, fields: dict[str, Any]) -> dict[str, Any]:
        subject = self._found.subject
        began = subject.start_time.isoformat() if subject.start_time else ""
        name = f"ecg-edge/{subject.name}/{began}/{subject.n_samples}/{self._found.model.sha256}/{what}"
        number = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
        return {"fullUrl": f"urn:uuid:{number}", "resource": {"resourceType": kind, "id": number, **fields}}

    def _period(self, key: str, start_s: float, stop_s: float) -> dict[str, Any]:
        start = self._found.subject.start_time
        if start is None:
            return {}
        times = (start + timedelta(seconds=s) for s in (start_s, stop_s))
        return {key: dict(zip(("start", "end"), (t.isoformat(timespec="milliseconds") for t in times), strict=True))}

    def ecg(
        self, what: str, start: int, leads: tuple[str, ...], uv: NDArray[np.int32], episode: int | None
    ) -> dict[str, Any]:
        fs_hz = self._found.subject.fs_hz
        fields = {
            "status": "final",
            "category": [{"coding": [{"system": _CATEGORY, "code": "procedure", "display": "Procedure"}]}],
            "code": {"coding": [{"system": _LOINC, "code": "11524-6", "display": "EKG study"}], "text": "ECG"},
            **self._period("effectivePeriod", start / fs_hz, (start + uv.shape[1]) / fs_hz),
            "device": {"reference": self.device},
            "note": [{"text": "0.5 to 40 Hz" if episode is not None else "as recorded"}],
            "component": [
                {"code": _lead(lead), "valueSampledData": _sampled(row, fs_hz)}
                for lead, row in zip(leads, uv, strict=True)
            ],
        }
        return self.entry("Observation", what, fields)

    def measures(self) -> Iterator[dict[str, Any]]:
        found = self._found
        rate = found.heart_rate.overall
        if rate is not None:
            yield self._measure("rate", ("8867-4", "Heart rate"), rate.mean, "/min", "beats per minute")
        if found.hrv.sdnn_ms is not None:
            yield self._measure("sdnn", ("80404-7", "R-R interval.standard deviation"), found.hrv.sdnn_ms, "ms", "ms")
        fields = {
            "status": "final",
            "category": [{"coding": [{"system": _CATEGORY, "code": "procedure"}]}],
            "code": {"text": "Beats by class (ANSI/AAMI EC57)"},
            **self._period("effectivePeriod", 0, found.subject.duration_s),
            "device": {"reference": self.device},
            "component": [
                {"code": {"text": f"{label} beats"}, "valueInteger": n} for label, n in found.burden.by_class.items()
            ],
        }
        yield self.entry("Observation", "beats", fields)

    def _measure(self, what: str, code: tuple[str, str], value: float, ucum: str, unit: str) -> dict[str, Any]:
        fields = {
            "status": "final",
            "category": [{"coding": [{"system": _CATEGORY, "code": "procedure"}]}],
            "code": {"coding": [{"system": _LOINC, "code": code[0], "display": code[1]}], "text": code[1]},
            **self._period("effectivePeriod", 0, self._found.subject.duration_s),
            "device": {"reference": self.device},
            "valueQuantity": {"value": value, "unit": unit, "system": _UCUM, "code": ucum},
        }
        return self.entry("Observation", what, fields)

    def issue(self, episode: EpisodeFinding, shown_by: str | None) -> dict[str, Any]:
        stop_s = episode.onset_s + episode.duration_s
        when = f"{self._found.clock(episode.onset_s)}-{self._found.clock(stop_s)}"
        fields: dict[str, Any] = {
            "status": "preliminary",
            "code": {"text": episode.title},
            "severity": _SEVERITY[episode.priority],
            "author": {"reference": self.device},
            "detail": ", ".join([episode.title, *evidence(episode), when]),
            **self._period("identifiedPeriod", episode.onset_s, stop_s),
        }
        if shown_by is not None:
            fields["evidence"] = [{"detail": [{"reference": shown_by}]}]
        return self.entry("DetectedIssue", f"episode-{episode.number}", fields)


def _lead(name: str) -> dict[str, Any]:
    number = LEADS.get(name.upper())
    coding = {"coding": [{"system": _MDC, "code": str(number)}]} if number else {}
    return {**coding, "text": f"lead {name}"}


def _sampled(uv: NDArray[np.int32], fs_hz: float) -> dict[str, Any]:
    return {
        "origin": {"value": 0, "unit": "uV", "system": _UCUM, "code": "uV"},
        "period": 1000 / fs_hz,
        "factor": 1,
        "dimensions": 1,
        "data": " ".join("E" if value == _NONE else str(value) for value in uv.tolist()),
    }
