"""One bed as it is now, made of what its device has published."""

from __future__ import annotations

import msgspec

from edge.contract.payloads import Beats, Status, Vitals, Waveform
from edge.messages import LeadState
from edge.web.clock import Now
from edge.web.ward.alerts import Alerts, WardAlert, most_urgent, no_data
from edge.web.ward.trend import Trend
from edge.web.ward.wave import Trace, is_showable

STALE_S, SILENT_S = 2.0, 5.0
"""After so long without data a trace is grey; after so long nothing is known of the patient any more."""

_SHOWN_ENDED = 8


class BedView(msgspec.Struct, frozen=True, kw_only=True):
    """What a page is told of a bed; times in milliseconds since 1970 by this server's clock.

    Attributes
    ----------
    index : int
        The bed's number in frames of the waveform.
    state : str
        `online`, `degraded` or `offline` as the device says, `unknown` before it does.
    heard_ms, heard_mono_ms : int or None
        When live data last came; the latter by this server's clock that is never set, to reckon its age with.
    hr_bpm : float or None
        Heart rate; None with its `reason`.
    alerts, ended : list of WardAlert
        In force, the most urgent first; ended, the newest first.
    shown : str or None
        The alert that the tile tells.
    fs_hz, trace_leads, generation : float, tuple of str, int
        What the frames of the waveform hold; rate 0 before the first one.
    """

    index: int
    id: str
    state: str
    state_reason: str | None
    heard_ms: int | None
    heard_mono_ms: int | None
    hr_bpm: float | None
    reason: str | None
    leads: dict[str, LeadState]
    beats: dict[str, int]
    stream: str | None
    alerts: list[WardAlert]
    ended: list[WardAlert]
    shown: str | None
    fs_hz: float
    trace_leads: tuple[str, ...]
    generation: int


class Bed:
    """One bed.

    Parameters
    ----------
    device : str
        Device id.
    index : int
        Its number in frames of the waveform.
    """

    def __init__(self, device: str, index: int) -> None:
        self.device = device
        self.index = index
        self.alerts = Alerts()
        self.trend = Trend()
        self.trace = Trace(index)
        self.heard: Now | None = None
        self.status: Status | None = None
        self._vitals: Vitals | None = None
        self._silent = False

    def take_status(self, status: Status) -> None:
        """Take the state that the device, or its last will, says; it is no sign of life."""
        self.status = status

    def take_vitals(self, vitals: Vitals, now: Now) -> None:
        """Take one second's rate."""
        self._vitals = vitals
        self.trend.add(now.wall_s, vitals.hr_bpm)
        self._hear(now)

    def take_beats(self, _beats: Beats, now: Now) -> None:
        """Take beats, as a sign of life."""
        self._hear(now)

    def take_wave(self, wave: Waveform, now: Now) -> bytes | None:
        """Take a block of samples; return its frame, None if it cannot be shown."""
        self._hear(now)
        return self.trace.take(wave) if is_showable(wave) else None

    def is_silent(self, now: Now) -> bool:
        """Return whether nothing is known of the patient now."""
        return self.heard is None or now.since(self.heard) > SILENT_S

    def watch(self, now: Now) -> bool:
        """Raise or end the ward's own alert that nothing is heard; return whether something changed."""
        left = self.status is not None and self.status.state == "offline" and self.status.time is not None
        silent = self.heard is not None and self.is_silent(now) and not left
        if silent == self._silent:
            return False
        self._silent = silent
        if silent and self.heard is not None:
            self.alerts.begin_own(no_data(self.device, self.heard))
        else:
            self.alerts.end_own(now)
        return True

    def view(self, now: Now) -> BedView:
        """Return what a page is told."""
        known = None if self.is_silent(now) else self._vitals
        in_force = self.alerts.in_force
        shown = most_urgent(in_force)
        return BedView(
            index=self.index,
            id=self.device,
            state=self.status.state if self.status else "unknown",
            state_reason=self.status.reason if self.status else None,
            heard_ms=None if self.heard is None else self.heard.wall_ms,
            heard_mono_ms=None if self.heard is None else self.heard.mono_ms,
            hr_bpm=known.hr_bpm if known else None,
            reason=known.reason if known else None,
            leads=known.leads if known else {},
            beats={str(label): n for label, n in known.beats.items()} if known else {},
            stream=self._vitals.stream if self._vitals else None,
            alerts=in_force,
            ended=self.alerts.ended[:_SHOWN_ENDED],
            shown=shown.id if shown else None,
            fs_hz=self.trace.fs_hz,
            trace_leads=self.trace.leads,
            generation=self.trace.generation,
        )

    def _hear(self, now: Now) -> None:
        self.heard = now
