"""The triage note as a part of the report."""

from __future__ import annotations

from collections.abc import Mapping

from edge.report.svg import escape
from edge.triage.note import Considered, Note, Reason

URGENCY = {
    "now": "Now",
    "today": "Today",
    "soon": "Within days",
    "routine": "Routine",
    "none": "No rule applies",
    "cannot tell": "Cannot tell: too little could be read, or was answered",
}
PRIORITY = {"now": "high", "today": "medium", "soon": "low"}


def how_soon(note: Note) -> str:
    """Return in words how soon somebody should look."""
    text = URGENCY[note.urgency]
    return f"Somebody should look: {text.lower()}." if note.considered else f"{text}."


def section(note: Note, by_episode: Mapping[int, int]) -> str:
    """Return the note as HTML.

    Parameters
    ----------
    note : Note
        What it says.
    by_episode : mapping
        Number of the strip that shows an episode.
    """
    limits = "".join(f"<li>{escape(limit.what)}: {escape(limit.why)}.</li>" for limit in note.cannot_tell)
    return (
        f"<h2>To be considered, with the answers given</h2><p><b>{escape(how_soon(note))}</b></p>"
        f"{''.join(_considered(each, by_episode) for each in note.considered)}"
        f"<p>This note cannot tell:</p><ul>{limits}</ul><p class=quiet>{escape(note.caution)}</p>"
    )


def _considered(each: Considered, by_episode: Mapping[int, int]) -> str:
    reasons = "".join(_reason(reason, by_episode) for reason in each.reasons)
    examine = "; ".join(each.examine)
    return (
        f'<div class="considered {PRIORITY.get(each.urgency, "")}"><h3>{escape(each.title)}</h3>'
        f"<small>{escape(URGENCY[each.urgency])} · {each.points} points</small>"
        f"<table><tbody>{reasons}</tbody></table>"
        f"<p>Examine next: {escape(examine)}.<br>If that is not available: {escape(each.otherwise)}.</p></div>"
    )


def _reason(reason: Reason, by_episode: Mapping[int, int]) -> str:
    number = by_episode.get(reason.episode) if reason.episode is not None else None
    link = f' <a href="#strip{number}">strip {number}</a>' if number else ""
    return (
        f"<tr><td class=n>+{reason.points}</td><td>{escape(reason.text)}{link}<br>"
        f"<small>{escape(reason.source)}</small></td></tr>"
    )
