"""The commands about boards: `run`, `devices`, `emulate`. Parse, call, exit code; `add_to` puts them into the app."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import Alerts, Annotations, ConfigFile, Data, Json, Model, Mqtt, at_home
from edge.errors import ConfigError, printable_text

if TYPE_CHECKING:
    from edge.config import Config


class BoardFormat(StrEnum):
    """What a board sends."""

    auto = "auto"
    native = "native"
    text = "text"
    openview = "openview"
    cyton = "cyton"


class BoardName(StrEnum):
    """Boards whose packets look like another's."""

    ads1292r = "ads1292r"
    ads1293 = "ads1293"
    max30001 = "max30001"
    max30102 = "max30102"
    healthypi4 = "healthypi4"
    healthypi5 = "healthypi5"


class EmulatedFormat(StrEnum):
    """What a board in software can send."""

    native = "native"
    text = "text"
    openview = "openview"
    cyton = "cyton"


def add_to(app: typer.Typer) -> None:
    """Add the commands to an app."""
    app.command(epilog="Example: ecg-edge run --port /dev/ttyUSB0 --mqtt mqtt://localhost")(run)
    app.command(epilog="Example: ecg-edge devices --json")(devices)
    app.command(epilog="Example: ecg-edge emulate 208 --link /tmp/ttyECG --loss 0.05 --drift-ppm 100")(emulate)


def run(
    *,
    config: ConfigFile = None,
    port: Annotated[
        str | None,
        typer.Option(
            metavar="PORT", help="Path, socket://HOST:PORT, rfc2217://HOST:PORT, usb:VID:PID[:SERIAL] or auto."
        ),
    ] = None,
    baud: Annotated[
        int | None, typer.Option(metavar="N", help="Line speed; 115200 unless --config says otherwise.")
    ] = None,
    format_: Annotated[BoardFormat | None, typer.Option("--format", help="What the board sends.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="HZ", help="Sampling rate, of a board that does not say it or can change it."),
    ] = None,
    board: Annotated[
        BoardName | None, typer.Option(help="Which board it is, where several send packets that look alike.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="N|NAME,…",
            help="Columns of a text board to read, by number from 1 or by name; those that are ECG, unless given.",
        ),
    ] = None,
    leads: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Names of the leads in column order, or which of a board's names to read."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for a port that is not there yet.")] = False,
    model: Model = None,
    annotations: Annotations = None,
    alerts: Alerts = None,
    mqtt: Mqtt = None,
    json: Json = False,
) -> None:
    """Watch a board until Ctrl-C: find its beats and arrhythmias, and tell who should know.

    The board may be unplugged and come back, under another name too. What it sends is found out by itself.
    """
    from edge.service import run as service  # noqa: PLC0415
    from edge.service.wiring import Options, settings, with_sensor  # noqa: PLC0415

    sensor = {
        "port": port,
        "baud": baud,
        "format": format_ and format_.value,
        "rate_hz": rate,
        "board": board and board.value,
        "columns": columns and tuple(int(part) if part.isdecimal() else part for part in _parts(columns)),
        "leads": leads and _parts(leads),
        "wait": wait or None,
    }

    def read() -> Config:
        return with_sensor(settings(config, model=model, mqtt_url=mqtt), sensor)

    options = Options(config=read(), annotations=annotations, alerts=alerts)
    raise typer.Exit(service.run(options, as_json=json, read=read))


def devices(
    named: Annotated[
        list[str] | None, typer.Argument(metavar="PORT", help="Ports to ask; all there are, unless given.")
    ] = None,
    *,
    probe: Annotated[bool, typer.Option(help="Listen to each for up to three seconds.")] = True,
    baud: Annotated[int, typer.Option(metavar="N", help="Line speed to listen at.")] = 115200,
    json: Json = False,
) -> None:
    """List the serial ports, their USB ids, and what the boards behind them send."""
    import msgspec  # noqa: PLC0415

    from edge.tools import devices as service  # noqa: PLC0415

    candidates = service.found(named or [], probe=probe, baud=baud)
    typer.echo(msgspec.json.encode(candidates).decode() if json else printable_text(service.lines(candidates)))


def emulate(
    record: Annotated[str, typer.Argument(help="WFDB path without extension, or a MIT-BIH name.", show_default=False)],
    *,
    data: Data = None,
    format_: Annotated[EmulatedFormat, typer.Option("--format", help="What the board sends.")] = EmulatedFormat.native,
    link: Annotated[
        Path | None, typer.Option(callback=at_home, metavar="PATH", help="Make a link to the pty here.")
    ] = None,
    port: Annotated[str | None, typer.Option(metavar="PORT", help="Play on a real port instead of a pty.")] = None,
    baud: Annotated[int, typer.Option(metavar="N", help="Line speed of that port.")] = 115200,
    speed: Annotated[float, typer.Option(min=0.01, metavar="N", help="Times real time.")] = 1.0,
    wait: Annotated[bool, typer.Option("--wait", help="Begin once a reader has said something.")] = False,
    uv_per_lsb: Annotated[float, typer.Option(min=0.001, metavar="UV", help="Resolution of a native board.")] = 5.0,
    loss: Annotated[float, typer.Option(min=0, max=1, metavar="SHARE", help="Share of packets lost.")] = 0.0,
    corrupt: Annotated[float, typer.Option(min=0, max=1, metavar="SHARE", help="Share of packets damaged.")] = 0.0,
    stall: Annotated[
        float, typer.Option(min=0, max=60, metavar="S", help="Once a minute be silent so long, then send all at once.")
    ] = 0.0,
    unplug_every: Annotated[float, typer.Option(min=0, metavar="S", help="Vanish so often, for two seconds.")] = 0.0,
    drift_ppm: Annotated[float, typer.Option(metavar="PPM", help="How much too fast the board's clock runs.")] = 0.0,
    lead_off: Annotated[
        str,
        typer.Option(metavar="AT:FOR", help="Seconds into each minute at which an electrode falls off, for how long."),
    ] = "0:0",
    seed: Annotated[int, typer.Option(metavar="N", help="Chance is repeatable.")] = 0,
) -> None:
    """Be a board in software that plays a record on a pseudo terminal, with whatever can go wrong on the way.

    Prints the terminal's path; point `ecg-edge run --port` at it.
    """
    from edge.tools import emulate as service  # noqa: PLC0415
    from firmware_bridge.link_faults import LinkFaults  # noqa: PLC0415

    faults = LinkFaults(
        loss=loss,
        corrupt=corrupt,
        stall_s=stall,
        unplug_every_s=unplug_every,
        drift_ppm=drift_ppm,
        lead_off=_at_for(lead_off),
        seed=seed,
    )
    emulation = service.Emulation(
        record=record,
        data=data,
        format=format_.value,
        link=link,
        port=port,
        baud=baud,
        speed=speed,
        wait=wait,
        uv_per_lsb=uv_per_lsb,
        faults=faults,
    )
    raise typer.Exit(service.run(emulation))


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _at_for(text: str) -> tuple[float, float]:
    try:
        at, length = (float(part) for part in text.split(":"))
    except ValueError:
        raise ConfigError("--lead-off", f"{text!r} is not AT:FOR, two numbers of seconds") from None
    return at, length
