"""The note: considerations in order, with everything that spoke for each, and what cannot be told."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge.findings.findings import Findings, Limit
from edge.triage.facts import Facts
from edge.triage.questionnaire import QUESTIONS, Questionnaire
from edge.triage.rules import CONSIDERATIONS, SOURCES, URGENCIES, Consideration, Rule, Urgency

SCHEMA_VERSION = 1
NOT_A_DIAGNOSIS = (
    "Not a diagnosis. Points say in which order to consider what the rules name; they are no probabilities. "
    "A doctor decides."
)
_READABLE_PERCENT = 50.0
_LONG_S = 600.0


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Something that speaks for a consideration.

    Attributes
    ----------
    rule : str
        Name of the rule.
    text : str
        What was found or answered.
    points : int
        How much the rule counts.
    source : str
        Who says so.
    episode : int or None
        Number of the episode whose strip is the evidence.
    """

    rule: str
    text: str
    points: int
    source: str
    episode: int | None = None


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """A consideration that some rule calls for.

    Attributes
    ----------
    name, title : str
        What.
    urgency : Urgency
        How soon somebody should look.
    points : int
        Sum of its reasons.
    reasons : tuple of Reason
        All that spoke for it, the weightiest first.
    examine : tuple of str
        What to examine next.
    otherwise : str
        What to do where that is not available.
    """

    name: str
    title: str
    urgency: Urgency
    points: int
    reasons: tuple[Reason, ...]
    examine: tuple[str, ...]
    otherwise: str


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A triage note.

    Attributes
    ----------
    schema_version : int
        Of this form.
    urgency : str
        Of the most urgent consideration; `none` if no rule applies; `cannot tell` if none does and too little could be
        read or was answered for that to mean anything.
    considered : tuple of Considered
        The most urgent first, then by the weightiest reason; what is equal then, in the order of the rules.
    cannot_tell : tuple of Limit
        What this note leaves open.
    answers : Questionnaire
        What it rests on besides the findings.
    caution : str
        What it is not.
    """

    schema_version: int = SCHEMA_VERSION
    urgency: Literal["now", "today", "soon", "routine", "none", "cannot tell"]
    considered: tuple[Considered, ...]
    cannot_tell: tuple[Limit, ...]
    answers: Questionnaire
    caution: str = NOT_A_DIAGNOSIS


def note_of(answers: Questionnaire, found: Findings) -> Note:
    """Return the note on some answers and findings.

    Parameters
    ----------
    answers : Questionnaire
        What was answered.
    found : Findings
        What the recording shows.
    """
    facts = Facts(answers, found)
    considered = [each for consideration in CONSIDERATIONS if (each := _considered(consideration, facts)) is not None]
    # Many that only fit do not outweigh one that is it: fibrillation comes before a tachycardia with all its reasons.
    considered.sort(key=lambda each: (URGENCIES.index(each.urgency), -each.reasons[0].points))
    return Note(
        urgency=considered[0].urgency if considered else _without(facts),
        considered=tuple(considered),
        cannot_tell=_limits(facts),
        answers=answers,
    )


def _considered(consideration: Consideration, facts: Facts) -> Considered | None:
    applied: list[tuple[Rule, Reason]] = []
    for rule in consideration.rules:
        sign = rule.test(facts)
        if sign is not None and not any(reason.text == sign.text for _, reason in applied):
            source = SOURCES[rule.source]
            reason = Reason(rule=rule.name, text=sign.text, points=rule.points, source=source, episode=sign.episode)
            applied.append((rule, reason))
    if not any(rule.alone for rule, _ in applied):
        return None
    reasons = sorted((reason for _, reason in applied), key=lambda reason: -reason.points)
    return Considered(
        name=consideration.name,
        title=consideration.title,
        urgency=min((rule.urgency for rule, _ in applied), key=URGENCIES.index),
        points=sum(reason.points for reason in reasons),
        reasons=tuple(reasons),
        examine=consideration.examine,
        otherwise=consideration.otherwise,
    )


def _without(facts: Facts) -> Literal["none", "cannot tell"]:
    """Return what to say where no rule applies: silence of rules is worth what was heard."""
    readable = facts.found.readable.percent or 0.0
    return "cannot tell" if readable < _READABLE_PERCENT or facts.answers.is_empty else "none"


def _limits(facts: Facts) -> tuple[Limit, ...]:
    answers, found = facts.answers, facts.found
    out = []
    readable = found.readable.percent
    if readable is None or readable < _READABLE_PERCENT:
        share = "nothing" if not readable else f"{readable:.0f} % of it"
        out.append(Limit(what="what the rhythm was for most of the recording", why=f"{share} could be read"))
    open_questions = [text for question, text in QUESTIONS.items() if answers.answer(question) == "unknown"]
    if open_questions:
        count = f"{len(open_questions)} of {len(QUESTIONS)} questions"
        out.append(Limit(what="what was not answered", why=f"{count}: {'; '.join(open_questions)}"))
    if answers.answer("symptoms.palpitations") == "yes" and not found.episodes:
        why = "no episode is in this recording; one made during the symptoms would tell"
        out.append(Limit(what="whether the palpitations come from an arrhythmia", why=why))
    if found.subject.duration_s < _LONG_S:
        why = f"the recording is {found.subject.duration_s:.0f} s long, and what comes and goes may be missed"
        out.append(Limit(what="how often anything happens", why=why))
    why = "ST segments are not judged, and a monitoring lead does not show all of the heart"
    out.append(Limit(what="ischaemia and infarction", why=why))
    return tuple(out)
