"""`ecg-edge service`: install, uninstall, status; `ecg-edge recordings`. Parse, call, exit code.

`add_to` puts them into the app.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigFile, Json, at_home
from edge.errors import printable

Root = Annotated[
    Path,
    typer.Option(
        "--root",
        callback=at_home,
        metavar="DIR",
        help="Root of an image, instead of this machine's; nothing is started.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to an app."""
    service = typer.Typer(help="Run as a systemd service that starts at boot.", no_args_is_help=True)
    service.command(epilog="Example: sudo ecg-edge service install")(install)
    service.command(epilog="Example: sudo ecg-edge service uninstall --purge")(uninstall)
    service.command(epilog="Example: ecg-edge service status --json")(status)
    app.add_typer(service, name="service")
    app.command(epilog="Example: ecg-edge recordings --json")(recordings)


def install(
    *,
    root: Root = Path("/"),
    program: Annotated[
        Path | None,
        typer.Option(callback=at_home, metavar="PATH", help="The ecg-edge command to run; this one unless given."),
    ] = None,
) -> None:
    """Write unit, udev rule and, if there is none, configuration; enable and start the service."""
    from edge.tools import install as service  # noqa: PLC0415

    for path in service.install(root, program):
        typer.echo(f"wrote {path}")


def uninstall(
    *,
    root: Root = Path("/"),
    purge: Annotated[bool, typer.Option("--purge", help="Take away configuration and state too.")] = False,
) -> None:
    """Stop the service and take its unit and udev rule away."""
    from edge.tools import install as service  # noqa: PLC0415

    for path in service.uninstall(root, purge=purge):
        typer.echo(f"removed {path}")


def status(*, json: Json = False) -> None:
    """Say how the service is; exit code 0 if it is active, else 3."""
    import msgspec  # noqa: PLC0415

    from edge.tools import install as service  # noqa: PLC0415

    state = service.state()
    if json:
        typer.echo(msgspec.json.encode(state).decode())
    else:
        typer.echo(f"{state.active} ({state.sub}) since {state.since or 'boot'}, restarted {state.restarts} times")
        typer.echo(printable(state.says) or "says nothing")
    raise typer.Exit(0 if state.active == "active" else service.EXIT_INACTIVE)


def recordings(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Folder; the service's and one's own, unless given.")
    ] = None,
    *,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List what `run` has recorded, oldest first: WFDB records, for `ecg-edge replay` and any other tool."""
    from edge.service.wiring import settings  # noqa: PLC0415
    from edge.tools import recordings as service  # noqa: PLC0415

    raise typer.Exit(service.show(settings(config), folder, as_json=json))
