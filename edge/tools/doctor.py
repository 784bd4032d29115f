"""Checks that everything this machine needs is there and works; each failure comes with its remedy."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from edge import __version__
from edge.config import Config
from edge.errors import EcgEdgeError, ModelError, how_to_install, printable
from edge.inference.beat_model import BeatModel, model_names
from edge.inference.runtime import numpy_clash, runtime_name
from edge.service.terminal import width
from edge.service.wiring import broker
from edge.tools import machine

_OLDEST, _NEWEST = (3, 11), (3, 13)
_MODELS = ("cnn", "lstm")
# What each package is for, by the name it is imported by.
_PACKAGES = {
    "scipy": ("scipy", "filters"),
    "wfdb": ("wfdb", "records in rare formats, and downloads"),
    "serial": ("pyserial", "sensors"),
    "paho": ("paho-mqtt", "MQTT"),
    "cv2": ("opencv-python-headless", "paper and camera"),
    "cobs": ("cobs", "sensors"),
}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at.

    Attributes
    ----------
    what : str
        What was looked at.
    ok : bool
        Whether it is as it must be.
    found : str
        What is there, or what is wrong.
    fix : str
        What to do about it, or what could be better; empty if nothing.
    """

    what: str
    ok: bool
    found: str
    fix: str = ""


def run(settings: Config, data: Path | None, *, as_json: bool = False) -> int:
    """Look at everything and print it; return the command's exit code."""
    checks: list[Check] = []
    for check in _checks(settings, data):
        checks.append(check)
        if not as_json:
            print("\n".join(map(printable, _lines(check))), flush=True)
    if as_json:
        print(msgspec.json.encode({"ok": all(check.ok for check in checks), "checks": checks}).decode())
    return 0 if all(check.ok for check in checks) else 1


def _lines(check: Check) -> list[str]:
    mark = "FAIL" if not check.ok else "note" if check.fix else "ok"
    text = f"{mark:<4}  {check.what:<12}  {check.found}" + (f": {check.fix}" if check.fix else "")
    # On a terminal what is said stands beside its name; elsewhere a check is a line.
    columns = width(sys.stdout)
    return (
        [text] if columns is None else textwrap.wrap(text, columns, subsequent_indent=" " * 20, break_long_words=False)
    )


def version(*, as_json: bool = False) -> None:
    """Print the versions of what is installed, and the hashes of the models."""
    versions = {
        "ecg-edge": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "runtime": _or_error(runtime_name),
        "numpy": np.__version__,
    }
    models = {name: _or_error(partial(_sha256, name)) for name in model_names()}
    if as_json:
        print(msgspec.json.encode({**versions, "models": models}).decode())
        return
    for what, which in versions.items():
        print(f"{what:<10} {which}")
    for name, sha256 in models.items():
        print(f"{'model':<10} {name} {sha256}")


def _sha256(name: str) -> str:
    with BeatModel.load(name) as model:
        return model.sha256


def _or_error(look: Callable[[], str]) -> str:
    try:
        return look()
    except EcgEdgeError as error:
        return str(error)


def _checks(settings: Config, data: Path | None) -> Iterator[Check]:
    yield _python()
    yield _looked("interpreter", runtime_name)
    numpy = _looked("numpy", _numpy)
    yield numpy
    for name in dict.fromkeys((*_MODELS, *model_names())):
        what = f"model {name}"
        no = Check(what=what, ok=False, found="cannot run", fix="mend numpy first, as above")
        yield _looked(what, partial(_model, name)) if numpy.ok else no
    for module, (package, purpose) in _PACKAGES.items():
        yield _package(module, package, purpose)
    yield _data(data)
    yield _looked("port", lambda: machine.port(settings))
    yield _looked("camera", machine.cameras)
    yield _clock()
    yield _looked("disk", machine.disk)
    yield _looked("temperature", machine.temperature)
    yield _looked("secrets", lambda: machine.secrets(settings))
    if settings.mqtt.url is not None:
        yield _looked("broker", lambda: _broker(settings))


def _looked(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what=what, ok=True, found=look())
    except EcgEdgeError as error:
        return Check(what=what, ok=False, found=error.what, fix=error.fix)


def _python() -> Check:
    ok = _OLDEST <= sys.version_info[:2] <= _NEWEST
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fix = "" if ok else f"use Python {_OLDEST[0]}.{_OLDEST[1]} to {_NEWEST[0]}.{_NEWEST[1]}"
    return Check(what="Python", ok=ok, found=found, fix=fix)


def _numpy() -> str:
    try:
        clash = numpy_clash()
    except ModelError:  # without an interpreter any numpy will do
        clash = None
    if clash is not None:
        raise EcgEdgeError(*clash)
    return np.__version__


def _clock() -> Check:
    """Look at the clock; one that nobody keeps right is no failure, for there may be no network to keep it by."""
    check = _looked("clock", machine.clock)
    if check.ok and (fix := machine.unsynchronised()):
        return msgspec.structs.replace(check, found="not synchronised, times in alerts may be off", fix=fix)
    return check


def _model(name: str) -> str:
    """Run a model once on silence."""
    with BeatModel.load(name) as model:
        card = model.card
        window = np.zeros((card.window.n, card.window.leads), np.float32)
        features = np.array([feature.knots[0] for feature in card.features], np.float32)
        total = float(model.predict(window, features).sum())
        return f"runs, sha256 {model.sha256[:12]}…, probabilities sum to {total:.2f}"


def _package(module: str, package: str, purpose: str) -> Check:
    what = package.removesuffix("-python-headless")
    if importlib.util.find_spec(module) is None:
        return Check(what=what, ok=False, found=f"not installed, needed for {purpose}", fix=how_to_install())
    return Check(what=what, ok=True, found=f"{importlib.metadata.version(package)}, for {purpose}")


def _data(data: Path | None) -> Check:
    root = os.environ.get("ECG_EDGE_DATA")
    folder = data or (Path(root) / "mitdb" if root else None)
    if folder is None:
        return Check(what="records", ok=True, found="no folder set; MIT-BIH records are fetched when asked for")
    n_records = len(list(folder.glob("*.hea"))) if folder.is_dir() else 0
    if n_records:
        return Check(what="records", ok=True, found=f"{n_records} in {folder}")
    fix = "give --data DIR or set ECG_EDGE_DATA to a folder that holds mitdb"
    return Check(what="records", ok=False, found=f"none in {folder}", fix=fix)


def _broker(settings: Config) -> str:
    from edge.sinks.mqtt.link import MqttLink  # noqa: PLC0415  (paho takes 0.1 s to import)

    publisher = MqttLink(broker(settings.mqtt), settings.device.id)
    publisher.connect(will=None)
    publisher.close()
    return f"{publisher.where} answers, MQTT {publisher.version}"
