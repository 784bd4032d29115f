"""What is known of a segment while it is written: a line of JSON for each thing, in a file that only grows."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from edge.sinks.recorder.scale import Scale


class About(msgspec.Struct, frozen=True, array_like=True, tag="about"):
    """First line of a journal: what the header will say. Times are UTC."""

    device: str
    stream: str
    fs_hz: float
    leads: tuple[str, ...]
    scales: tuple[Scale, ...]
    start: datetime
    # Earlier journals lack it.
    lead_off_detection: bool = False

    def __post_init__(self) -> None:
        if not self.leads or len(self.leads) != len(self.scales) or self.fs_hz <= 0:
            raise ValueError("a header like this cannot be")


class Began(msgspec.Struct, frozen=True, array_like=True, tag="began"):
    """The time of the first sample, better known than at first."""

    start: datetime


class Mark(msgspec.Struct, frozen=True, array_like=True, tag="mark"):
    """An annotation, counted from the segment's first sample."""

    sample: int
    mnemonic: Literal["N", "S", "V", "F", "Q", '"']
    aux: str = ""


class Span(msgspec.Struct, frozen=True, array_like=True, tag="span"):
    """An episode, counted from the segment's first sample; the last word on each number holds."""

    number: int
    kind: str
    onset: int
    end: int | None


Entry = About | Began | Mark | Span
ONSET = "alarm onset"
"""What the note of an alert that begins starts with."""


def read_journal(journal: bytes) -> tuple[About | None, list[Mark], dict[int, Span]]:
    """Return what a journal says: of the header (None if nothing), annotations, and episodes by number."""
    about: About | None = None
    marks: list[Mark] = []
    spans: dict[int, Span] = {}
    for line in journal.splitlines():
        try:
            # Where the power went there may be zeros, or half a line.
            entry = msgspec.json.decode(line.strip(b"\0"), type=Entry)
        except msgspec.DecodeError:
            continue
        match entry:
            case About():
                about = entry
            case Began():
                about = msgspec.structs.replace(about, start=entry.start) if about is not None else None
            case Mark():
                marks.append(entry)
            case Span():
                spans[entry.number] = entry
    return about, marks, spans
