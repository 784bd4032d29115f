"""What an alert or an episode was judged by, in words: the same on the terminal, on the ward and in the report."""

from __future__ import annotations

from msgspec import UNSET

from edge.kinds import KINDS, title
from edge.messages import Evidence

_PRIORITIES = ("high", "medium", "low")


def lasting(seconds: float) -> str:
    """Return a duration for people.

    >>> lasting(0.95), lasting(4.24), lasting(75), lasting(4000)
    ('0.9 s', '4.2 s', '1 min 15 s', '1:06:40 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = int(seconds)
    if seconds < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} h"


def evidence_words(said: Evidence, duration_s: float | None = None) -> list[str]:
    """Return what was judged, one thing after the other; thresholds, and what goes without saying, are left out.

    Parameters
    ----------
    said : Evidence
        The numbers.
    duration_s : float, optional
        How long it lasted in the end, where that is known better.

    Examples
    --------
    >>> ", ".join(evidence_words(Evidence(beats=5, rate_per_min=168.2, duration_s=1.8, mean_score=0.97)))
    '5 beats at 168/min, 1.8 s, score 0.97'
    """
    out = [*_not_kept(said), *_signal(said)]
    counted = _beats(said)
    rate = f"at {said.rate_per_min:.0f}/min" if isinstance(said.rate_per_min, float | int) else ""
    if counted or rate:
        out.append(f"{counted} {rate}".strip())
    lasted = said.duration_s if duration_s is None else duration_s
    if said.percent is not UNSET:
        over = f" in {said.window_s:.0f} s" if said.window_s is not UNSET else ""
        out.append(f"{said.percent:.0f} %{over}" if counted else f"{said.percent:.0f} % of beats{over}")
    if isinstance(lasted, float | int) and lasted >= 0.5:
        out.append(lasting(lasted))
    if said.mean_score is not UNSET:
        out.append(f"score {said.mean_score:.2f}")
    return [*out, *_again(said)]


def _beats(said: Evidence) -> str:
    if said.beats is not UNSET and said.v_beats is not UNSET and said.v_beats != said.beats:
        return f"{said.v_beats} of {said.beats} beats ventricular"
    n, what = (said.beats, "") if said.beats is not UNSET else (said.v_beats, "ventricular ")
    if n is UNSET:
        return ""
    return f"{n} {what}beat{'' if n == 1 else 's'}"


def _not_kept(said: Evidence) -> list[str]:
    if said.lost is UNSET:
        return []
    parts = [f"{n} {name}" for name in _PRIORITIES if (n := getattr(said, name)) is not UNSET and n]
    which = f": {', '.join(parts)}" if parts else ""
    return [f"{said.lost} alert{'' if said.lost == 1 else 's'} not kept{which}"]


def _signal(said: Evidence) -> list[str]:
    out = [] if said.reason is UNSET else [said.reason]
    return out if said.leads is UNSET else [*out, f"leads {', '.join(said.leads)}"]


def _again(said: Evidence) -> list[str]:
    out = []
    if said.episodes is not UNSET and said.episodes > 1:
        after = f", the last after {lasting(said.recurred_after_s)}" if said.recurred_after_s is not UNSET else ""
        out.append(f"{said.episodes} times{after}")
    if said.held is not UNSET and said.held:
        out.append(f"{said.held} since it was last told")
    if said.ended_by is not UNSET:
        out.append(f"ended by {title(said.ended_by)}" if said.ended_by in KINDS else said.ended_by)
    return out
