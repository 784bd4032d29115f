"""One typed TOML file. An unknown key is an error that names it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

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


_MAX_BYTES = 1 << 20


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
        If the file cannot be read, is not TOML, has an unknown key or a value out of range; names file and key, and
        says what is allowed there.
    """
    try:
        # Editors of some systems begin a file with a byte order mark.
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ConfigError(str(path), f"has more than {_MAX_BYTES:,} bytes")
        config = msgspec.toml.decode(content.decode("utf-8-sig"), type=Config)
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from error
    except msgspec.ValidationError as error:
        raise _named(str(error)).within(str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "not TOML, which is text in UTF-8") from error
    except msgspec.DecodeError as error:
        raise ConfigError(str(path), f"not TOML, {error}") from error
    try:
        return _at_home(config)
    except RuntimeError as error:
        raise ConfigError(str(path), f"a path begins with the home of nobody ({error})") from error


def _at_home(config: Config) -> Config:
    """Return the configuration with `~` in its paths resolved."""

    def resolved(section: Any, *keys: str) -> Any:
        given = {key: getattr(section, key) for key in keys}
        homes = {key: str(Path(value).expanduser()) for key, value in given.items() if value and value.startswith("~")}
        return msgspec.structs.replace(section, **homes)

    return msgspec.structs.replace(
        config,
        sensor=resolved(config.sensor, "port"),
        mqtt=resolved(config.mqtt, "password_file", "ca_file", "cert_file", "key_file"),
        outbox=resolved(config.outbox, "path"),
    )


_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list"}


def _named(text: str) -> ConfigError:
    """Turn msgspec's `… - at `$.a.b`` into an error with the dotted key and what is allowed there."""
    reason, _, where = text.partition(" - at `$")
    key = re.sub(r"\[.*?\]", "", where.rstrip("`")).lstrip(".")
    if unknown := re.search(r"unknown field `(.+)`", reason):
        return ConfigError(".".join(filter(None, (key, unknown[1]))), "no such key", _allowed(key))
    # A section's own checks begin with the key they are about, some with the section's name before it.
    if own := re.match(rf"(?:{re.escape(key)}\.)?(\w+) ((?:takes|needs|cannot) .+)", reason):
        return ConfigError(f"{key}.{own[1]}", own[2])
    if wrong := re.match(r"Expected `(.+)`, got `(.+)`", reason):
        wanted = " or ".join(_WORDS.get(word, "a table") for word in wrong[1].split(" | ") if word != "null")
        return ConfigError(key or "file", f"takes {wanted}, not {_WORDS.get(wrong[2], 'a table')}", _allowed(key))
    if value := re.match(r"Invalid enum value (.+)", reason):
        return ConfigError(key, f"cannot be {value[1]}", _allowed(key))
    return ConfigError(key or "file", reason, _allowed(key))


def _allowed(key: str) -> tuple[str, ...]:
    """Return what may stand at a key: the keys of a table, or the values of a choice; nothing where it is free."""
    kind: msgspec.inspect.Type = msgspec.inspect.type_info(Config)
    for name in filter(None, key.split(".")):
        if not isinstance(kind, msgspec.inspect.StructType):
            return ()
        kind = next(field.type for field in kind.fields if field.encode_name == name)
    if isinstance(kind, msgspec.inspect.StructType):
        return tuple(field.encode_name for field in kind.fields)
    kinds = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    return tuple(str(value) for each in kinds if isinstance(each, msgspec.inspect.LiteralType) for value in each.values)
