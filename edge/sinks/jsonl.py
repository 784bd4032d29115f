"""Writes alerts as JSON lines, each phase as it is published."""

from __future__ import annotations

import errno
import os
from io import FileIO
from pathlib import Path

from edge.contract.encoder import Encoder, encode
from edge.contract.payloads import ModelInfo
from edge.errors import SinkError
from edge.messages import Alert, Message, SourceState, Stream
from edge.sinks import Sink
from edge.sinks.outputs import put_aside, refuse_foreign


class JsonLines(Sink):
    """Sink that writes a line for each phase of an alert; a line is on disk as soon as it is known.

    Parameters
    ----------
    path : Path
        The file; begun anew by the first stream, added to by the next. Alerts of an earlier run are kept beside it.
    device : str
        Device id.
    model : ModelInfo
        The model that classifies the beats.
    keep : bool
        Whether the first stream adds to the file too: a service that starts again does not forget what it found.
    """

    def __init__(self, path: Path, device: str, model: ModelInfo, *, keep: bool = False) -> None:
        self._path = path
        self._device = device
        self._model = model
        self._keep = keep
        self._begun = False
        self._file: FileIO | None = None
        self._unwritten = b""

    @property
    def where(self) -> str:
        """The file."""
        return str(self._path)

    def open(self, stream: Stream) -> None:
        """Open the file."""
        self._encoder = Encoder(self._device, self._model, stream)
        self._unwritten = b""
        self._begin()

    def resume(self) -> bool:
        """Go on after a failure, with the line that it was about."""
        self._begin()
        self._put(self._unwritten)
        return True

    def _begin(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            refuse_foreign(self._path, _is_ours)
            if not self._begun and not self._keep:
                put_aside(self._path)
            torn = self._keep and not self._begun and self._path.is_file()
            self._file = FileIO(self._path, "a+" if torn else "a", opener=_open)
            if torn:
                self._end_a_torn_line(self._file)
            # A replay may wait for whoever reads a pipe; a watch may not.
            os.set_blocking(self._file.fileno(), not self._keep)
        except OSError as error:
            raise self._failed(error) from error
        self._begun = True

    @staticmethod
    def _end_a_torn_line(file: FileIO) -> None:
        """Begin a new line where a power cut ended the last one midway."""
        if file.seekable() and file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")

    def write(self, message: Message) -> None:
        """Write an alert."""
        if isinstance(message, SourceState):
            self._encoder.anchor(message)
        if self._file is not None and isinstance(message, Alert):
            self._put(encode(self._encoder.alert(message)) + b"\n")

    def _put(self, line: bytes) -> None:
        """Write a line, whole or not at all."""
        assert self._file is not None  # noqa: S101  # it is open
        self._unwritten = line
        try:
            written = self._file.write(line)
            if written is None:
                raise OSError(errno.EAGAIN, "nobody reads what comes")
            if written < len(line):
                self._file.truncate(self._file.tell() - written)
                raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise self._failed(error) from error
        self._unwritten = b""

    def rotate(self) -> str:
        """Put the file aside under a name of its own and begin a new one; return that name.

        Raises
        ------
        OSError
            If that cannot be done; the file then goes on.
        """
        aside = put_aside(self._path)
        if aside is None:
            raise FileNotFoundError(errno.ENOENT, "nothing is in the log yet")
        if self._file is not None:
            before, self._file = self._file, FileIO(self._path, "a", opener=_open)
            before.close()
        return str(aside)

    def close(self, reason: str) -> None:  # noqa: ARG002  # every line is written already
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _failed(self, error: OSError) -> SinkError:
        self.close("failed")
        reason = "is a pipe that nobody reads" if error.errno == errno.ENXIO else error.strerror
        return SinkError(str(self._path), reason or "cannot be written", "give --alerts a file that can be written")


def _open(path: str, flags: int) -> int:
    # To open a pipe that nobody reads would wait for ever.
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def _is_ours(head: bytes) -> bool:
    """Whether a file begins with an alert, or with as much of one as a power cut has left."""
    return head.startswith(b'{"id":"') and (b'"device":' in head or b"\n" not in head)
