"""Lists the boards that may be a source, and what they send."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from edge.errors import SourceError
from edge.service.table import fields
from edge.sources.serial import ports
from edge.sources.serial.boards import FORMATS
from edge.sources.serial.recognition import WAIT_S, Recogniser
from edge.sources.serial.settings import BAUD, BoardSettings
from firmware_bridge import cyton

# Longer than a board takes to be recognised, and as long as most take to come out of a reset.
_PATIENCE_S = WAIT_S + 1.0


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A port that may have a board behind it.

    Attributes
    ----------
    device : str
        Its path.
    usb : str or None
        By which it is found again whatever path it gets; for `--port`.
    name : str
        What is probably there.
    sends : str or None
        What it sends; None if it was not asked.
    usable : bool or None
        Whether that can be watched.
    """

    device: str
    usb: str | None
    name: str
    sends: str | None = None
    usable: bool | None = None


def found(named: Sequence[str], *, probe: bool, baud: int = BAUD) -> list[Candidate]:
    """Return the ports that are there, or those that are named, with what they send.

    Parameters
    ----------
    named : sequence of str
        Paths or addresses; if empty, every serial port of this machine.
    probe : bool
        Whether to listen to each.
    baud : int
        Line speed to listen at.
    """
    listed = [
        Candidate(device=port.device, usb=ports.usb_id(port), name=ports.usb_name(port)) for port in ports.list_ports()
    ]
    if named:
        known = {candidate.device: candidate for candidate in listed}
        listed = [known.get(name, Candidate(device=name, usb=None, name="as given")) for name in named]
    if not probe or not listed:
        return listed
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda candidate: _listened(candidate, baud), listed))


def _listened(candidate: Candidate, baud: int) -> Candidate:
    try:
        sends = _listen(candidate.device, baud)
    except SourceError as error:
        return msgspec.structs.replace(candidate, sends=error.reason, usable=False)
    except OSError:
        return msgspec.structs.replace(candidate, sends="unplugged", usable=False)
    return msgspec.structs.replace(candidate, sends=sends, usable=True)


def _listen(device: str, baud: int) -> str:
    port = ports.open_port(device, baud)
    try:
        recogniser = Recogniser(None, BoardSettings())
        began_s = time.monotonic()
        port.write(FORMATS["native"](BoardSettings()).wake)
        asked = False
        while (now_s := time.monotonic()) < began_s + _PATIENCE_S:
            if recognised := recogniser.push(port.read_some(), now_s):
                board = recognised.description
                return f"{board.what}; {board.fs_hz:g} Hz, leads {', '.join(board.leads)}"
            if not recogniser.n_bytes and not asked and now_s > began_s + WAIT_S / 2:
                port.write(cyton.START)
                asked = True
        raise SourceError(device, recogniser.verdict())
    finally:
        port.close()


def lines(candidates: Sequence[Candidate]) -> str:
    """Return the candidates as text."""
    if not candidates:
        return "no serial port is there: plug a board in"
    out: list[str] = []
    for candidate in candidates:
        out.append(candidate.device)
        out += fields([("what", candidate.name), ("port", candidate.usb or ""), ("sends", candidate.sends or "")])
    return "\n".join(out)
