"""Machines to roll out to: roots that have all this one has, booted by systemd where that can be done here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

# Device filters of a unit are BPF programs, which containers may not load unless told so.
NSPAWN = ("--register=no", "--keep-unit", "--console=pipe", "--capability=all", "--system-call-filter=bpf")
NSENTER = ("--mount", "--uts", "--ipc", "--pid")
HIDDEN = ("/home", "/root", "/tmp", "/run/user")
BOOT_S = 60.0


def interpreter(root: Path) -> str | None:
    """This interpreter, or the system's of the same version, where a service in a container can see it."""
    for path in (Path(sys.executable).resolve(), Path("/usr/bin/python3").resolve()):
        if any(path.is_relative_to(hidden) for hidden in HIDDEN):
            continue
        code = f"import sys; print(sys.version_info[:2] == {sys.version_info[:2]})"
        chroot = next(
            found for found in ("/usr/sbin/chroot", "/usr/bin/chroot", "/sbin/chroot") if Path(found).exists()
        )
        command = [chroot, root, path, "-I", "-c", code]
        if subprocess.run(command, capture_output=True, text=True, check=False).stdout == "True\n":
            return str(path)
    return None


class Containers:
    """Some roots, each with changes of its own, which are forgotten.

    Attributes
    ----------
    roots : Path
        Folder of the roots, by name.
    inits : Path
        Folder of files with the first process of each that is up, by name.
    """

    def __init__(self, folder: Path, packages: str) -> None:
        self.roots, self.inits = folder / "roots", folder / "inits"
        self._packages = packages
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.inits.mkdir()

    def boot(self, name: str) -> str | None:
        """Start a machine's systemd, without what this machine runs; return why that cannot be done here."""
        root = self.roots / name
        service = root / "etc/systemd/system/ecg-edge.service.d"
        service.mkdir(parents=True, exist_ok=True)
        (service / "packages.conf").write_text("[Service]\nEnvironment=PYTHONPATH=/opt/packages\n")
        with (self.roots.parent / f"{name}.log").open("wb") as log:
            words = ["-D", str(root), "-M", f"ecg-{name}-{os.getpid()}", f"--bind-ro={self._packages}:/opt/packages"]
            process = subprocess.Popen(
                ["systemd-nspawn", "--boot", *NSPAWN, *words, "systemd.unit=basic.target"],
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._running[name] = process
        until = time.monotonic() + BOOT_S
        while process.poll() is None and time.monotonic() < until:
            init = next(iter(psutil.Process(process.pid).children()), None)
            if init is not None and self._is_up(init.pid):
                (self.inits / name).write_text(str(init.pid))
                return None
            time.sleep(0.1)
        self.halt(name)
        return (self.roots.parent / f"{name}.log").read_text(errors="replace")[-300:]

    def _is_up(self, init: int) -> bool:
        command = ["nsenter", f"--target={init}", *NSENTER, "systemctl", "is-active", "basic.target"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def halt(self, name: str) -> None:
        """Take a machine's power away."""
        process = self._running.pop(name)
        # Its first process is no child that dies with the one that watches it.
        for inside in psutil.Process(process.pid).children():
            inside.kill()
        process.kill()
        process.wait()
        (self.inits / name).unlink(missing_ok=True)

    def close(self) -> None:
        for name in list(self._running):
            self.halt(name)


@contextmanager
def containers(folder: Path, names: tuple[str, ...], packages: str) -> Iterator[Containers]:
    if os.geteuid() != 0:
        pytest.skip("needs root for containers")
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("needs systemd-nspawn (Debian package systemd-container)")
    with ExitStack() as stack:

        def mount(where: Path, *words: str) -> None:
            where.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(["mount", *words, where], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"cannot mount here: {done.stderr.strip()}")
            stack.callback(subprocess.run, ["umount", "-l", where], check=True)

        mount(folder / "disk", "-t", "tmpfs", "-o", "size=700m", "tmpfs")
        for name in names:
            upper, work = folder / "disk" / name / "upper", folder / "disk" / name / "work"
            upper.mkdir(parents=True)
            work.mkdir()
            layers = f"lowerdir=/,upperdir={upper},workdir={work}"
            mount(folder / "roots" / name, "-t", "overlay", "-o", layers, "overlay")
        there = Containers(folder, packages)
        stack.callback(there.close)
        yield there
