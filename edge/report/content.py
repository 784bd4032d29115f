"""What a report says and in which order, for whichever form it is put into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from edge.evidence import lasting
from edge.findings.findings import EpisodeFinding, Findings, StripFinding, elapsed
from edge.findings.words import evidence
from edge.report import strip as paper
from edge.report.drawing import Drawing

NOT_A_DIAGNOSIS = "These are measurements and their interpretation by a program: not a diagnosis."

LABELS = {
    "N": "normal, bundle-branch block",
    "S": "supraventricular",
    "V": "ventricular",
    "F": "fusion",
    "Q": "could not be called",
}
_ORDER = {"high": 0, "medium": 1, "low": 2}
_SAME_S = 3.0
"""Episodes that begin so close to each other are shown by one strip, with the most urgent one's context."""


class Figure(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A strip and what is said of it.

    Attributes
    ----------
    number : int
        Counts strips in the report.
    heading, text : str
        What it shows, and what it was judged by.
    priority : str
        Of the episode; empty if it shows none.
    strip : StripFinding
        The samples.
    episodes : tuple of int
        Numbers of the episodes that begin in it.
    """

    number: int
    heading: str
    text: str
    priority: str
    strip: StripFinding
    episodes: tuple[int, ...] = ()


def figures(found: Findings) -> list[Figure]:
    """Return the strips in the report's order: urgent episodes first, then the typical one and the noisiest.

    What begins within a few seconds of something more urgent is on the same strip.
    """
    by_number = {episode.number: episode for episode in found.episodes}
    shown = sorted(
        (s for s in found.strips if s.episode in by_number),
        key=lambda s: (_ORDER[by_number[s.episode or 0].priority], by_number[s.episode or 0].onset),
    )
    rest = [s for s in found.strips if s.episode is None]
    groups: list[list[StripFinding]] = []
    for strip in shown:
        group = next((g for g in groups if abs(g[0].start - strip.start) <= _SAME_S * strip.fs_hz), None)
        if group is None:
            groups.append([strip])
        else:
            group.append(strip)
    told = [
        _figure(found, number, group[0], [by_number[strip.episode or 0] for strip in group])
        for number, group in enumerate(groups, start=1)
    ]
    return [*told, *(_other(found, number, strip) for number, strip in enumerate(rest, start=len(told) + 1))]


def numbers(shown: Sequence[Figure]) -> dict[int, int]:
    """Return the number of the strip that shows each episode, by the episode's number."""
    return {episode: figure.number for figure in shown for episode in figure.episodes}


def _figure(found: Findings, number: int, strip: StripFinding, episodes: Sequence[EpisodeFinding]) -> Figure:
    names = list(dict.fromkeys(episode.title for episode in episodes))
    heading = "; ".join(names)
    return Figure(
        number=number,
        heading=heading[0].upper() + heading[1:],
        text="; ".join(_judged(found, episode, named=len(episodes) > 1) for episode in episodes),
        priority=episodes[0].priority,
        strip=strip,
        episodes=tuple(episode.number for episode in episodes),
    )


def _judged(found: Findings, episode: EpisodeFinding, *, named: bool) -> str:
    stop_s = episode.onset_s + episode.duration_s
    when = f"{found.clock(episode.onset_s)}–{found.clock(stop_s)}"
    text = ", ".join([*evidence(episode), when + (", lasting at the end" if episode.lasting else "")])
    return f"{episode.title}: {text}" if named else text


def _other(found: Findings, number: int, strip: StripFinding) -> Figure:
    heading = "A typical stretch" if strip.why == "typical" else "The stretch that could be read least"
    return Figure(number=number, heading=heading, text=_when(found, strip), priority="", strip=strip)


def _when(found: Findings, strip: StripFinding) -> str:
    start_s = strip.start / strip.fs_hz
    return f"{found.clock(start_s)}–{found.clock(start_s + strip.uv.shape[1] / strip.fs_hz)}"


def picture(found: Findings, strip: StripFinding, row_s: float = paper.ROW_S) -> Drawing:
    """Return a strip of the findings on paper, with its beats and the episodes in it."""
    start_s = strip.start / strip.fs_hz
    stop_s = start_s + strip.uv.shape[1] / strip.fs_hz
    beats = found.beats
    near = beats[np.searchsorted(beats["time_s"], start_s) : np.searchsorted(beats["time_s"], stop_s)]
    return paper.draw(
        paper.Strip(
            mv=strip.mv,
            fs_hz=strip.fs_hz,
            leads=strip.leads,
            start_s=start_s,
            beats=near,
            spans=spans(found, start_s, stop_s),
            unreadable=found.readable.stretches,
            band_hz=strip.band_hz,
            label=f"{found.subject.name}  {_when(found, strip)}",
        ),
        row_s,
    )


def spans(found: Findings, start_s: float, stop_s: float) -> tuple[tuple[str, str, float, float], ...]:
    """Return title, priority, start and stop of the episodes that are in a stretch, the most urgent first."""
    inside = [e for e in found.episodes if e.onset_s < stop_s and e.onset_s + e.duration_s > start_s]
    inside = [e for e in inside if e.kind != "ventricular_burden"]
    inside.sort(key=lambda e: (_ORDER[e.priority], e.onset))
    return tuple(
        (
            f"{e.title} {lasting(e.duration_s)}" if e.duration_s else e.title,
            e.priority,
            e.onset_s,
            e.onset_s + e.duration_s,
        )
        for e in inside
    )


def facts(found: Findings) -> list[tuple[str, str]]:
    """Return who, when, how long and how much was readable, as names and values."""
    subject, readable = found.subject, found.readable
    start = subject.start_time
    out = [
        ("Recording", subject.name),
        ("Began", f"{start:%Y-%m-%d %H:%M:%S} UTC" if start else "not known: times count from its beginning"),
        ("Length", f"{elapsed(subject.duration_s)} at {subject.fs_hz:g} Hz"),
        ("Leads", ", ".join(subject.leads)),
        ("Readable", "nothing" if readable.percent is None else f"{readable.percent:.1f} %"),
    ]
    return out + [("Note", note) for note in subject.notes[:8]]


def beat_rows(found: Findings) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield class, meaning, count, share of the called and number an hour."""
    burden = found.burden
    for label, n in burden.by_class.items():
        share = f"{burden.percent[label]:.1f} %" if label in burden.percent else "–"
        hour = f"{burden.per_hour[label]:,.0f}" if label in burden.per_hour else "–"
        yield label, LABELS[label], f"{n:,}", share, hour


def measures(found: Findings) -> list[tuple[str, str, str]]:
    """Return name, value and remark of rate, intervals and variability."""
    out: list[tuple[str, str, str]] = []
    rate, rr, hrv = found.heart_rate.overall, found.rr_ms, found.hrv
    if rate is not None:
        out.append(
            ("Heart rate", f"{rate.mean:.0f}/min", f"{rate.min:.0f} to {rate.max:.0f}, median {rate.median:.0f}")
        )
    else:
        out.append(("Heart rate", "not told", "too few beats that follow each other"))
    if rr is not None:
        out.append(("RR interval", f"{rr.median:.0f} ms", f"median; {rr.min:.0f} to {rr.max:.0f} ms"))
    spans = (("PR", found.intervals.pr_ms), ("QRS", found.intervals.qrs_ms), ("QT", found.intervals.qt_ms))
    for name, spread in spans:
        if spread is not None:
            out.append(
                (name, f"{spread.median:.0f} ms", f"median of {spread.n:,}; {spread.min:.0f} to {spread.max:.0f}")
            )
    if found.intervals.qtc_ms:
        values = [f"{name} {value:.0f}" for name, value in found.intervals.qtc_ms.items()]
        out.append(("QTc", f"{found.intervals.qtc_ms['Fridericia']:.0f} ms", ", ".join(values)))
    if not hrv.valid:
        out.append(("HRV", "not valid", hrv.reason or ""))
        return out
    out.append(("SDNN", f"{hrv.sdnn_ms:.0f} ms", f"{hrv.nn:,} intervals between normal beats, {hrv.nn_percent:.0f} %"))
    out.append(("RMSSD", f"{hrv.rmssd_ms:.0f} ms", f"pNN50 {hrv.pnn50_percent:.1f} %"))
    if hrv.sdann_ms is not None:
        out.append(("SDANN", f"{hrv.sdann_ms:.0f} ms", "of 5-min means"))
    return out


def methods(found: Findings) -> list[str]:
    """Return how it was found, in paragraphs."""
    model = found.model
    return [
        "R peaks are found causally in all leads that can be read, after conditioning to 360 Hz, 0 to 35 Hz, with the "
        "baseline taken away as a running median of 0.63 s. Each beat is given one of the classes of ANSI/AAMI EC57 by "
        f"an int8 network ({model.name}, sha256 {model.sha256[:12]}), from two leads, its timing and the shape of the "
        "patient's other beats; its score is the calibrated probability that the class is right. Beats in noise are "
        "called N or Q. Rhythms follow from rate and classes by the rules that are printed with each kind in "
        "docs/alarms.md; signal quality is judged once a second in each lead.",
        "Strips show the source's own samples within 0.5 to 40 Hz without delay, 25 mm/s and 10 mm/mV. Variability is "
        "of intervals between normal beats that follow each other and differ by no more than 20 %, as the Task Force "
        "of ESC and NASPE has it (1996); it is told where 5 min of them are there and 80 % of all intervals are such.",
        "Intervals and conduction are of the median of the beats called N in each half minute, in two leads: QRS where "
        "the slope of both together stands out, the onset of P and the end of T by the tangent; bundle-branch block by "
        "width and by the way the last of the QRS points in V1 (AHA/ACCF/HRS 2009).",
        f"Made by {found.made_by}.",
    ]


MOST_EPISODES = 400
"""Listed in a report; all are in the JSON form."""


def episode_rows(found: Findings, by_episode: Mapping[int, int]) -> list[tuple[str, ...]]:
    """Return sign, kind, onset, length, evidence and strip of the episodes: all urgent ones, the others by length."""
    chosen = sorted(found.episodes, key=lambda e: (_ORDER[e.priority], -e.duration_s))[:MOST_EPISODES]
    signs = {"high": "!!!", "medium": "!!", "low": "!"}
    return [
        (
            signs[e.priority],
            e.title,
            found.clock(e.onset_s),
            lasting(e.duration_s),
            ", ".join(word for word in evidence(e) if word != lasting(e.duration_s)),
            str(by_episode.get(e.number, "")),
        )
        for e in sorted(chosen, key=lambda e: (_ORDER[e.priority], e.onset))
    ]


def quality_rows(found: Findings) -> list[tuple[str, ...]]:
    """Return each lead and its share of seconds by state."""
    rows: list[tuple[str, ...]] = []
    for lead, states in found.readable.leads.items():
        total = sum(states.values())
        shares = (states.get(state, 0) for state in ("good", "noisy", "saturated", "flat", "off"))
        rows.append((lead, *(f"{100 * n / total:.1f} %" if total else "–" for n in shares)))
    return rows
