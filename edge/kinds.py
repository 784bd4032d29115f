"""What can be told: one table of every kind of episode and alert.

Titles, default priorities, WFDB notes, what is said in docs/alarms.md: all of it is read from here.
"""

from __future__ import annotations

import msgspec

from edge.messages import Priority


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of episode or alert.

    Attributes
    ----------
    title : str
        Its name, for people.
    priority : Priority
        How urgently it is told unless configured otherwise. By IEC 60601-1-8 that follows from what happens if nobody
        comes, and how soon: death at once is high, harm that can be reversed promptly is medium, minor or delayed harm
        is low.
    definition : str
        When it is told; names of settings in backticks.
    standard : str
        Where the definition comes from.
    aux : str or None
        WFDB rhythm note, where it is a rhythm.
    intermittent : bool
        Comes and goes: that it comes again matters more than each single time.
    updates : bool
        Told again while it lasts. What may last for days is told at its onset and its end alone.
    technical : bool
        Of the signal or the device, not of the patient: there is no strip of it.
    stage : bool
        Told by the rhythm stage; otherwise by the device about itself.
    """

    title: str
    priority: Priority
    definition: str
    standard: str = ""
    aux: str | None = None
    intermittent: bool = False
    updates: bool = True
    technical: bool = False
    stage: bool = True


KINDS: dict[str, Kind] = {
    "asystole": Kind(
        title="asystole",
        priority="high",
        definition="no QRS for `asystole_s`, in signal that could be read",
        standard="CinC 2015",
    ),
    "asystole_or_lead_off": Kind(
        title="asystole or lead off",
        priority="high",
        definition="as `asystole`, where the line is flat and the source does not say when an electrode is off",
        standard="CinC 2015",
    ),
    "vf": Kind(
        title="ventricular fibrillation or flutter",
        priority="high",
        definition="waves of one kind without a quiet line between them, in the leads that can be read: `vf_score`",
        standard="CinC 2015; learnt on VFDB",
        aux="(VFL",
    ),
    "vt": Kind(
        title="ventricular tachycardia",
        priority="high",
        definition="`vt_beats` consecutive V beats or more, the last of them faster than `vt_bpm`",
        standard="CinC 2015",
        aux="(VT",
    ),
    "extreme_bradycardia": Kind(
        title="extreme bradycardia",
        priority="high",
        definition="as `bradycardia`, by `extreme_bradycardia_beats` and `extreme_bradycardia_bpm`, in its place",
        standard="monitors' usual setting",
        aux="(SBR",
    ),
    "extreme_tachycardia": Kind(
        title="extreme tachycardia",
        priority="high",
        definition="as `tachycardia`, by `extreme_tachycardia_beats` and `extreme_tachycardia_bpm`, in its place",
        standard="monitors' usual setting",
    ),
    "v_run": Kind(
        title="ventricular run",
        priority="medium",
        definition="`v_run_beats` consecutive V beats at any rate, until they are `vt_beats`",
        standard="EC57 short run",
        aux="(VT",
        intermittent=True,
    ),
    "idioventricular": Kind(
        title="idioventricular rhythm",
        priority="medium",
        definition="as `vt`, but at no more than `vt_bpm`",
        aux="(IVR",
    ),
    "svt_run": Kind(
        title="supraventricular run",
        priority="low",
        definition="`svt_run_beats` consecutive S beats or more",
        standard="EC57",
        aux="(SVTA",
        intermittent=True,
    ),
    "af": Kind(
        title="atrial fibrillation",
        priority="medium",
        definition="intervals irregular without a pattern over half a minute, V and F beats left out: `af_score`",
        standard="learnt on LTAFDB",
        aux="(AFIB",
        updates=False,
    ),
    "bigeminy": Kind(
        title="bigeminy",
        priority="low",
        definition="every second beat V, `pattern_cycles` times, N or S between",
        standard="AHA/ACC/HRS 2009",
        aux="(B",
        intermittent=True,
    ),
    "trigeminy": Kind(
        title="trigeminy",
        priority="low",
        definition="every third beat V, `pattern_cycles` times, N or S between",
        standard="AHA/ACC/HRS 2009",
        aux="(T",
        intermittent=True,
    ),
    "bradycardia": Kind(
        title="bradycardia",
        priority="medium",
        definition="median RR over `bradycardia_beats` slower than `bradycardia_bpm`",
        standard="CinC 2015",
        aux="(SBR",
    ),
    "tachycardia": Kind(
        title="tachycardia",
        priority="medium",
        definition="median RR over `tachycardia_beats` faster than `tachycardia_bpm`",
        standard="CinC 2015",
    ),
    "pause": Kind(
        title="pause",
        priority="medium",
        definition="an RR interval of at least `pause_s`",
        standard="ACC/AHA/HRS 2018",
        intermittent=True,
    ),
    "dropped_beats": Kind(
        title="irregular, dropped beats",
        priority="low",
        definition="`dropped_per_min` intervals a minute of about twice the usual, between N beats that are not early",
        standard="ACC/AHA/HRS 2018",
        intermittent=True,
    ),
    "ventricular_burden": Kind(
        title="ventricular burden",
        priority="low",
        definition="`burden_per_min` V beats in the last minute, or `burden_percent` of its beats",
        standard="monitors' usual setting; Baman 2010",
        intermittent=True,
    ),
    "couplet": Kind(
        title="couplet",
        priority="low",
        definition="two V beats, another kind of beat on both sides",
        standard="EC57",
        intermittent=True,
    ),
    "signal_lost": Kind(
        title="signal lost",
        priority="medium",
        definition="for `signal_lost_s` no lead was readable for `asystole_s` at a stretch",
        standard="IEC 60601-2-27",
        technical=True,
    ),
    "alerts_lost": Kind(
        title="alerts lost",
        priority="high",
        definition="alerts were lost before the broker had them; as urgent as the most urgent of them",
        technical=True,
        stage=False,
    ),
}
"""By the name that is published. Where several rhythms last at once, the first of them here is annotated."""

STAGE_KINDS: tuple[str, ...] = tuple(name for name, kind in KINDS.items() if kind.stage)
"""Kinds of `Episode` that the rhythm stage tells."""


def title(name: str) -> str:
    """Return the name of a kind for people, also of one that a newer device tells.

    >>> title("vt")
    'ventricular tachycardia'
    """
    return KINDS[name].title if name in KINDS else name.replace("_", " ")
