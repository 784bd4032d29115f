"""`ecg-edge fleet`: many records, many devices. Parse, call, exit code.

`add_to` puts the commands into the app.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigFile, Data, Json, Model, Mqtt, at_home
from edge.errors import EcgEdgeError, how_to_install


def add_to(app: typer.Typer) -> None:
    """Add the commands to an app."""
    fleet = typer.Typer(help="Many records and many devices, on many machines.", no_args_is_help=True)
    fleet.command(epilog="Example: ecg-edge fleet replay holters/ --out tables --workers 4")(replay)
    fleet.command(epilog="Example: ecg-edge fleet collect --mqtt mqtt://broker --database postgresql://ecg@db/ecg")(
        collect
    )
    app.add_typer(fleet, name="fleet")


def replay(
    records: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORD|FOLDER|GLOB|URL|@LIST",
            help="What to read. A list is text, or CSV or Parquet with a column `record`; URLs are fsspec's.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(callback=at_home, metavar="DIR", help="Folder for the Parquet tables.")],
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes on this machine; one per processor unless given.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of a Dask scheduler, tcp://HOST:PORT, instead.")
    ] = None,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Write WFDB annotations too, to DIR/annotations.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do those parts again in which a record failed.")
    ] = False,
    part: Annotated[int, typer.Option(min=1, metavar="N", help="Records a file.")] = 100,
    data: Data = None,
    model: Model = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Read many records again, on all processors or a Dask cluster, into Parquet tables.

    A run that was stopped goes on where it was when it is started again. A record that cannot be read is a row that
    says why; the exit code is then 1.
    """
    if workers is not None and scheduler is not None:
        raise typer.BadParameter("is for this machine, --scheduler for others: give one", param_hint="--workers")
    from edge.service.wiring import settings  # noqa: PLC0415

    try:
        from edge.fleet import replay as service  # noqa: PLC0415
    except ImportError as error:
        raise _without(error) from error
    code = service.replay(
        records,
        out,
        data=data,
        settings=settings(config, model=model),
        workers=workers,
        scheduler=scheduler,
        annotations=annotations,
        retry=retry_failed,
        as_json=json,
        records_a_part=part,
    )
    raise typer.Exit(code)


def collect(
    *,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="postgresql://USER@HOST/NAME or sqlite:///FILE; else $ECG_EDGE_DATABASE."),
    ] = None,
    share: Annotated[
        str, typer.Option(metavar="K/N", help="Take the devices that fall to the K-th of N collectors.")
    ] = "1/1",
    name: Annotated[str, typer.Option(help="The broker keeps messages for a collector of this name.")] = "main",
    keep_vitals: Annotated[float, typer.Option(min=0, metavar="DAYS", help="0 keeps them for ever.")] = 90,
    keep_alerts: Annotated[float, typer.Option(min=0, metavar="DAYS", help="0 keeps them for ever.")] = 0,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Answer to Prometheus there, at /metrics.")
    ] = None,
    mqtt: Mqtt = None,
    config: ConfigFile = None,
) -> None:
    """Write alerts, vitals and status of all devices of a broker into a database, until stopped.

    Each phase of an alert is stored once, and the broker may forget it only then. The database's tables are made, or
    brought up to date, at the start. The password is found by libpq: ~/.pgpass or its environment.
    """
    from edge.service.wiring import settings  # noqa: PLC0415

    try:
        from edge.fleet import collect as service  # noqa: PLC0415
    except ImportError as error:
        raise _without(error) from error
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
        raise typer.BadParameter("takes 1 to 40 letters, digits, - and _", param_hint="--name")
    try:
        which = service.Share.parse(share)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--share") from error
    keep = service.Keep(keep_vitals or None, keep_alerts or None)
    code = service.collect(
        settings(config, mqtt_url=mqtt),
        database=database,
        share=which,
        name=name,
        keep=keep,
        metrics=_address(metrics),
    )
    raise typer.Exit(code)


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise typer.BadParameter(f"{text!r} is no HOST:PORT", param_hint="--metrics")
    return host.strip("[]") or "127.0.0.1", int(port)


def _without(error: ImportError) -> EcgEdgeError:
    return EcgEdgeError(f"`ecg-edge fleet` needs {error.name}", f"install the extra fleet: {how_to_install('fleet')}")
