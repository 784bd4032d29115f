"""What a run was asked to do, and the sinks that follow from it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import platformdirs

from edge import __version__, config
from edge.config import Config
from edge.contract.payloads import ModelInfo
from edge.errors import ConfigError
from edge.inference.beat_model import BeatModel
from edge.inference.runtime import runtime_name
from edge.service import credentials
from edge.sinks import Sink
from edge.sinks.beside import Beside
from edge.sinks.console import Console
from edge.sinks.jsonl import JsonLines
from edge.sinks.mqtt.settings import Mqtt, address
from edge.sinks.wfdb_annotations import EXTENSION, WfdbAnnotations
from edge.sources.playback import MAX
from edge.sources.read_as import ReadAs

if TYPE_CHECKING:
    from edge.sinks.mqtt.broker import Broker
    from edge.sinks.mqtt.publication import Publisher
    from edge.sinks.outbox.outbox import Outbox
    from edge.sinks.recorder.sink import Recorder


_log = logging.getLogger(__name__)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the command line asks for it.

    Attributes
    ----------
    config : Config
        The configuration, with the command line's word over the file's.
    annotations : Path or None
        Folder for WFDB annotation files.
    alerts : Path or None
        File for alerts as JSON lines.
    speed : float
        Times real time, or `MAX`.
    block : int or None
        Samples a block; None chooses.
    read_as : ReadAs
        What the user says of files that do not say it themselves.
    """

    config: Config = Config()
    annotations: Path | None = None
    alerts: Path | None = None
    speed: float = MAX
    block: int | None = None
    read_as: ReadAs = ReadAs()


def settings(file: Path | None, *, model: str | None = None, mqtt_url: str | None = None) -> Config:
    """Return the configuration: the command line's word over the file's, over the defaults.

    Raises
    ------
    ConfigError
        If either cannot be used.
    """
    settings = config.load(file) if file is not None else Config()
    if model is not None:
        settings = msgspec.structs.replace(settings, model=msgspec.convert({"name": str(model)}, config.Model))
    if mqtt_url is not None:
        try:
            settings = msgspec.structs.replace(settings, mqtt=msgspec.structs.replace(settings.mqtt, url=mqtt_url))
        except ValueError as error:
            raise ConfigError("--mqtt", str(error).removeprefix("mqtt.url ")) from error
    return settings


def with_sensor(base: Config, words: dict[str, Any]) -> Config:
    """Return a configuration with the command line's words about the sensor, where not None, over the file's.

    Raises
    ------
    ConfigError
        If a word cannot be used.
    """
    given = {key: value for key, value in words.items() if value is not None}
    try:
        return msgspec.structs.replace(base, sensor=msgspec.structs.replace(base.sensor, **given))
    except ValueError as error:
        word, _, reason = str(error).partition(" ")
        raise ConfigError(f"--{word.removesuffix('_hz')}", reason) from error


def model_info(model: BeatModel) -> ModelInfo:
    """Return what payloads say of a model."""
    return ModelInfo(name=model.name, sha256=model.sha256)


def broker(mqtt: Mqtt) -> Broker:
    """Return the broker that is configured, with its password.

    Raises
    ------
    ConfigError
        If there is none, or its password file or certificates are not there.
    """
    from edge.sinks.mqtt.broker import Broker  # noqa: PLC0415  (paho takes 0.1 s to import)

    if mqtt.url is None:
        raise ConfigError("mqtt.url", "is not set")
    host, port, tls = address(mqtt.url)
    return Broker(
        host=host,
        port=port,
        tls=tls,
        ca_file=credentials.certificate("mqtt.ca_file", mqtt.ca_file),
        cert_file=credentials.certificate("mqtt.cert_file", mqtt.cert_file),
        key_file=credentials.certificate("mqtt.key_file", mqtt.key_file),
        username=mqtt.username,
        password=credentials.password(mqtt),
        version=mqtt.version,
    )


def sinks(options: Options, model: BeatModel, *, console: Console | None = None, live: bool = False) -> list[Sink]:
    """Return the sinks a run writes to, those that people only look at last.

    Parameters
    ----------
    options : Options
        What is asked for.
    model : BeatModel
        The model that classifies the beats.
    console : Console or None
        Shows alerts.
    live : bool
        Whether this is a watch without an end: alerts are then always kept until the broker has them, and no disk is
        waited for.
    """
    _refuse_one_file_for_two(options)
    config, info = options.config, model_info(model)
    files: list[tuple[Sink, str]] = []
    log: JsonLines | None = None
    if live and records(config):
        files.append((recorder(config), "recorder"))
    if options.annotations is not None:
        files.append((WfdbAnnotations(options.annotations), str(options.annotations)))
    if options.alerts is not None:
        log = JsonLines(options.alerts, config.device.id, info, keep=live)
        files.append((log, str(options.alerts)))
    out = [Beside(sink, name) if live else sink for sink, name in files]
    if config.mqtt.url is not None:
        for line in credentials.exposed(config.mqtt):
            _log.warning("%s", line)
        if live or config.outbox.path is not None:
            rotate = _rotation(log, out[-1]) if log is not None else None
            out.append(durable_mqtt_sink(config, info, live=live, rotate=rotate))
        else:
            out.append(mqtt_sink(config, info))
    return [*out, console] if console is not None else out


def _rotation(log: JsonLines, sink: Sink) -> Callable[[], str]:
    """Return what begins a new log, in the thread that writes it."""
    return (lambda: sink.ask(log.rotate)) if isinstance(sink, Beside) else log.rotate


def _refuse_one_file_for_two(options: Options) -> None:
    alerts, folder, outbox = options.alerts, options.annotations, options.config.outbox.path
    if alerts is None:
        return
    place = alerts.resolve()
    if folder is not None and place.parent == folder.resolve() and place.suffix.lower() == f".{EXTENSION}":
        raise ConfigError("--alerts", f"{alerts} may be one of the files of --annotations")
    if outbox is not None and place == Path(outbox).resolve():
        raise ConfigError("--alerts", f"{alerts} is the outbox of the configuration")


def mqtt_sink(settings: Config, model: ModelInfo, *, wrap: Callable[[Publisher], Publisher] | None = None) -> Sink:
    """Return the sink that publishes to the configured broker.

    Parameters
    ----------
    settings : Config
        With `mqtt.url`.
    model : ModelInfo
        The model that classifies the beats.
    wrap : callable, optional
        Put around the connection, to watch it.
    """
    # paho takes 0.1 s to import, which a run without a broker need not wait for.
    from edge.sinks.mqtt.link import MqttLink  # noqa: PLC0415
    from edge.sinks.mqtt.sink import MqttSink  # noqa: PLC0415

    device = settings.device.id
    publisher: Publisher = MqttLink(broker(settings.mqtt), device)
    return MqttSink(
        wrap(publisher) if wrap else publisher,
        device=device,
        version=__version__,
        runtime=runtime_name(),
        model=model,
        waveform=settings.mqtt.waveform,
    )


def durable_mqtt_sink(
    settings: Config,
    model: ModelInfo,
    *,
    live: bool,
    rotate: Callable[[], str] | None = None,
) -> Sink:
    """Return the sink that publishes to the configured broker whenever that is there, alerts by way of an outbox.

    Parameters
    ----------
    settings : Config
        With `mqtt.url`.
    model : ModelInfo
        The model that classifies the beats.
    live : bool
        Whether what is not delivered at the end waits for the next start, instead of being waited for.
    rotate : callable, optional
        Begins a new log of alerts, for whoever commands it.
    """
    from edge.contract.commands import Inbox  # noqa: PLC0415
    from edge.sinks.mqtt.command_handler import CommandHandler  # noqa: PLC0415
    from edge.sinks.mqtt.home_assistant import announcements  # noqa: PLC0415
    from edge.sinks.mqtt.link import MqttLink  # noqa: PLC0415
    from edge.sinks.mqtt.sink import MqttSink  # noqa: PLC0415

    device = settings.device.id
    box, inbox = outbox(settings), Inbox()
    link = MqttLink(
        broker(settings.mqtt),
        device,
        box,
        patient=not live,
        commands=inbox.put if live else None,
        announcements=announcements(device, __version__) if live and settings.mqtt.home_assistant else (),
    )
    return MqttSink(
        link,
        device=device,
        version=__version__,
        runtime=runtime_name(),
        model=model,
        waveform=settings.mqtt.waveform,
        outbox=box,
        commands=CommandHandler(device, inbox, rotate) if live else None,
    )


def outbox(settings: Config) -> Outbox:
    """Return the outbox, in the configured file or else in the state directory."""
    from edge.sinks.outbox.outbox import Limits, Outbox  # noqa: PLC0415

    chosen = settings.outbox
    path = Path(chosen.path) if chosen.path else state_directory() / f"outbox-{settings.device.id}.sqlite"
    limits = Limits(max_bytes=round(chosen.max_mb * 1e6), max_age_s=chosen.max_age_h * 3600)
    return Outbox(path, limits)


def records(settings: Config) -> bool:
    """Return whether a live run records: where not said, a service does, and whoever tries it by hand does not."""
    enabled = settings.recorder.enabled
    return enabled if enabled is not None else bool(os.environ.get("STATE_DIRECTORY"))


def recorder(settings: Config) -> Recorder:
    """Return the sink that keeps the last hours as WFDB records in the state directory."""
    from edge.sinks.recorder.ring import Limits  # noqa: PLC0415
    from edge.sinks.recorder.sink import Recorder  # noqa: PLC0415  (of POSIX only: it locks its folder)

    chosen = settings.recorder
    limits = Limits(max_bytes=round(chosen.max_mb * 1e6), max_s=chosen.hours * 3600, segment_s=chosen.segment_min * 60)
    return Recorder(state_directory() / chosen.folder / settings.device.id, settings.device.id, limits)


def state_directory() -> Path:
    """Return where what must survive a restart is kept: the service's own folder, or the user's."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    return platformdirs.user_state_path("ecg-edge")
