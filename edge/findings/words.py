"""Findings in sentences: what, how sure, since when. Each rests on a number."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import UNSET

from edge.evidence import evidence_words, lasting
from edge.findings.findings import EpisodeFinding, Findings, Sentence
from edge.findings.rhythm import UNREADABLE
from edge.kinds import KINDS, title

_URGENCY = {"high": 0, "medium": 1, "low": 2}
PATTERNS = {
    "lbbb": "Conduction as in left bundle-branch block",
    "rbbb": "Conduction as in right bundle-branch block",
    "paced": "QRS complexes as wide as paced ones",
    "wide": "QRS of 130 ms or more, of no pattern that is told",
}
TOLD_SHARE = 0.1
"""Of the averaged beats: of what is rarer nothing is said."""
_NAMES = {"S": "supraventricular", "V": "ventricular", "F": "fusion"}


def sentences(found: Findings) -> tuple[Sentence, ...]:
    """Return the findings in words, the most urgent first."""
    by_kind: dict[str, list[EpisodeFinding]] = {}
    for episode in found.episodes:
        by_kind.setdefault(episode.kind, []).append(episode)
    order = list(KINDS)
    kinds = sorted(
        by_kind, key=lambda k: (_URGENCY[by_kind[k][0].priority], order.index(k) if k in order else len(order))
    )
    told = [_episodes(found, by_kind[kind], found.episode_counts[kind]) for kind in kinds]
    return (*_nothing(found), *told, *_rate(found), *_ectopy(found), *_conduction(found), *_quality(found))


def _nothing(found: Findings) -> Iterator[Sentence]:
    if not found.readable.percent:
        yield Sentence(text="Nothing could be read: no statement about the heart can be made.", priority="medium")


def _episodes(found: Findings, episodes: list[EpisodeFinding], count: int) -> Sentence:
    """Say how often a kind came, and which was the longest."""
    longest = max(episodes, key=lambda e: e.duration_s)
    start, stop = found.clock(longest.onset_s), found.clock(longest.onset_s + longest.duration_s)
    when = start if start == stop else f"{start}–{stop}"
    facts = ", ".join(evidence(longest))
    name = title(longest.kind)
    name = name[0].upper() + name[1:]
    if count == 1:
        text = f"{name}, {facts + ', ' if facts else ''}{when}."
    else:
        text = f"{name}, {count} times; the longest {facts + ', ' if facts else ''}{when}."
    return Sentence(text=text, priority=longest.priority, episode=longest.number)


def evidence(episode: EpisodeFinding) -> list[str]:
    """Return what an episode was judged by, in words; how it ended is seen on its strip."""
    said = msgspec.structs.replace(episode.evidence, ended_by=UNSET, window_s=UNSET)
    return evidence_words(said, episode.duration_s)


def _rate(found: Findings) -> Iterator[Sentence]:
    overall = found.heart_rate.overall
    if overall is not None:
        yield Sentence(
            text=f"Heart rate {overall.mean:.0f}/min on average, {overall.min:.0f} to {overall.max:.0f}/min."
        )


def _ectopy(found: Findings) -> Iterator[Sentence]:
    burden = found.burden
    for label, name in _NAMES.items():
        n = burden.by_class[label]
        if n and burden.percent:
            yield Sentence(
                text=f"{n:,} {name} beat{'s' if n > 1 else ''} of {burden.beats:,}, {burden.percent[label]:.1f} %"
                + (f", {burden.per_hour[label]:,.0f} an hour." if burden.per_hour else ".")
            )
    if burden.beats and not any(burden.by_class[label] for label in _NAMES):
        yield Sentence(text=f"{burden.beats:,} beats, none of them ectopic among those that could be called.")


def _conduction(found: Findings) -> Iterator[Sentence]:
    """Say which of the normal beats were conducted otherwise, and the intervals."""
    beats, all_beats = found.conduction.beats, sum(found.conduction.beats.values())
    for pattern, name in PATTERNS.items():
        n = beats.get(pattern, 0)
        if n >= TOLD_SHARE * all_beats > 0:
            mine = [s for s in found.conduction.stretches if s.pattern == pattern]
            longest = max(mine, key=lambda s: s.stop_s - s.start_s)
            where = f"{found.clock(longest.start_s)}–{found.clock(min(longest.stop_s, found.subject.duration_s))}"
            yield Sentence(text=f"{name}: {100 * n / all_beats:.0f} % of {all_beats:,} averaged beats, {where}.")
    spans = (("PR", found.intervals.pr_ms), ("QRS", found.intervals.qrs_ms), ("QT", found.intervals.qt_ms))
    said = [f"{name} {spread.median:.0f} ms" for name, spread in spans if spread is not None]
    if "Fridericia" in found.intervals.qtc_ms:
        wide = 2 * (all_beats - beats.get("usual", 0)) > all_beats
        caveat = ", which a wide QRS makes long" if wide else ""
        said.append(f"QTc {found.intervals.qtc_ms['Fridericia']:.0f} ms (Fridericia){caveat}")
    if said:
        yield Sentence(text=f"{', '.join(said)}.")


def _quality(found: Findings) -> Iterator[Sentence]:
    percent = found.readable.percent
    if not percent:
        return
    stretches = [s for s in found.rhythm if s.kind == UNREADABLE and s.stop_s - s.start_s >= 1]
    text = f"{percent:.1f} % of {lasting(found.subject.duration_s)} could be read"
    if stretches:
        worst = max(stretches, key=lambda s: s.stop_s - s.start_s)
        where = f"{found.clock(worst.start_s)}–{found.clock(worst.stop_s)}"
        text += f"; the longest stretch that could not, {lasting(worst.stop_s - worst.start_s)}, was {where}"
    yield Sentence(text=f"{text}.")
