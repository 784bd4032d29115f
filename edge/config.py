"""One typed TOML file. An unknown key is an error that names it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from edge.errors import ConfigError
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


class Mqtt(_Section, frozen=True, kw_only=True):
    """`[mqtt]`: where results are published.

    Attributes
    ----------
    url : str or None
        `mqtt://host[:port]`, or `mqtts://…` over TLS; None publishes nothing.
    username : str or None
        For brokers that ask.
    password_file : str or None
        A file that holds the password alone; it is never given in this file or in the address. A bare name is that of a
        systemd credential; by default the credential `mqtt-password`, if there is one.
    ca_file : str or None
        Certificates to trust for `mqtts` instead of the system's.
    cert_file, key_file : str or None
        Certificate and key that this device shows to a broker that asks; files, or names of systemd credentials.
    version : str
        Of the protocol: `5`, `3.1.1`, or `auto`, which tries both in this order.
    waveform : bool
        Publish samples for live view.
    home_assistant : bool
        Announce the device to Home Assistant, from `run`.
    """

    url: str | None = None
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    version: Literal["auto", "5", "3.1.1"] = "auto"
    waveform: bool = False
    home_assistant: bool = False

    def __post_init__(self) -> None:
        if self.url is not None:
            address(self.url)
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("mqtt.key_file needs mqtt.cert_file")


class Outbox(_Section, frozen=True, kw_only=True):
    """`[outbox]`: where alerts are kept until the broker has acknowledged them.

    Attributes
    ----------
    path : str or None
        The file. By default `run` keeps one in the service's state directory or the user's, and `replay` none.
    max_mb : float
        Of alerts that wait; then the least urgent are dropped, and that is told.
    max_age_h : float
        Of each, in hours that the device ran.
    """

    path: str | None = None
    max_mb: float = 16.0
    max_age_h: float = 168.0

    def __post_init__(self) -> None:
        for key, low, high in (("max_mb", 0.1, 1000), ("max_age_h", 0.1, 10_000)):
            if not low <= getattr(self, key) <= high:
                raise ValueError(f"outbox.{key} takes {low:g} to {high:g}, not {getattr(self, key):g}")


class Recorder(_Section, frozen=True, kw_only=True):
    """`[recorder]`: the last hours of samples and annotations, kept as WFDB records by `run`.

    Attributes
    ----------
    enabled : bool or None
        By default a service records, into the state directory that its manager gives it, and a `run` by hand does not:
        nobody's ECG is left in a home folder unasked.
    folder : str
        Below the state directory; each device has a folder of its own in it.
    hours : float
        Recorded time that is kept; time without a board does not count.
    max_mb : float
        Of all files. Whichever limit is met first, the oldest goes.
    segment_min : float
        Minutes a record; shorter where few are kept.
    """

    enabled: bool | None = None
    folder: str = "recordings"
    hours: float = 24.0
    max_mb: float = 500.0
    segment_min: float = 10.0

    def __post_init__(self) -> None:
        for key, low, high in (("hours", 1, 8784), ("max_mb", 10, 1e6), ("segment_min", 1, 60)):
            if not low <= getattr(self, key) <= high:
                raise ValueError(f"recorder.{key} takes {low:g} to {high:g}, not {getattr(self, key):g}")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.folder):
            raise ValueError("recorder.folder takes 1 to 64 letters, digits, - and _")


def address(url: str) -> tuple[str, int, bool]:
    """Return host, port and whether to use TLS.

    Raises
    ------
    ValueError
        If `url` is not an address of an MQTT broker.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"mqtt.url {_without_login(url)!r} cannot be understood, {error}") from None
    if parts.scheme not in ("mqtt", "mqtts") or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"mqtt.url takes mqtt://host[:port] or mqtts://host[:port], not {_without_login(url)!r}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("mqtt.url takes no login: give mqtt.username and mqtt.password_file")
    tls = parts.scheme == "mqtts"
    return host, port or (8883 if tls else 1883), tls


def _without_login(url: str) -> str:
    return re.sub(r"//[^/]*@", "//", url)


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
