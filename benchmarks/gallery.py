"""Pictures for `docs/gallery`: each made by the commands that stand beside it there, on records of MIT-BIH.

The commands are run as they are printed, in a folder of their own; of a PDF a page is rendered, of a page in the
browser a picture taken.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks import common
from benchmarks.serial import broker

FOLDER = common.REPO / "docs" / "gallery"
BEDS = ("100", "203", "207", "221", "119", "233")
_WATCHED_S = 52.0
"""By then 207 has fibrillated."""
_WIDTH = 1400
ANSWERS = '{"pain_now": "no", "symptoms": {"syncope": "yes", "palpitations": "yes"}, "history": {"pacemaker": "yes"}}'


class Page(NamedTuple):
    """A page of a PDF that a command writes; counted from the end where it is negative."""

    name: str
    title: str
    commands: tuple[str, ...]
    page: int


class Shot(NamedTuple):
    """A picture of the browser."""

    name: str
    title: str
    path: str
    width: int
    height: int
    theme: str = "dark"


PAGES = (
    Page("report", "The first page of a report", ("ecg-edge report 207 -o report.pdf",), 0),
    Page("strip-page", "An urgent strip in it, in true millimetres", ("ecg-edge report 207 -o report.pdf",), 1),
    Page(
        "full-disclosure",
        "Every beat, a minute in a row",
        ("ecg-edge report 208 --full-disclosure -o full.pdf",),
        -2,
    ),
    Page(
        "triage",
        "The triage note",
        (f"echo '{ANSWERS}' > answers.json", "ecg-edge report 102 --questionnaire answers.json -o note.pdf"),
        1,
    ),
    Page(
        "stretch",
        "Any stretch, for a talk or a question",
        ("ecg-edge replay 205 --plot stretch.pdf --start 296 --stop 306",),
        0,
    ),
)
WARD = (
    "ecg-edge web --port 8000 --mqtt mqtt://localhost &",
    f"for r in {' '.join(BEDS)}; do",
    "  printf '[device]\\nid = \"%s\"\\n[mqtt]\\nwaveform = true\\n' $r > bed-$r.toml",
    "  ecg-edge replay $r --speed 1 --config bed-$r.toml --mqtt mqtt://localhost &",
    "done",
)
SHOTS = (
    Shot("ward", "The ward page", "", 1440, 830),
    Shot("ward-phone", "The same on a telephone, light", "", 390, 780, "light"),
    Shot("bed", "One bed: its hour, its alerts, their strips", "beds/207", 1200, 1100),
)
UPLOAD = "curl -F file=@207.hea -F file=@207.dat http://localhost:8000/api/v1/analyses"


def main() -> None:
    """Make all pictures and the page that shows them."""
    parser = common.options(__doc__ or "")
    data = common.data_dir(parser.parse_args().data)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for page in PAGES:
            for command in page.commands:
                _run(command, folder, data)
            _render(folder / page.commands[-1].split()[_output(page.commands[-1])], page)
        _browse(folder, data)
    (FOLDER / "README.md").write_text(text(), encoding="utf-8")


def text() -> str:
    """Return the page that shows the pictures, each with what made it."""
    out = [
        "# Gallery",
        "Made by `python -m benchmarks.gallery`, which runs the commands that stand beside each picture, on records of "
        "the MIT-BIH Arrhythmia Database (they are downloaded when they are asked for). Pages of PDF are rendered, the "
        "browser is a headless Chromium.",
    ]
    for page in PAGES:
        out += [f"## {page.title}", _block(page.commands), f"![{page.title}]({page.name}.png)"]
    out += ["## On the ward", _block(WARD)]
    for shot in SHOTS:
        out += [f"### {shot.title}", f"![{shot.title}]({shot.name}.png)"]
    out += ["## A recording that was uploaded", _block((UPLOAD,)), "![The report in the browser](analysis.png)"]
    out += ["Paper that was photographed: [docs/paper](../paper/README.md). The terminal: `ecg-edge demo`."]
    out += ["![Alerts in the terminal](../demo.png)"]
    return "\n\n".join(out) + "\n"


def _block(commands: Sequence[str]) -> str:
    return "\n".join(f"    {command}" for command in commands)


def _output(command: str) -> int:
    """Return which word of a command is the file that it writes."""
    words = command.split()
    return next(i + 1 for i, word in enumerate(words) if word in {"-o", "--plot"})


def _environment(data: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(common.REPO), "ECG_EDGE_DATA": str(data)}


def _script(command: str) -> list[str]:
    """Return what runs a command as a shell would; `ecg-edge` is this installation's."""
    return ["/bin/bash", "-c", f'ecg-edge() {{ {sys.executable} -m edge.cli.app "$@"; }}\n{command}']


def _run(command: str, folder: Path, data: Path) -> None:
    subprocess.run(_script(command), cwd=folder, env=_environment(data), check=True, stdout=subprocess.DEVNULL)


def _render(path: Path, page: Page) -> None:
    import pypdfium2  # noqa: PLC0415  (of the extra `report`)

    document = pypdfium2.PdfDocument(path)
    sheet = document[page.page % len(document)]
    image = sheet.render(scale=_WIDTH / sheet.get_width()).to_pil().convert("RGB")
    document.close()
    _save(_cropped(image), FOLDER / f"{page.name}.png")


def _cropped(image: Image.Image) -> Image.Image:
    """Return a picture without the paper below what is on it, the foot of the page left out."""
    dark = np.asarray(image.convert("L"))[: int(0.94 * image.height)] < 250
    last = int(np.flatnonzero(dark.any(axis=1))[-1])
    return image.crop((0, 0, image.width, min(last + 30, image.height)))


def _save(image: Image.Image, path: Path) -> None:
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(common.REPO)}: {path.stat().st_size / 1000:.0f} kB")


@contextmanager
def _ward(folder: Path, data: Path) -> Iterator[str]:
    """Run `WARD`, at a port and with a broker of our own; yield the page's address."""
    with broker() as url, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        script = "\n".join(WARD).replace("8000", str(port)).replace("mqtt://localhost", url) + "\nwait"
        process = subprocess.Popen(
            _script(script),
            cwd=folder,
            env=_environment(data) | {"XDG_STATE_HOME": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _browse(folder: Path, data: Path) -> None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (of the extra `test`)

    with _ward(folder, data) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        time.sleep(_WATCHED_S)
        for shot in SHOTS:
            page = _opened(chromium, shot)
            page.goto(address + shot.path)
            page.wait_for_timeout(9000)
            if shot.path:
                page.locator(".episode details summary").first.click()
                page.wait_for_timeout(1500)
            _picture(page, folder, shot.name)
        page = _opened(chromium, Shot("analysis", "", "", 1200, 900, "light"))
        page.goto(f"{address}analyses")
        page.set_input_files("input[type=file]", [data / "mitdb" / f"207.{suffix}" for suffix in ("hea", "dat")])
        page.get_by_role("button", name="Analyse").click()
        page.locator("iframe.report").wait_for(timeout=60_000)
        page.wait_for_timeout(1500)
        _picture(page, folder, "analysis")
        chromium.close()


def _opened(chromium: Any, shot: Shot) -> Any:
    page = chromium.new_page(viewport={"width": shot.width, "height": shot.height}, device_scale_factor=1.5)
    page.add_init_script(f"localStorage.setItem('theme', '{shot.theme}')")
    return page


def _picture(page: Any, folder: Path, name: str) -> None:
    path = folder / f"{name}-shot.png"
    page.screenshot(path=path)
    page.close()
    _save(Image.open(path).convert("RGB"), FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
