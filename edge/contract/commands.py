"""What may be asked of a device over MQTT, and the answer; whatever else arrives is refused in one line."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

MAX_BYTES = 4096
"""No command is longer."""

_MAX_WAITING = 16
_MAX_REASON = 160

Name = Annotated[str, Meta(max_length=64)]


class _Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    """Base of all commands. `request` comes back with the answer."""

    request: Name | None = None


class Acknowledge(_Command, frozen=True, kw_only=True, tag="acknowledge"):
    """Somebody has seen the alert of this id; `by` is a role or a place, never a patient."""

    alert: UUID
    by: Name | None = None


class Snapshot(_Command, frozen=True, kw_only=True, tag="snapshot"):
    """Send the last seconds of signal, now."""


class RotateLog(_Command, frozen=True, kw_only=True, tag="rotate_log"):
    """Begin a new file of alerts."""


Command = Acknowledge | Snapshot | RotateLog


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Topic `command/answer`: whether a command was done, or why not. `command` is null if it was none."""

    device: str
    command: str | None
    request: str | None
    ok: bool
    reason: str | None
    time: Annotated[datetime, Meta(tz=True)]


class Refusal(msgspec.Struct, frozen=True):
    """Why what arrived is not a command."""

    reason: str


_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


def parse(payload: bytes) -> Command | Refusal:
    """Return the command, or why it is none."""
    if len(payload) > MAX_BYTES:
        return Refusal(f"{len(payload):,} bytes, a command has at most {MAX_BYTES:,}")
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refusal(" ".join(str(error).split())[:_MAX_REASON])


class Inbox:
    """Commands that wait for the thread that watches the stream; what is too much at once is dropped."""

    def __init__(self) -> None:
        self._waiting: deque[Command | Refusal] = deque(maxlen=_MAX_WAITING)

    def put(self, payload: bytes) -> None:
        """Take what arrived, from the connection's thread."""
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append(parse(payload))

    def take(self) -> Command | Refusal | None:
        """Return the oldest; None if there is none."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None
