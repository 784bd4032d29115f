"""`ecg-edge web`. Parse, call, exit code."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import ConfigFile, Mqtt


def add_to(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command(epilog="Example: ecg-edge web --port 8000 --mqtt mqtt://localhost")(web)


def web(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where to listen; 0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="At which of this machine's addresses.")] = "127.0.0.1",
    mqtt: Mqtt = None,
    config: ConfigFile = None,
) -> None:
    """Show a ward's devices live in the browser."""
    from edge.service.wiring import settings  # noqa: PLC0415
    from edge.web import server as service  # noqa: PLC0415

    raise typer.Exit(service.run(settings(config, mqtt_url=mqtt), host, port))
