"""A small dashboard in the terminal: it knows only what MQTT tells it, as any other would."""

from __future__ import annotations

import textwrap
from collections import deque

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.text import Text

from edge.contract.payloads import Active, Alert, BeatItem, Beats, Status, StripInfo, Vitals, Waveform
from edge.demo.strip_chart import chart, letters
from edge.evidence import evidence_words
from edge.kinds import title
from edge.sinks.console import clock

_PRIORITY_STYLE = {"high": "bold white on red", "medium": "bold yellow", "low": "cyan"}
_BEAT_STYLE = {"N": "green", "S": "magenta", "V": "bold red", "F": "yellow", "Q": "dim"}
_LIVE_S = 6.0
_LIVE_ROWS = 5
_STRIP_ROWS = 3
_INDENT = 2
# Without a terminal to redraw, the rate is told so often, in ECG time.
_PLAIN_EVERY_S = 30.0
_MAX_WIDTH = 120


class Dashboard:
    """Shows what is published.

    Parameters
    ----------
    console : Console
        Where; redrawn in place on a terminal, plain lines elsewhere.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, _MAX_WIDTH)
        self._braille = console.encoding.startswith("utf")
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._status: Status | None = None
        self._vitals: Vitals | None = None
        self._active: Active | None = None
        self._waveform: deque[float] = deque()
        self._waveform_end = 0
        self._fs_hz = 0.0
        self._beats: deque[BeatItem] = deque(maxlen=200)
        self._told_s = 0.0
        self.offline = False
        self.alert_phases = 0

    def __enter__(self) -> Dashboard:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, fs_hz: float) -> None:
        """Begin with a stream of a known rate, where no status says it."""
        self._fs_hz = fs_hz
        self._waveform.clear()
        self._beats.clear()

    def take(self, topic: str, payload: bytes) -> None:
        """Take in one message.

        Parameters
        ----------
        topic : str
            Below `ecg/v1/<device_id>/`.
        payload : bytes
            JSON.
        """
        match topic:
            case "status":
                self._take_status(msgspec.json.decode(payload, type=Status))
            case "vitals":
                self._vitals = msgspec.json.decode(payload, type=Vitals)
                self._tell_vitals(self._vitals)
            case "beats":
                self._beats += msgspec.json.decode(payload, type=Beats).beats
            case "alerts":
                self._show(msgspec.json.decode(payload, type=Alert))
            case "alerts/active":
                self._active = msgspec.json.decode(payload, type=Active)
            case "waveform":
                self._take_waveform(msgspec.json.decode(payload, type=Waveform))
            case _:
                pass

    def redraw(self) -> None:
        """Draw the live part anew, on a terminal."""
        if self._live is not None:
            self._live.update(self._live_view(), refresh=True)

    def _take_status(self, status: Status) -> None:
        self._status = status
        self.offline = status.state == "offline"
        if status.source is not None:
            self._fs_hz = status.source.fs_hz
        line = Text(f"{status.device} is ").append(status.state, "bold green" if status.state == "online" else "bold")
        if status.reason:
            line.append(f" ({status.reason})")
        self._console.print(line)

    def _take_waveform(self, waveform: Waveform) -> None:
        self._waveform += (np.nan if value is None else value for value in waveform.mv[0])
        self._waveform_end = waveform.sample + len(waveform.mv[0])
        while len(self._waveform) > _LIVE_S * waveform.fs_hz:
            self._waveform.popleft()

    def _tell_vitals(self, vitals: Vitals) -> None:
        at_s = vitals.sample / self._fs_hz
        if self._live is None and at_s >= self._told_s + _PLAIN_EVERY_S:
            self._told_s = at_s
            self._console.print(self._vitals_line(vitals))

    def _vitals_line(self, vitals: Vitals) -> Text:
        rate = Text("–", "dim") if vitals.hr_bpm is None else Text(f"{vitals.hr_bpm:.0f}/min", "bold")
        line = Text(f"{clock(vitals.sample / self._fs_hz)}  ♥ ").append_text(rate)
        if vitals.reason:
            line.append(f" ({vitals.reason})")
        for label, count in vitals.beats.items():
            line.append(f"  {label} ", _BEAT_STYLE[label]).append(str(count))
        return line

    def _show(self, alert: Alert) -> None:
        self.alert_phases += 1
        line = Text(f"{clock(alert.decision.sample / self._fs_hz)}  ")
        line.append(f" {alert.priority.upper():<6} ", _PRIORITY_STYLE[alert.priority])
        line.append(f" {alert.phase:<6} ").append(title(alert.kind), "bold")
        line.append(f" since {clock(alert.onset.sample / self._fs_hz)}")
        self._console.print(line)
        for details in textwrap.wrap(", ".join(evidence_words(alert.evidence)), self._width - 2 * _INDENT):
            self._console.print(Text(" " * _INDENT + details, "dim"))
        if alert.phase == "onset" and alert.strip is not None:
            self._console.print(self._strip(alert.strip))

    def _strip(self, strip: StripInfo) -> Group:
        width = self._width - 2 * _INDENT
        mv = np.array(strip.mv[0], np.float64)
        begin_s, duration_s = strip.start / strip.fs_hz, len(mv) / strip.fs_hz
        marks = self._marks(begin_s, duration_s, width)
        caption = Text(f"{strip.leads[0]}, {duration_s:g} s from {clock(begin_s)}", "dim")
        lines = (caption, marks, *self._lines(mv, width, _STRIP_ROWS))
        return Group(*(Text(" " * _INDENT).append_text(line) for line in lines))

    def _marks(self, begin_s: float, duration_s: float, width: int) -> Text:
        places = ((beat.sample / self._fs_hz - begin_s) / duration_s for beat in self._beats)
        text = Text(letters(((place, beat.label) for place, beat in zip(places, self._beats, strict=True)), width))
        for label, style in _BEAT_STYLE.items():
            text.highlight_words([label], style)
        return text

    def _live_view(self) -> RenderableType:
        parts: list[RenderableType] = [Rule(style="dim")]
        if self._waveform and self._fs_hz:
            duration_s = len(self._waveform) / self._fs_hz
            begin_s = self._waveform_end / self._fs_hz - duration_s
            width = max(int(self._width * duration_s / _LIVE_S), 1)
            parts.append(self._marks(begin_s, duration_s, width))
            parts += self._lines(np.array(self._waveform), width, _LIVE_ROWS)
        if self._vitals is not None:
            parts.append(self._vitals_line(self._vitals))
        active = self._active.alerts if self._active is not None else ()
        in_force = Text("in force: ", "dim")
        for alert in active:
            in_force.append(f" {title(alert.kind)} ", _PRIORITY_STYLE[alert.priority]).append(" ")
        parts.append(in_force if active else in_force.append("nothing"))
        return Group(*parts)

    def _lines(self, mv: NDArray[np.float64], width: int, rows: int) -> list[Text]:
        return [Text(line, "green", no_wrap=True) for line in chart(mv, width, rows, braille=self._braille)]
