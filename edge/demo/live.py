"""A replay in the terminal, as it goes: the demo's dashboard, without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console

from edge.contract import topics
from edge.contract.encoder import Encoder, encode
from edge.contract.payloads import Alert, ModelInfo
from edge.demo.dashboard import Dashboard
from edge.inference.beat_model import BeatModel
from edge.messages import Alert as AlertMessage
from edge.messages import LabelledBeat, Message, Samples, Stream, Vitals
from edge.service.replay import replay_records
from edge.service.wiring import Options, model_info
from edge.sinks import Sink
from edge.sources.playback import MAX


class LiveView(Sink):
    """Sink that shows what a broker's subscriber would be told.

    Parameters
    ----------
    dashboard : Dashboard
        Where; entered already.
    device : str
        Device id.
    model : ModelInfo
        What classifies the beats.
    """

    def __init__(self, dashboard: Dashboard, device: str, model: ModelInfo) -> None:
        self._dashboard, self._device, self._model = dashboard, device, model

    def open(self, stream: Stream) -> None:
        """Begin with a stream."""
        self._encoder = Encoder(self._device, self._model, stream)
        self._active: dict[int, Alert] = {}
        self._dashboard.begin(stream.fs_hz)

    def write(self, message: Message) -> None:
        """Show an event or a block of samples."""
        match message:
            case LabelledBeat():
                self._dashboard.take(topics.BEATS.name, encode(self._encoder.beats([message])))
            case Vitals():
                self._dashboard.take(topics.VITALS.name, encode(self._encoder.vitals(message)))
            case AlertMessage():
                self._on_alert(message)
            case Samples():
                self._dashboard.take(topics.WAVEFORM.name, encode(self._encoder.waveform(message)))
                self._dashboard.redraw()
            case _:
                pass

    def _on_alert(self, message: AlertMessage) -> None:
        alert = self._encoder.alert(message)
        if message.phase == "end":
            self._active.pop(message.number, None)
        else:
            self._active[message.number] = alert
        self._dashboard.take(topics.ALERTS.name, encode(alert))
        self._dashboard.take(topics.ACTIVE.name, encode(self._encoder.active(list(self._active.values()))))


def watch(names: Sequence[str], data: Path | None, options: Options) -> int:
    """Replay records in the terminal, in real time unless another speed is asked for; return the exit code."""
    if options.speed == MAX:
        options = replace(options, speed=1.0)
    with Dashboard(Console()) as dashboard:

        def view(model: BeatModel) -> Sequence[Sink]:
            return (LiveView(dashboard, options.config.device.id, model_info(model)),)

        # What the dashboard shows is not said once more in lines.
        return replay_records(names, data, options, quiet=True, more=view)
