"""Which signals of a record are its leads: those that somebody asks for, or those that are an ECG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.signal_kind import choose_leads, kind_by_name, kind_by_unit, kind_of, titled

LOOK_S = 20.0
"""So much of a signal is looked at where its name does not say what it is."""
MAX_LEADS = 32
_MAX_NOTES = 6
# mV of one ADC unit: beyond, nothing that a heart does can be seen in it.
_MV_PER_COUNT = (1e-9, 1e6)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that may be a lead.

    Attributes
    ----------
    name, unit : str
        As the record has them.
    mv : float or None
        mV of one ADC unit; None if its unit is none of volts.
    fs_hz : float
        Its rate.
    read : callable
        Reads the beginning of it.
    """

    name: str
    unit: str
    mv: float | None
    fs_hz: float
    read: Callable[[], NDArray[np.floating[Any]]]

    @property
    def usable(self) -> bool:
        """Whether an ECG can be seen in it."""
        return self.mv is not None and _MV_PER_COUNT[0] <= abs(self.mv) <= _MV_PER_COUNT[1]

    @property
    def why_not(self) -> str:
        """Why no ECG can be seen in it, as a sentence goes on."""
        if self.mv is not None:
            return f"one count of its converter is {self.mv:.3g} mV"
        kind = kind_by_name(self.name) or kind_by_unit(self.unit)
        return f"{titled(kind)}, in {self.unit}" if kind not in (None, "ecg") else f"its unit is {self.unit}"


def choose(
    record: str, candidates: Sequence[Candidate], wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of the leads to read, in the order of the record, and what is to be said of the others.

    Parameters
    ----------
    record : str
        Its name, for messages.
    candidates : sequence of Candidate
        All its signals.
    wanted : sequence of str, optional
        The leads somebody asks for, by name, small or capital.

    Raises
    ------
    SourceError
        If there is none, or not the one that is asked for.
    """
    usable = [one for one in candidates if one.usable]
    if not usable:
        said = [f"{one.name}: {one.why_not}" for one in candidates]
        reason = f"no usable lead ({'; '.join(few(said, 'signals'))})" if said else "has no signals"
        raise SourceError(record, reason, "give a record with a lead in mV")
    if wanted is not None:
        return _wanted(record, [one.name for one in usable], wanted), []
    names, notes = _ecg_among(record, usable)
    other = [f"{one.name} is left out: {one.why_not}" for one in candidates if not one.usable]
    return names, few([*notes, *other], "signals are left out")


def few(lines: Sequence[str], what: str) -> list[str]:
    """Return some lines, and of many only how many more there are."""
    if len(lines) <= _MAX_NOTES:
        return list(lines)
    return [*lines[: _MAX_NOTES - 1], f"{len(lines) - _MAX_NOTES + 1} more {what}"]


def _wanted(record: str, names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    known = {name.casefold(): name for name in reversed(names)}
    if missing := [name for name in wanted if name.casefold() not in known]:
        raise SourceError(record, f"has no lead {', '.join(missing)}", f"it has {', '.join(names[:MAX_LEADS])}")
    return tuple(dict.fromkeys(known[name.casefold()] for name in wanted))


def _ecg_among(record: str, signals: Sequence[Candidate]) -> tuple[tuple[str, ...], list[str]]:
    """Return those that are an ECG, and a line on each that is not."""
    nothing = np.zeros(0, np.float32)
    names, verdicts = [one.name for one in signals], []
    for one in signals:
        verdict = kind_of(one.name, one.unit, nothing, one.fs_hz)
        verdicts.append(kind_of(one.name, one.unit, one.read(), one.fs_hz) if verdict.kind == "unknown" else verdict)
    columns, notes = choose_leads(names, verdicts)
    if not columns:
        said = [f"{name}: {verdict}" for name, verdict in zip(names, verdicts, strict=True)]
        reason = f"no ECG among its signals ({'; '.join(few(said, 'signals'))})"
        raise SourceError(record, reason, "give a record that has one")
    more = [f"{names[i]} is left out: {MAX_LEADS} leads are read at most" for i in columns[MAX_LEADS:]]
    return tuple(names[i] for i in columns[:MAX_LEADS]), [*notes, *more]
