"""Strips of a bed on ECG paper, by the report's own hand."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from edge.findings.arrays import BEAT
from edge.findings.strips import BAND_HZ, band_passed
from edge.report import strip as paper
from edge.report.svg import svg
from edge.web.ward.alerts import KeptStrip, WardAlert
from edge.web.ward.wave import NO_VALUE

_NO_BEATS = np.zeros(0, BEAT)


def of_alert(alert: WardAlert, kept: KeptStrip) -> str:
    """Return the strip around an alert's onset, as SVG."""
    mv = millivolts(kept.uv, len(kept.leads))
    length_s = len(mv) / kept.fs_hz
    onset_s = (alert.since_ms - kept.start_ms) / 1000
    until_s = length_s if alert.until_ms is None else (alert.until_ms - kept.start_ms) / 1000
    spans = ((alert.title, alert.priority, max(onset_s, 0.0), min(until_s, length_s)),)
    return _drawn(mv, kept.fs_hz, kept.leads, _clock(kept.start_ms), spans)


def of_samples(mv: NDArray[np.float64], fs_hz: float, leads: tuple[str, ...], end_ms: int) -> str:
    """Return the samples, shape (n, n_leads), that end at a time, as SVG."""
    return _drawn(mv, fs_hz, leads, _clock(end_ms - round(1000 * len(mv) / fs_hz)))


def millivolts(uv: bytes, n_leads: int) -> NDArray[np.float64]:
    """Return samples in mV, shape (n, n_leads), NaN where there is no value."""
    values = np.frombuffer(uv, "<i2").reshape(n_leads, -1).T
    return np.where(values == NO_VALUE, np.nan, values / 1000)


def _drawn(
    mv: NDArray[np.float64],
    fs_hz: float,
    leads: tuple[str, ...],
    label: str,
    spans: tuple[tuple[str, str, float, float], ...] = (),
) -> str:
    filtered = band_passed(mv, fs_hz)
    strip = paper.Strip(
        mv=filtered,
        fs_hz=fs_hz,
        leads=leads,
        start_s=0.0,
        beats=_NO_BEATS,
        spans=spans,
        band_hz=BAND_HZ,
        label=label,
    )
    return svg(paper.draw(strip), alone=True)


def _clock(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
