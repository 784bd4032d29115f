"""What the findings do not say, and why: silence must not be taken for health."""

from __future__ import annotations

from edge.findings.findings import Findings, Limit

_SHORT_S = 60.0
_MOSTLY = 95.0


def of(found: Findings, *, kept_all: bool) -> tuple[Limit, ...]:
    """Return what cannot be told of this stream.

    Parameters
    ----------
    found : Findings
        All else.
    kept_all : bool
        Whether every beat is in `found.beats`.
    """
    out = [*_of_signal(found), *_of_length(found)]
    if not found.hrv.valid:
        out.append(Limit(what="heart rate variability", why=found.hrv.reason or ""))
    out.append(
        Limit(
            what="ischaemia, infarction, the axis",
            why="ST segments and amplitudes of a monitoring band are not looked at; a 12-lead ECG is needed",
        )
    )
    if not kept_all:
        out.append(Limit(what="every beat by itself", why=f"{len(found.beats):,} are listed, all are counted"))
    return tuple(out)


def _of_signal(found: Findings) -> list[Limit]:
    readable = found.readable
    if readable.percent is None:
        return [Limit(what="anything", why="there is less than a second of signal")]
    if readable.percent == 0:
        return [Limit(what="anything", why="no lead could be read in any second")]
    if readable.percent < _MOSTLY:
        return [
            Limit(
                what="what happened while nothing could be read",
                why=f"{100 - readable.percent:.1f} % of the time, {readable.unreadable_s + readable.lost_s:.0f} s",
            )
        ]
    return []


def _of_length(found: Findings) -> list[Limit]:
    if found.subject.duration_s >= _SHORT_S:
        return []
    return [
        Limit(
            what="what is usual for this patient",
            why=f"{found.subject.duration_s:.0f} s of signal; premature beats are judged against a minute of others",
        )
    ]
