"""Looks at the machine itself: ports, cameras, clock, disk, temperature. Each look says what is there or what to do."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from edge.config import Config
from edge.errors import EcgEdgeError, SourceError
from edge.service.credentials import exposed
from edge.service.health import writable
from edge.service.wiring import state_directory
from edge.sources.serial import ports
from edge.sources.serial.settings import AUTO

# A Raspberry Pi slows down at 80 °C (85 °C at the latest).
HOT_C = 80.0
# 2026-01-01: no machine that runs this program is from before.
_OLDEST_S = 1_767_225_600
_TIME_ERROR = 5
_SOCKETS = "://"


def port(settings: Config) -> str:
    """Say whether the configured port is there and may be opened; it is not opened, for the service may have it."""
    wanted = settings.sensor.port
    try:
        found = ports.candidates(wanted)
    except SourceError as error:
        if wanted == AUTO:
            return "no board is plugged in, and none is named"
        raise EcgEdgeError(error.what, error.fix) from error
    if _SOCKETS in wanted:
        return f"{wanted}, asked when it runs"
    for device in found:
        if not Path(device).exists():
            raise EcgEdgeError(f"{device} is not there", "plug the board in; `ecg-edge devices` lists what there is")
        _open_to_us(Path(device), "dialout")
    return f"{', '.join(found)} may be opened"


def cameras(dev: Path = Path("/dev")) -> str:
    """Say which cameras there are."""
    found = sorted(dev.glob("video*"))
    for camera in found:
        _open_to_us(camera, "video")
    return f"{', '.join(map(str, found))} may be opened" if found else "none; needed only for paper"


def _open_to_us(device: Path, group: str) -> None:
    if not os.access(device, os.R_OK | os.W_OK):
        raise EcgEdgeError(f"{device}: permission denied", ports.way_in(str(device), group))


def clock(now_s: float | None = None) -> str:
    """Say what time it is, if that can be."""
    now_s = time.time() if now_s is None else now_s
    if now_s < _OLDEST_S:
        shown = time.strftime("%Y-%m-%d", time.gmtime(now_s))
        raise EcgEdgeError(f"says it is {shown}", "`sudo timedatectl set-ntp true`, or give the machine a clock (RTC)")
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now_s))


def unsynchronised() -> str:
    """Return what to do about a clock that nobody keeps right; empty if the kernel knows it is kept (adjtimex(2))."""
    if _kept_right():
        return ""
    command = shutil.which("timedatectl")
    if command is None:
        return "install a client of NTP, such as chrony"
    # Without systemd it answers nothing.
    shown = subprocess.run(  # noqa: S603
        [command, "show", "--property=CanNTP", "--property=NTP"], capture_output=True, text=True, check=False
    ).stdout.split()
    if "CanNTP=no" in shown:
        return "install a client of NTP, such as systemd-timesyncd"
    if "NTP=no" in shown:
        return "`sudo timedatectl set-ntp true`"
    if "NTP=yes" in shown:
        return "wait a minute; `timedatectl timesync-status` says which server is asked and whether it answers"
    return "`timedatectl` says why"


def _kept_right() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    # struct timex with modes = 0 asks and sets nothing; it has 208 bytes, 256 leave room.
    answer = libc.adjtimex(ctypes.create_string_buffer(256)) if hasattr(libc, "adjtimex") else -1
    return answer not in (-1, _TIME_ERROR)


def disk(folder: Path | None = None) -> str:
    """Say whether there is room where alerts are kept."""
    kept = folder or state_directory()
    there = next(path for path in (kept, *kept.absolute().parents) if path.is_dir())
    if problem := writable(there):
        raise EcgEdgeError(problem, f"make room, or make {there} writable")
    usage = os.statvfs(there)
    return f"{usage.f_bavail * usage.f_frsize / 1e9:,.1f} GB free in {there}"


def temperature(sys: Path = Path("/sys")) -> str:
    """Say how hot it is, and whether a Pi's supply is too weak."""
    zones = [celsius for zone in sorted(sys.glob("class/thermal/thermal_zone*/temp")) for celsius in _number(zone)]
    for name in sys.glob("class/hwmon/*/name"):
        alarm = name.with_name("in0_lcrit_alarm")
        if name.read_text().strip() == "rpi_volt" and 1 in _number(alarm):
            raise EcgEdgeError("the supply's voltage is too low", "use the supply made for this board")
    if not zones:
        return "no sensor"
    hottest = max(zones) / 1000
    if hottest >= HOT_C:
        raise EcgEdgeError(f"{hottest:.0f} °C, it slows down", "give it a heat sink, a fan or air")
    return f"{hottest:.0f} °C"


def _number(file: Path) -> Iterator[int]:
    # Zones that are switched off answer with an error.
    try:
        yield int(file.read_text())
    except (OSError, ValueError):
        return


def secrets(settings: Config) -> str:
    """Say whether passwords and keys are kept from others."""
    for line in exposed(settings.mqtt):
        what, _, fix = line.rpartition(": ")
        raise EcgEdgeError(what, fix)
    return "kept from others"
