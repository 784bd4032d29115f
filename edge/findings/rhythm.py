"""Stretch by stretch, what rhythm there was: one at a time, the most urgent first; what could not be read is none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from edge.findings.findings import EpisodeFinding, Rhythm
from edge.kinds import KINDS

NONE, UNREADABLE = "none", "unreadable"
_NO_RHYTHM = frozenset(
    {"signal_lost", "asystole_or_lead_off", "pause", "dropped_beats", "couplet", "ventricular_burden"}
)
"""Single events, or statements about a minute."""


def rhythm_of(
    episodes: Sequence[EpisodeFinding], unreadable: Sequence[tuple[float, float]], duration_s: float
) -> tuple[Rhythm, ...]:
    """Return the rhythm from the first sample to the last.

    Parameters
    ----------
    episodes : sequence of EpisodeFinding
        Of all kinds; where several last at once the first in `edge.kinds.KINDS` is told.
    unreadable : sequence of (start_s, stop_s)
        Where nothing could be read.
    duration_s : float
        Length of the recording.
    """
    # What cannot be read comes first: nothing is claimed of it, whatever lasts before and after.
    names = [UNREADABLE, *(kind for kind in KINDS if kind not in _NO_RHYTHM)]
    ranks = {kind: rank for rank, kind in enumerate(names)}
    edges: list[tuple[float, int, int]] = [(0.0, 0, 0)]
    spans = [(e.onset_s, e.onset_s + e.duration_s, ranks[e.kind]) for e in episodes if e.kind in ranks]
    spans += [(start, stop, 0) for start, stop in unreadable]
    for start, stop, rank in spans:
        edges += [(start, 1, rank), (stop, -1, rank)]
    lasting = [0] * len(names)
    at: dict[float, str] = {}
    for time_s, step, rank in sorted(edges):
        lasting[rank] += step
        at[min(max(time_s, 0.0), duration_s)] = next((names[r] for r, n in enumerate(lasting) if n > 0), NONE)
    times = [*sorted(at), duration_s]
    out: list[Rhythm] = []
    for start, stop in pairwise(times):
        if stop <= start:
            continue
        if out and out[-1].kind == at[start]:
            out[-1] = Rhythm(kind=at[start], start_s=out[-1].start_s, stop_s=stop)
        else:
            out.append(Rhythm(kind=at[start], start_s=start, stop_s=stop))
    return tuple(out)


def seconds_in(rhythm: Sequence[Rhythm], kinds: Collection[str]) -> float:
    """Return how long one of some kinds was told."""
    return sum(stretch.stop_s - stretch.start_s for stretch in rhythm if stretch.kind in kinds)
