"""The sink that draws a stretch of what is replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge.contract.payloads import ModelInfo
from edge.errors import EcgEdgeError, SinkError
from edge.findings.collector import Collector
from edge.inference.beat_model import BeatModel
from edge.messages import Message, Samples, Stream
from edge.report.plot import DEFAULT_S, Picture, Stretch, check_form, check_stretch
from edge.service.report import named
from edge.service.wiring import model_info
from edge.sinks import Sink


class Plot(Sink):
    """Sink that writes a picture when the stream is closed.

    Parameters
    ----------
    path : Path
        Where to; `{name}` in it stands for the stream's name.
    start_s, stop_s : float
        The stretch.
    model : ModelInfo
        What classifies the beats.

    Raises
    ------
    EcgEdgeError
        If the stretch is none, or the suffix says no form of a picture.
    """

    def __init__(self, path: Path, start_s: float, stop_s: float, model: ModelInfo) -> None:
        check_form(path)
        check_stretch(start_s, stop_s)
        self._path, self._start_s, self._stop_s, self._model = path, start_s, stop_s, model

    @property
    def where(self) -> str:
        """The file."""
        return str(self._target)

    def open(self, stream: Stream) -> None:
        """Begin anew."""
        self._target = named(self._path, stream.name)
        self._collector = Collector(self._model)
        self._collector.take(stream)
        self._stretch = Stretch(stream.fs_hz, len(stream.leads), self._start_s, self._stop_s)

    def write(self, message: Message) -> None:
        """Take note of what goes by."""
        self._collector.take(message)
        if isinstance(message, Samples):
            self._stretch.add(message.start, message.mv)

    def close(self, reason: str) -> None:  # noqa: ARG002  # the picture is the same
        """Write the picture."""
        try:
            Picture(self._stretch.draw(self._collector.findings())).save(self._target)
        except SinkError:
            raise
        except EcgEdgeError as error:
            raise SinkError(str(self._target), error.what, error.fix) from error


def sink_for(path: Path, start_s: float, stop_s: float | None) -> Callable[[BeatModel], Sequence[Sink]]:
    """Return what makes the sink once the model is there; see `Plot`."""
    until_s = start_s + DEFAULT_S if stop_s is None else stop_s
    check_form(path)
    check_stretch(start_s, until_s)
    return lambda model: (Plot(path, start_s, until_s, model_info(model)),)
