"""One typed TOML file. An unknown key is an error that names it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from edge.errors import ConfigError
from edge.sinks.mqtt.settings import Mqtt
from edge.sinks.outbox.settings import Outbox
from edge.sinks.recorder.settings import Recorder
from edge.sources.serial.settings import Sensor
from edge.stages.alarms import AlarmRules
from edge.stages.rhythm import RhythmRules


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Device(_Section, frozen=True, kw_only=True):
    """`[device]`: who this is.

    Attributes
    ----------
    id : str
        Goes into topics and payloads: letters, digits, `-` and `_`, at most 64.
    """

    id: str = "ecg-edge"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.id):
            raise ValueError("device.id takes 1 to 64 letters, digits, - and _")


class Model(_Section, frozen=True, kw_only=True):
    """`[model]`: which of the shipped models classifies the beats."""

    name: Literal["cnn", "lstm"] = "cnn"


class Config(_Section, frozen=True, kw_only=True):
    """The whole file."""

    device: Device = Device()
    sensor: Sensor = Sensor()
    model: Model = Model()
    rhythm: RhythmRules = RhythmRules()
    alarms: AlarmRules = AlarmRules()
    mqtt: Mqtt = Mqtt()
    outbox: Outbox = Outbox()
    recorder: Recorder = Recorder()


def load(path: Path) -> Config:
    """Read a configuration file.

    Parameters
    ----------
    path : Path
        A TOML file.

    Returns
    -------
    Config
        What the file says, defaults elsewhere.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, has an unknown key or a value out of range; names the key.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Config)
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from error
    except msgspec.ValidationError as error:
        raise _named(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"not TOML, {error}") from error


def _named(text: str) -> ConfigError:
    """Turn msgspec's `… - at `$.a.b`` into an error with the dotted key."""
    reason, _, where = text.partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    if unknown := re.search(r"unknown field `(.+)`", reason):
        return ConfigError(".".join(filter(None, (key, unknown[1]))), "no such key")
    # A section's own checks begin with the key they are about.
    if own := re.match(rf"({re.escape(key)}\.\w+) (.+)", reason):
        return ConfigError(own[1], own[2])
    return ConfigError(key or "file", reason)
