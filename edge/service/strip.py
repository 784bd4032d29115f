"""Pictures of ECG paper: each read once, analysed, and written in every form that is asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.config import Config
from edge.errors import EcgEdgeError, SourceError, printable
from edge.findings.analyze import findings_of
from edge.findings.findings import Findings
from edge.inference.beat_model import BeatModel
from edge.paper import Digitized, digitize, read_picture
from edge.paper.picture import SUFFIXES
from edge.service import strip_files
from edge.service.replay import EXIT_FAILED, EXIT_INTERRUPTED, Replay, stop_on_signal
from edge.service.terminal import Terminal
from edge.service.wiring import Options, sinks
from edge.sources.camera import VIDEO_SUFFIXES, Watcher, open_camera
from edge.sources.paper import recording_of

_LEAST_S = 5.0
"""Of signal: less tells no rhythm."""


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """Where to write what; `{name}` in a path stands for the picture's name.

    Attributes
    ----------
    csv : Path or None
        A table: `time_s`, then one column per lead in mV.
    wfdb : Path or None
        A folder for WFDB records.
    overlay : Path or None
        A picture of what was read.
    """

    csv: Path | None = None
    wfdb: Path | None = None
    overlay: Path | None = None


def read_strips(
    inputs: Sequence[str], outputs: Outputs, config: Config, *, camera: str | None = None, as_json: bool = False
) -> int:
    """Read pictures one after the other, and then what a camera sees.

    Parameters
    ----------
    inputs : sequence of str
        Pictures, PDFs, videos, and folders of pictures.
    outputs : Outputs
        What to write.
    config : Config
        The model, what counts as which rhythm, and the broker to publish to.
    camera : str, optional
        As `edge.sources.camera.open_camera` takes it.
    as_json : bool
        Whether to print one object per picture instead of words.

    Returns
    -------
    int
        The command's exit code: 1 if any picture was refused.
    """
    paths = list(_pictures(inputs))
    _check(paths, outputs)
    good = True
    with Terminal() as terminal, BeatModel.load(config.model.name) as model:
        with stop_on_signal() as stop:
            work = _Work(model, config, stop, terminal, as_json, _publisher(config, model, stop, terminal))
            for path in paths:
                video = path.suffix.lower() in VIDEO_SUFFIXES
                good &= _watch(str(path), outputs, work) if video else _one(path, outputs, work)
                if stop.is_set():
                    break
            if camera is not None and not stop.is_set():
                good &= _watch(camera, outputs, work)
        shown = terminal.finish(None)
    return EXIT_INTERRUPTED if stop.is_set() else 0 if good and shown else EXIT_FAILED


class _Work(msgspec.Struct, frozen=True):
    model: BeatModel
    config: Config
    stop: threading.Event
    terminal: Terminal
    as_json: bool
    publish: Replay | None


def _publisher(config: Config, model: BeatModel, stop: threading.Event, terminal: Terminal) -> Replay | None:
    """Return what plays a strip to the broker, if there is one."""
    if config.mqtt.url is None:
        return None
    options = Options(config=config)
    return Replay(options, model, sinks(options, model), report=terminal.report, stop=stop)


def _pictures(inputs: Sequence[str]) -> Iterator[Path]:
    for name in inputs:
        path = Path(name)
        if not path.is_dir():
            yield path
            continue
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
        if not found:
            raise SourceError(name, "is a folder without pictures", "give pictures, or a folder that holds some")
        yield from found


def _check(paths: Sequence[Path], outputs: Outputs) -> None:
    """Refuse what would write one file twice, or a picture over."""
    for given in (outputs.csv, outputs.overlay):
        if given is None:
            continue
        targets = [strip_files.target(given, path) for path in paths]
        if len(set(targets)) < len(paths):
            raise SourceError(str(given), "would be written by several pictures", "put {name} into its name")
        if {p.absolute() for p in targets} & {p.absolute() for p in paths}:
            raise SourceError(str(given), "is one of the pictures", "write elsewhere")


def _one(path: Path, outputs: Outputs, work: _Work) -> bool:
    return _told(path, lambda: digitize(path, overlay=outputs.overlay is not None), outputs, work) is not None


def _watch(where: str, outputs: Outputs, work: _Work) -> bool:
    """Read what a camera or a video shows, each strip once; False if it broke off or nothing was read."""
    watcher, seen, number = Watcher(), Seen(), 0
    stem = "".join(c if c.isalnum() else "_" for c in Path(where).stem) or "camera"
    try:
        for frame in open_camera(where).frames(work.stop):
            image = watcher.push(frame)
            if image is None:
                continue
            read = read_picture(image, overlay=outputs.overlay is not None)
            if read.refused is None and not seen.before(read):
                number += 1
                name = Path(f"{stem}-{number:03}")
                _told(name, lambda read=read: read, _numbered(outputs), work)  # type: ignore[misc]
    except EcgEdgeError as error:
        work.terminal.report(error)
        return False
    return number > 0


def _numbered(outputs: Outputs) -> Outputs:
    """Return outputs of which each strip has its own."""

    def own(path: Path | None) -> Path | None:
        return path if path is None or "{name}" in path.name else path.with_name(f"{{name}}-{path.name}")

    return msgspec.structs.replace(outputs, csv=own(outputs.csv), overlay=own(outputs.overlay))


def _told(path: Path, reading: Callable[[], Digitized], outputs: Outputs, work: _Work) -> Digitized | None:
    """Read, write and tell; None if that failed, which is told too."""
    terminal = work.terminal
    try:
        read = reading()
        found, why = (None, None) if read.refused else _findings(read, path, work)
        if read.refused:
            terminal.report(SourceError(path.name, read.refused.reason, read.refused.hint))
        else:
            for written in _write(path, read, outputs):
                terminal.report(f"{written} written")
            if work.publish is not None and found is not None:
                work.publish.run(recording_of(read, path.stem))
        terminal.print(_object(path, read, found, why) if work.as_json else _words(path, read, found, why))
    except EcgEdgeError as error:
        terminal.report(error)
        return None
    except Exception as error:  # whatever a file holds, the others are read
        if os.environ.get("ECG_EDGE_DEBUG") == "1":
            raise
        terminal.report(SourceError(path.name, f"cannot be read, unexpected {type(error).__name__}: {error}"))
        return None
    return read if read.refused is None else None


class Seen:
    """Knows strips again: by their signal, however they lie."""

    _KEPT = 50
    _ALIKE = 0.95
    _SHIFT = 50
    """Samples at 100 Hz."""

    def __init__(self) -> None:
        self._known: list[NDArray[np.float64]] = []

    def before(self, read: Digitized) -> bool:
        """Whether this strip was shown before; it is remembered."""
        lead = max(read.leads.values(), key=lambda mv: int(np.isfinite(mv).sum()))
        known = np.flatnonzero(np.isfinite(lead))
        at = np.arange(known[0], known[-1], read.fs_hz / 100)
        mv = np.interp(at, known, lead[known])
        if any(self._alike(mv, other) for other in self._known):
            return True
        self._known = [*self._known[1 - self._KEPT :], mv]
        return False

    def _alike(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
        n = min(len(a), len(b)) - 2 * self._SHIFT
        if n < 2 * self._SHIFT or abs(len(a) - len(b)) > 4 * self._SHIFT:
            return False
        part = b[self._SHIFT : self._SHIFT + n]
        shifts = range(0, min(2 * self._SHIFT, len(a) - n))
        return max(float(np.corrcoef(a[k : k + n], part)[0, 1]) for k in shifts) > self._ALIKE


def _findings(read: Digitized, path: Path, work: _Work) -> tuple[Findings | None, str | None]:
    """Return what can be said of a strip, or why nothing can."""
    longest = max(int(np.isfinite(mv).sum()) for mv in read.leads.values()) / read.fs_hz
    if longest < _LEAST_S:
        return None, f"{longest:.1f} s of signal: {_LEAST_S:g} s are needed to tell rate and rhythm"
    recording = recording_of(read, path.stem)
    rules = work.config
    return findings_of(recording, work.model, rhythm=rules.rhythm, alarms=rules.alarms, stop=work.stop), None


def _write(path: Path, read: Digitized, outputs: Outputs) -> Iterator[Path]:
    forms: list[tuple[Path | None, Callable[[Path], None]]] = [
        (outputs.csv, lambda target: strip_files.write_csv(target, read)),
        (outputs.overlay, lambda target: strip_files.write_overlay(target, read)),
    ]
    for given, write in forms:
        if given is not None:
            target = strip_files.target(given, path)
            write(target)
            yield target
    if outputs.wfdb is not None:
        yield strip_files.write_wfdb(outputs.wfdb, path.stem, read)


def _rate(found: Findings | None) -> float | None:
    """Return the mean heart rate over the beats: a strip is too short for a rate over time."""
    if found is None or len(found.beats) < 3:
        return None
    times = found.beats["time_s"]
    return round(float(60 * (len(times) - 1) / (times[-1] - times[0])), 1)


def _object(path: Path, read: Digitized, found: Findings | None, why: str | None) -> str:
    said: dict[str, Any] = {
        "image": str(path),
        "refused": None if read.refused is None else read.refused.reason,
        "refused_cause": None if read.refused is None else read.refused.cause,
        "hint": None if read.refused is None else read.refused.hint,
        "layout": read.layout or None,
        "leads": list(read.leads),
        "fs_hz": read.fs_hz,
        "px_per_mm": None if read.refused else [round(axis, 4) for axis in read.px_per_mm],
        "mm_per_s": read.mm_per_s,
        "mm_per_mv": read.mm_per_mv,
        "heart_rate_bpm": _rate(found),
        "assumed": list(read.assumed),
        "quality": [vars(lead) for lead in read.quality],
        "cannot_tell": why,
        "findings": None if found is None else msgspec.Raw(found.to_json()),
    }
    return msgspec.json.encode(said).decode()


def _words(path: Path, read: Digitized, found: Findings | None, why: str | None) -> str:
    if read.refused:
        return printable(f"{path.name}: not read")
    rate = _rate(found)
    pitch = " × ".join(f"{axis:.2f}" for axis in read.px_per_mm)
    paper = f"{pitch} px/mm, {read.mm_per_s:g} mm/s, {read.mm_per_mv:g} mm/mV"
    lines = [
        f"{path.name}: {read.layout}, {', '.join(read.leads)}, {paper}",
        *(f"  assumed: {what}" for what in read.assumed),
        f"  heart rate {rate:.0f}/min" if rate is not None else f"  heart rate unknown: {why or 'too few beats'}",
        *(f"  {line}" for line in (found.summary().splitlines() if found else [])),
    ]
    return "\n".join(printable(line) for line in lines)
