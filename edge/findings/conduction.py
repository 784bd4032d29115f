"""Intervals and conduction, told from averaged beats.

Bundle-branch block by width and by which way the last of the QRS points in V1 (AHA/ACCF/HRS 2009, Surawicz et al.):
wide with a terminal R is right, wide and downward throughout is left. Beats as wide as only paced ones are told as
paced. The numbers were fixed on DS1 of MIT-BIH and on PTB-XL; `benchmarks/conduction.py` says how well it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from edge.findings.averages import BEFORE_S, Average
from edge.findings.delineation import Waves, delineate
from edge.findings.findings import Conduction, ConductionStretch, Intervals, Spread

Pattern = Literal["usual", "lbbb", "rbbb", "paced", "wide"]
TITLES: dict[str, str] = {
    "usual": "usual conduction",
    "lbbb": "left bundle-branch block",
    "rbbb": "right bundle-branch block",
    "paced": "paced rhythm",
    "wide": "wide QRS, no pattern told",
}

WIDE_S, UNTOLD_S, LEFT_S, PACED_S = 0.118, 0.130, 0.135, 0.190
"""Width of a QRS from which it may be blocked, is told as wide without a pattern, is blocked on the left, is paced."""

_AROUND = 2
"""Half minutes before and after one that have a say in it: conduction seldom changes, noise does."""
_FORMULAE = ("Bazett", "Fridericia", "Framingham", "Hodges")

Floats = NDArray[np.float64]


class Measured(Struct, frozen=True):
    """What an averaged beat measures."""

    average: Average
    waves: Waves
    pattern: Pattern


def measure(averages: Sequence[Average], leads: Sequence[str], fs_hz: float) -> list[Measured]:
    """Delineate averaged beats and tell their conduction."""
    out = []
    for average in averages:
        mv = average.mv.astype(np.float64)
        waves = delineate(mv, fs_hz, round(BEFORE_S * fs_hz))
        if waves is not None:
            out.append(Measured(average, waves, pattern(mv, waves, leads, fs_hz)))
    return _steadied(out)


def _steadied(measured: list[Measured]) -> list[Measured]:
    """Give each averaged beat the pattern that most of those around it have; its own where none has the majority."""
    out = []
    for i, m in enumerate(measured):
        around = [n.pattern for n in measured[max(i - _AROUND, 0) : i + _AROUND + 1]]
        (most, n), *_ = Counter(around).most_common(1)
        out.append(Measured(m.average, m.waves, most if 2 * n > len(around) else m.pattern))
    return out


def pattern(mv: Floats, waves: Waves, leads: Sequence[str], fs_hz: float) -> Pattern:
    """Tell the conduction of an averaged beat."""
    width_s = (waves.qrs_off - waves.qrs_on) / fs_hz
    if width_s < WIDE_S:
        return "usual"
    if width_s >= PACED_S:
        return "paced"
    level = mv[max(waves.qrs_on - round(0.028 * fs_hz), 0) : waves.qrs_on].mean(axis=0)
    shapes = {
        _plain(lead): _Shape(x) for lead, x in zip(leads, (mv[waves.qrs_on : waves.qrs_off] - level).T, strict=True)
    }
    limb = next((shapes[lead] for lead in ("II", "MLII", "I") if lead in shapes), None)
    right = next((shapes[lead] for lead in ("V1", "MV1", "V2") if lead in shapes), None)
    if right is not None:
        return _by_v1(right, limb, width_s)
    left = next((shapes[lead] for lead in ("V3", "V4") if lead in shapes), None)
    if left is not None and left.most >= 0.4:
        return "rbbb"
    if left is not None and left.net <= -0.7 and width_s >= LEFT_S:
        return "lbbb"
    return _untold(width_s)


def _by_v1(v1: _Shape, limb: _Shape | None, width_s: float) -> Pattern:
    s_in_limb = limb is not None and limb.end <= -0.4 and limb.most >= 0.9
    if (v1.most >= 0.9 and v1.late >= 0.35 and v1.end >= 0.15) or (s_in_limb and v1.most >= 0.5):
        return "rbbb"
    qs_in_limb = limb is not None and limb.net <= -0.8
    if (
        v1.net <= -0.3
        and v1.least == -1
        and v1.most < 0.7
        and ((width_s >= LEFT_S and v1.net <= -0.6) or (qs_in_limb and limb is not None and limb.most <= 0.1))
    ):
        return "lbbb"
    return _untold(width_s)


def _untold(width_s: float) -> Pattern:
    return "wide" if width_s >= UNTOLD_S else "usual"


class _Shape:
    """A QRS complex in one lead, of height 1: net area, extremes, the top of its second half, the mean of its end."""

    def __init__(self, x: Floats) -> None:
        top = float(np.abs(x).max()) or 1.0
        z = x / top
        n = len(z)
        self.net = float(z.sum() / max(np.abs(z).sum(), 1e-9))
        self.most, self.least = float(z.max()), float(z.min())
        self.late = float(z[n // 2 :].max())
        self.end = float(z[2 * n // 3 :].mean())


def _plain(lead: str) -> str:
    return lead.upper().removeprefix("LEAD").strip(" _-")


def intervals(measured: Sequence[Measured], fs_hz: float) -> Intervals:
    """Return PR, QRS and QT over all averaged beats, and QTc by its formulae."""
    if not measured:
        reason = "no half minute with five normal beats that follow each other"
        return Intervals(n=0, reason=reason, pr_ms=None, qrs_ms=None, qt_ms=None, qtc_ms={})
    ms = 1000 / fs_hz
    pr = [(m.waves.qrs_on - m.waves.p_on) * ms for m in measured if m.waves.p_on is not None]
    qrs = [(m.waves.qrs_off - m.waves.qrs_on) * ms for m in measured]
    with_t = [m for m in measured if m.waves.t_off is not None]
    qt = [((m.waves.t_off or 0) - m.waves.qrs_on) * ms for m in with_t]
    rr = [m.average.rr_s for m in with_t]
    corrected = [qtc(q, r) for q, r in zip(qt, rr, strict=True)]
    return Intervals(
        n=len(measured),
        reason=None,
        # P waves that are seen now and then only are chance.
        pr_ms=_spread(pr) if len(pr) > 0.5 * len(measured) else None,
        qrs_ms=_spread(qrs),
        qt_ms=_spread(qt) if len(qt) > 0.5 * len(measured) else None,
        qtc_ms={name: round(float(np.median([c[name] for c in corrected])), 0) for name in _FORMULAE}
        if len(qt) > 0.5 * len(measured)
        else {},
    )


def qtc(qt_ms: float, rr_s: float) -> dict[str, float]:
    """Return QT corrected for rate, ms.

    Bazett 1920, Fridericia 1920, Sagie 1992 (Framingham), Hodges 1983.

    >>> {name: round(value) for name, value in qtc(400, 0.64).items()}
    {'Bazett': 500, 'Fridericia': 464, 'Framingham': 455, 'Hodges': 459}
    """
    return {
        "Bazett": qt_ms / rr_s**0.5,
        "Fridericia": qt_ms / rr_s ** (1 / 3),
        "Framingham": qt_ms + 154 * (1 - rr_s),
        "Hodges": qt_ms + 1.75 * (60 / rr_s - 60),
    }


def conduction(measured: Sequence[Measured], segment_s: float) -> Conduction:
    """Return how beats were conducted, stretch by stretch."""
    beats: dict[str, int] = {}
    stretches: list[ConductionStretch] = []
    for m in measured:
        beats[m.pattern] = beats.get(m.pattern, 0) + m.average.beats
        start_s, stop_s = m.average.start_s, m.average.start_s + segment_s
        if stretches and stretches[-1].pattern == m.pattern and stretches[-1].stop_s >= start_s:
            stretches[-1] = ConductionStretch(pattern=m.pattern, start_s=stretches[-1].start_s, stop_s=stop_s)
        else:
            stretches.append(ConductionStretch(pattern=m.pattern, start_s=start_s, stop_s=stop_s))
    return Conduction(beats=beats, stretches=tuple(stretches))


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    x = np.array(values)
    mean, median, sd, least, most = (float(v) for v in (x.mean(), np.median(x), x.std(), x.min(), x.max()))
    return Spread(
        n=len(x), mean=round(mean, 1), median=round(median, 1), sd=round(sd, 1), min=round(least, 1), max=round(most, 1)
    )
