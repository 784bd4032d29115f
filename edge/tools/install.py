"""Puts the service's files where systemd and udev look for them, and takes them away again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from edge.errors import EcgEdgeError, how_to_install
from edge.sinks.outputs import put

UNIT = "ecg-edge.service"
_RULES = "70-ecg-edge.rules"
_CONFIG = "ecg-edge.toml"
_CONFIG_DIR = "etc/ecg-edge"
_SECRET = "mqtt-password"  # noqa: S105  # the file's name
_PLACES = {
    UNIT: "etc/systemd/system",
    _RULES: "etc/udev/rules.d",
    _CONFIG: _CONFIG_DIR,
}
# The unit hides these from the service.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  # not used, but refused

_PACKAGED = Path(__file__).parent.parent / "systemd"
_CHECKOUT = Path(__file__).parent.parent.parent / "systemd"

_HOME = "/opt/ecg-edge"

EXIT_INACTIVE = 3
"""As `systemctl status` has it."""


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """How the service is, as systemd knows it.

    Attributes
    ----------
    active, sub : str
        systemd's words: `active` and `running` when all is well.
    says : str
        What the service says of itself.
    restarts : int
        How often it was started again since boot.
    since : str
        When it got into this state.
    """

    active: str
    sub: str
    says: str
    restarts: int
    since: str


def files_dir() -> Path:
    """Folder of the unit, the rule and the example: inside the package if installed, else beside it in a checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def install(root: Path = Path("/"), program: Path | None = None) -> list[Path]:
    """Write unit, rule and, if there is none, configuration; enable and start the service if `root` is this machine's.

    Parameters
    ----------
    root : Path
        Where the system's `/` is.
    program : Path, optional
        The `ecg-edge` command the service is to run; by default the one that runs now.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    EcgEdgeError
        If something cannot be written or started, or the service could not see its program.
    """
    command = _program(program)
    written: list[Path] = []
    for name, folder in _PLACES.items():
        path = root / folder / name
        if name == _CONFIG and path.exists():
            continue
        text = (files_dir() / name).read_text(encoding="utf-8")
        if name == UNIT:
            text = text.replace("/opt/ecg-edge/bin/ecg-edge", str(command))
        _write(path, text)
        written.append(path)
    secret = root / _CONFIG_DIR / _SECRET
    if not secret.exists():
        _write(secret, "", 0o600)
        written.append(secret)
    if _is_here(root):
        _systemctl("daemon-reload")
        _reload_udev()
        _systemctl("enable", UNIT)
        _systemctl("restart", "--no-block", UNIT)
    else:
        _systemctl(f"--root={root}", "enable", UNIT)
    return written


def uninstall(root: Path = Path("/"), *, purge: bool = False) -> list[Path]:
    """Stop and disable the service and take its files away; configuration and state only with `purge`.

    Returns
    -------
    list of Path
        What was taken away.
    """
    unit = root / _PLACES[UNIT] / UNIT
    if unit.exists():
        _systemctl(*(["disable", "--now", UNIT] if _is_here(root) else [f"--root={root}", "disable", UNIT]))
    paths = [unit, root / _PLACES[_RULES] / _RULES]
    if purge:
        # With a user of its own the state lies in private/, and the name beside it is a link.
        state = root / "var/lib"
        paths += [root / _CONFIG_DIR, state / "ecg-edge", state / "private/ecg-edge"]
    gone = [path for path in paths if _remove(path)]
    if _is_here(root):
        _systemctl("daemon-reload")
        _reload_udev()
    return gone


def state() -> ServiceState:
    """Return how the service is.

    Raises
    ------
    EcgEdgeError
        If systemd does not answer, or knows no such service.
    """
    names = ("LoadState", "ActiveState", "SubState", "StatusText", "NRestarts", "StateChangeTimestamp")
    shown = _systemctl("show", UNIT, f"--property={','.join(names)}")
    found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if found.get("LoadState") != "loaded":
        raise EcgEdgeError(f"{UNIT} is not installed", "`sudo ecg-edge service install`")
    return ServiceState(
        active=found.get("ActiveState", "unknown"),
        sub=found.get("SubState", "unknown"),
        says=found.get("StatusText", ""),
        restarts=int(found.get("NRestarts") or 0),
        since=found.get("StateChangeTimestamp", ""),
    )


def _program(given: Path | None) -> Path:
    # Not resolved: the command of a virtual environment must be run by its own name.
    path = (given or Path(sys.executable).parent / "ecg-edge").absolute()
    # A virtual environment is no better hidden than the interpreter it links to.
    interpreter = [Path(sys.executable).resolve()] if given is None else []
    for needed in (path, *interpreter):
        if any(needed.is_relative_to(hidden) for hidden in _HIDDEN):
            fix = (
                f"make its environment elsewhere: `sudo /usr/bin/python3 -m venv {_HOME}`, and there {how_to_install()}"
            )
            raise EcgEdgeError(f"{needed} cannot be seen by a service", fix)
    if not _is_plain(str(path)):
        raise EcgEdgeError(f"{path} cannot be written into a unit", "choose a folder without blanks, quotes, % and $")
    return path


def _is_plain(path: str) -> bool:
    return not set(path) & set(" \t\n\"'\\%$;")


def _is_here(root: Path) -> bool:
    return root.resolve() == Path("/")


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file; one that is there otherwise, because somebody has changed it, is kept beside it."""
    if path.is_symlink() and path.resolve() == Path(os.devnull):
        raise EcgEdgeError(f"{path} is masked", f"sudo systemctl unmask {path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, text.encode(), is_ours=lambda _: True)
        path.chmod(mode)
    except OSError as error:
        fix = "move it away" if isinstance(error, FileExistsError) else "run it with sudo"
        raise EcgEdgeError(f"{path} cannot be written ({error.strerror})", fix) from error


def _remove(path: Path) -> bool:
    try:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            return False
    except OSError as error:
        raise EcgEdgeError(f"{path} cannot be removed ({error.strerror})", "run it with sudo") from error
    return True


def _reload_udev() -> None:
    # Without udev (a container) the rule waits for it.
    if command := shutil.which("udevadm"):
        for arguments in (["control", "--reload"], ["trigger", "--subsystem-match=tty", "--action=change"]):
            subprocess.run([command, *arguments], check=False, capture_output=True)  # noqa: S603


def _systemctl(*arguments: str) -> str:
    command = shutil.which("systemctl")
    if command is None:
        raise EcgEdgeError("systemctl is not there", "this machine has no systemd: run `ecg-edge run` by other means")
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise EcgEdgeError(f"systemctl {' '.join(arguments)}: {said}", "does systemd run here, and is this root?")
    return done.stdout
