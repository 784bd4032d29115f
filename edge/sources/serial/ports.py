"""Serial ports: found by path, address, USB id or by themselves; opened with errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import serial

from edge.errors import SourceError
from edge.sources.serial.settings import AUTO

USB_PREFIX = "usb:"
_SOCKET = "socket://"

_TIMEOUT_S = 0.2
# Bytes of a fast line trickle in; so long they are let gather, which costs that much delay and saves wake-ups.
_GATHER_S = 0.001

# Bridges and boards that ECG front ends come with, for `devices` to name.
KNOWN_USB = {
    (0x0403, None): "FTDI (OpenBCI dongle, ProtoCentral, Nano)",
    (0x1A86, None): "CH340 (Nano and ESP32 clones)",
    (0x10C4, None): "CP210x (ESP32)",
    (0x2341, None): "Arduino",
    (0x2A03, None): "Arduino",
    (0x303A, None): "Espressif (ESP32 with its own USB)",
    (0x2E8A, None): "Raspberry Pi (RP2040)",
    (0x239A, None): "Adafruit",
}


class PortInfo(Protocol):
    """What is known of a port; pyserial's `ListPortInfo`."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    description: str


Lister = Callable[[], Iterable[PortInfo]]


def list_ports() -> Iterable[PortInfo]:
    """Return the serial ports of this machine."""
    from serial.tools.list_ports import comports  # noqa: PLC0415  (50 ms, needed only here)

    found: Iterable[PortInfo] = comports()
    return found


def usb_id(port: PortInfo) -> str | None:
    """Return `usb:VID:PID[:SERIAL]`, by which a board is found again whatever tty it gets; None if it is not USB."""
    if port.vid is None or port.pid is None:
        return None
    tail = f":{port.serial_number}" if port.serial_number else ""
    return f"{USB_PREFIX}{port.vid:04x}:{port.pid:04x}{tail}"


def usb_name(port: PortInfo) -> str:
    """Return what is probably behind a port."""
    return KNOWN_USB.get((port.vid or 0, None), port.description)


def candidates(wanted: str, lister: Lister = list_ports) -> list[str]:
    """Return the devices or addresses that `wanted` may mean now, the likeliest first.

    Parameters
    ----------
    wanted : str
        A path, a URL of pyserial, `usb:VID:PID[:SERIAL]` in hexadecimal, or `auto`.
    lister : callable
        Lists the ports there are.

    Raises
    ------
    SourceError
        If `wanted` is no such thing, or if there is none now.
    """
    if wanted == AUTO:
        found = sorted((port for port in lister() if port.vid is not None), key=_likelihood)
        if not found:
            raise SourceError(AUTO, "no USB serial port is there", "plug the board in, or give --port")
        return [port.device for port in found]
    if wanted.startswith(USB_PREFIX):
        return _by_usb_id(wanted, lister)
    return [wanted]


def pinned(device: str, lister: Lister = list_ports) -> str:
    """Return what finds the board at `device` again, and no other: its USB id, or else its path."""
    ids = {port.device: usb_id(port) for port in lister()}
    own = ids.get(device)
    # Cheap bridges have no serial number: of two alike the path must tell them apart.
    return own if own is not None and list(ids.values()).count(own) == 1 else device


def _likelihood(port: PortInfo) -> tuple[bool, str]:
    return ((port.vid or 0, None) not in KNOWN_USB, port.device)


def _by_usb_id(wanted: str, lister: Lister) -> list[str]:
    try:
        vid, pid, *number = wanted.removeprefix(USB_PREFIX).split(":", 2)
        ids = (int(vid, 16), int(pid, 16))
    except ValueError:
        raise SourceError(wanted, "not a USB id", "give usb:VID:PID or usb:VID:PID:SERIAL, as `devices` does") from None
    found = [
        port.device
        for port in lister()
        if (port.vid, port.pid) == ids and (not number or port.serial_number == number[0])
    ]
    if not found:
        raise SourceError(wanted, "no such board is plugged in", "plug it in; `ecg-edge devices` lists what there is")
    return sorted(found)


class Port(Protocol):
    """An open port."""

    def read_some(self) -> bytes:
        """Return what has come, waiting up to 0.2 s for the first of it; raises OSError if the port is gone."""

    def write(self, data: bytes) -> None:
        """Send; a board that does not take it is none the worse for it."""

    def framing_errors(self) -> int | None:
        """Return how many bytes the line saw with a wrong stop bit since boot; None where nobody counts."""

    def close(self) -> None:
        """Give the port back."""


def open_port(device: str, baud: int) -> Port:
    """Open a port for reading and writing, alone.

    Raises
    ------
    SourceError
        If it cannot be opened; says why and what to do.
    """
    try:
        if device.startswith(_SOCKET):
            return _SocketPort(device)
        # pyserial's network ports know neither.
        own = {} if "://" in device else {"exclusive": True, "write_timeout": _TIMEOUT_S}
        return _SerialPort(serial.serial_for_url(device, baudrate=baud, timeout=_TIMEOUT_S, **own))
    except (OSError, ValueError, NotImplementedError) as error:  # serial.SerialException is an OSError
        raise _explained(device, error) from error


def _explained(device: str, error: Exception) -> SourceError:
    number = getattr(error, "errno", None)
    if "://" in device:
        return SourceError(device, f"cannot be reached ({error})", "is the other side running?")
    if number == errno.ENOENT:
        return SourceError(device, "no such port", "plug the board in; `ecg-edge devices` lists the ports there are")
    if number in (errno.EACCES, errno.EPERM):
        return SourceError(device, "permission denied", way_in(device))
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        return SourceError(device, "in use by another program", "close it there")
    return SourceError(device, f"cannot be opened ({error})", "is it a serial port?")


_DEBIANS_GROUP = "dialout"
_RULE = "/etc/udev/rules.d/99-ecg.rules"


def way_in(device: str, usual_group: str = _DEBIANS_GROUP) -> str:
    """Say how to be allowed to open a device: by joining its group, if that group may and is not root's."""
    import grp  # noqa: PLC0415  (not on every platform)

    group, group_may = usual_group, True
    try:
        found = Path(device).stat()
        group_may = found.st_mode & 0o060 == 0o060
        group = grp.getgrgid(found.st_gid).gr_name
        member = found.st_gid in {os.getgid(), *os.getgroups()}
    except (OSError, KeyError):
        member = False
    if group_may and group != "root" and not member:
        return f"`sudo usermod -aG {group} $USER`, then log in again"
    # To join root's group would give away far more than the port, and a group that may not open it does not help.
    name = Path(device).resolve().name
    rule = f'KERNEL=="{name}", GROUP="{usual_group}", MODE="0660"'
    return (
        f"only root may open it: put `{rule}` into {_RULE}, then "
        f"`sudo udevadm control --reload && sudo udevadm trigger` and `sudo usermod -aG {usual_group} $USER`"
    )


_TIOCGICOUNT = 0x545D
_ICOUNT = struct.Struct("20i")
_FRAME = 6


class _SerialPort:
    """A port of pyserial."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self._keep_lines_when_closed()

    def _keep_lines_when_closed(self) -> None:
        """Leave DTR as it is when the port is closed: its next opening then resets no board that is reset by DTR."""
        with contextlib.suppress(OSError, AttributeError, termios.error):
            modes = termios.tcgetattr(self._port.fileno())
            modes[2] &= ~termios.HUPCL
            termios.tcsetattr(self._port.fileno(), termios.TCSANOW, modes)

    def read_some(self) -> bytes:
        data: bytes = self._port.read(1)
        if data:
            time.sleep(_GATHER_S)
            data += self._port.read(self._port.in_waiting)
        return data

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._port.write(data)

    def framing_errors(self) -> int | None:
        try:
            counts = _ICOUNT.unpack(fcntl.ioctl(self._port.fileno(), _TIOCGICOUNT, bytes(_ICOUNT.size)))
        except (OSError, AttributeError, ValueError):
            return None
        return int(counts[_FRAME])

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._port.close()


class _SocketPort:
    """`socket://host:port`; pyserial's own gives bytes out one at a time or late."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname or not parts.port:
            raise ValueError("give socket://host:port")
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=5)
        self._socket.settimeout(_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A board that went without a word is noticed within half a minute.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def read_some(self) -> bytes:
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return b""
        if not data:
            raise ConnectionResetError("the other side has closed it")
        return data

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def framing_errors(self) -> int | None:
        return None

    def close(self) -> None:
        self._socket.close()
