"""What rules look at: the answers and the findings, and what in them speaks for something."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edge.evidence import lasting
from edge.findings.findings import EpisodeFinding, Findings
from edge.findings.words import PATTERNS, TOLD_SHARE
from edge.triage.questionnaire import QUESTIONS, Questionnaire


class Facts(msgspec.Struct, frozen=True):
    """What is known."""

    answers: Questionnaire
    found: Findings


class Sign(msgspec.Struct, frozen=True):
    """Something that was found to be so.

    Attributes
    ----------
    text : str
        What, with the number it rests on.
    episode : int or None
        Number of the episode whose strip shows it.
    """

    text: str
    episode: int | None = None


Test = Callable[[Facts], Sign | None]
"""Returns what is so, None if it is not, or not known."""


def said(question: str) -> Test:
    """Return a test whether a question was answered with yes.

    Raises
    ------
    KeyError
        If there is no such question.
    """
    text = QUESTIONS[question]
    return lambda facts: Sign(text) if facts.answers.answer(question) == "yes" else None


def both(first: Test, second: Test) -> Test:
    """Return a test whether two things are so at once."""

    def test(facts: Facts) -> Sign | None:
        one, other = first(facts), second(facts)
        if one is None or other is None:
            return None
        return Sign(f"{one.text}, and {other.text[:1].lower()}{other.text[1:]}", one.episode or other.episode)

    return test


def at_least(n: int, *tests: Test) -> Test:
    """Return a test whether so many of some things are so."""

    def test(facts: Facts) -> Sign | None:
        signs = [sign for each in tests if (sign := each(facts)) is not None]
        return Sign(", ".join(sign.text for sign in signs)) if len(signs) >= n else None

    return test


def episode(kind: str, *, at_least_s: float = 0.0) -> Test:
    """Return a test whether there was an episode of a kind, of some length."""

    def test(facts: Facts) -> Sign | None:
        episodes = [e for e in facts.found.episodes if e.kind == kind and e.duration_s >= at_least_s]
        if not episodes:
            return None
        longest = max(episodes, key=lambda e: e.duration_s)
        return Sign(_in_words(facts.found, longest, len(episodes)), longest.number)

    return test


def share_of_v(percent: float) -> Test:
    """Return a test whether so many of the beats, in percent, were ventricular."""

    def test(facts: Facts) -> Sign | None:
        burden = facts.found.burden
        share = burden.percent.get("V", 0.0)
        text = f"{share:.1f} % of {burden.beats:,} beats ventricular"
        return Sign(text) if share >= percent else None

    return test


def conducted(*patterns: str) -> Test:
    """Return a test whether a tenth of the averaged beats were conducted in one of some ways.

    The names are those of `edge.findings.conduction.TITLES`.
    """

    def test(facts: Facts) -> Sign | None:
        beats = facts.found.conduction.beats
        n, all_beats = sum(beats.get(pattern, 0) for pattern in patterns), sum(beats.values())
        if not n or n < TOLD_SHARE * all_beats:
            return None
        most = max(patterns, key=lambda pattern: beats.get(pattern, 0))
        return Sign(f"{PATTERNS[most]}: {100 * n / all_beats:.0f} % of {all_beats:,} averaged beats")

    return test


def qtc_at_least(ms: float) -> Test:
    """Return a test whether QTc by Fridericia is so long, where the QRS is narrow: a wide one makes QT long."""
    wide = conducted("lbbb", "rbbb", "paced", "wide")

    def test(facts: Facts) -> Sign | None:
        intervals = facts.found.intervals
        qtc = intervals.qtc_ms.get("Fridericia", 0.0)
        text = f"QTc {qtc:.0f} ms (Fridericia), median of {intervals.n:,} averaged beats of a monitoring lead"
        return Sign(text) if qtc >= ms and wide(facts) is None else None

    return test


def pr_at_least(ms: float) -> Test:
    """Return a test whether PR is so long."""

    def test(facts: Facts) -> Sign | None:
        pr = facts.found.intervals.pr_ms
        if pr is None or pr.median < ms:
            return None
        return Sign(f"PR {pr.median:.0f} ms, median of {pr.n:,} averaged beats")

    return test


def _in_words(found: Findings, told: EpisodeFinding, n: int) -> str:
    count = f"{n} episodes of {told.title}, the longest " if n > 1 else f"{told.title[:1].upper()}{told.title[1:]}, "
    rate = told.evidence.rate_per_min
    speed = f" at {rate:.0f}/min" if isinstance(rate, float) else ""
    return f"{count}{lasting(told.duration_s)}{speed}, from {found.clock(told.onset_s)}"
