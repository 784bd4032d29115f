"""`ecg-edge web`. Parse, call, exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edge.cli.options import ConfigFile, Mqtt, at_home


def add_to(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command(epilog="Example: ecg-edge web --port 8000 --mqtt mqtt://localhost")(web)


def web(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where to listen; 0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="At which of this machine's addresses.")] = "127.0.0.1",
    mqtt: Mqtt = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="ECG_EDGE_DATABASE",
            help="Where the history is: sqlite:///FILE or postgresql://USER@HOST/NAME; beside the results by default.",
        ),
    ] = None,
    fleet: Annotated[
        bool,
        typer.Option("--fleet", help="Show many devices by ward; --database is that of `fleet collect`, only read."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(callback=at_home, metavar="DIR", help="Folder for uploads and results; one's state folder."),
    ] = None,
    max_upload_mb: Annotated[int, typer.Option(min=1, max=4000, help="Of all files of an upload together.")] = 256,
    password_file: Annotated[
        Path | None,
        typer.Option(
            callback=at_home,
            metavar="FILE",
            help="Holds the password that lets people in, or its Argon2 hash; needed unless --host is this machine.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(callback=at_home, exists=True, dir_okay=False, metavar="FILE", help="Certificate, for HTTPS."),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(callback=at_home, exists=True, dir_okay=False, metavar="FILE", help="Its key."),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Show a ward's devices live in the browser, and analyse uploaded recordings."""
    from edge.service.wiring import settings  # noqa: PLC0415
    from edge.web import server as service  # noqa: PLC0415

    if fleet and not database:
        raise typer.BadParameter("needs --database, or ECG_EDGE_DATABASE in the environment", param_hint="--fleet")
    # The history is written; the collector's database is not.
    options: dict[str, Any] = {"fleet" if fleet else "database": database, "data": data, "max_upload_mb": max_upload_mb}
    options |= {"password_file": password_file, "tls_cert": tls_cert, "tls_key": tls_key}
    raise typer.Exit(service.run(settings(config, mqtt_url=mqtt), host, port, **options))
