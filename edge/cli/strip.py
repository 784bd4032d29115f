"""The command `strip`. Parse, call, exit code; `add_to` puts it into the app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigFile, Json, Model, Mqtt, at_home, no_file_twice


def add_to(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command(epilog="Example: ecg-edge strip photo.jpg --csv photo.csv --overlay photo-read.png")(strip)


def strip(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="JPEG, PNG, TIFF, BMP, WebP or GIF, a PDF (its first page), a video, or a folder of pictures.",
            show_default=False,
        ),
    ] = None,
    *,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="CAMERA",
            help="Watch for strips: N or /dev/videoN, rtsp://…, http://… (MJPEG) or picamera2. Each is read once.",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            callback=at_home, metavar="FILE", help="Write time_s and one column per lead, mV. {name}: the picture's."
        ),
    ] = None,
    wfdb: Annotated[
        Path | None, typer.Option(callback=at_home, metavar="DIR", help="Write a WFDB record DIR/NAME.")
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(callback=at_home, metavar="FILE.png", help="Draw what was read over the straightened paper."),
    ] = None,
    mqtt: Mqtt = None,
    model: Model = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Read the ECG on photographs and scans of paper: strips and 12-lead pages become samples, beats and findings.

    What a picture cannot be read for is told in one line; the others are read all the same. With --camera, a strip that
    lies still before the camera is read, once, until the program is stopped.
    """
    if not images and camera is None:
        raise typer.BadParameter("give a picture, or --camera", param_hint="IMAGE")
    no_file_twice(("--csv", csv), ("--overlay", overlay))
    from edge.service import strip as service  # noqa: PLC0415
    from edge.service.wiring import settings  # noqa: PLC0415

    outputs = service.Outputs(csv=csv, wfdb=wfdb, overlay=overlay)
    names = [str(at_home(Path(image))) for image in images or []]
    raise typer.Exit(
        service.read_strips(names, outputs, settings(config, model=model, mqtt_url=mqtt), camera=camera, as_json=json)
    )
