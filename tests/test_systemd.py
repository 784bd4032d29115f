"""The unit, the rule and the example: judged by systemd's own tools, and booted where the machine allows it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from containers import NSPAWN, interpreter

from edge import config
from edge.sources.serial.ports import KNOWN_USB
from edge.tools.install import files_dir, install

REPO = Path(__file__).resolve().parent.parent
UNIT = files_dir() / "ecg-edge.service"
RULES = files_dir() / "70-ecg-edge.rules"
PROGRAM = Path("/opt/ecg-edge/bin/ecg-edge")
PACKAGES = PROGRAM.parent.parent / "packages"
MOST_EXPOSED = 2.0


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} (Debian package {'systemd-container' if name == 'systemd-nspawn' else 'systemd'})")
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/opt/ecg-edge/bin/ecg-edge", "/bin/true"))
    return path


def test_the_unit_is_understood(unit: Path) -> None:
    done = subprocess.run([tool("systemd-analyze"), "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_is_hardened(unit: Path) -> None:
    command = [tool("systemd-analyze"), "security", "--offline=yes", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for ecg-edge.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED


def test_the_example_is_a_configuration() -> None:
    example = files_dir() / "ecg-edge.toml"
    settings = config.load(example)
    assert (settings.sensor.port, settings.sensor.wait, settings.mqtt.url) == ("/dev/ecg", True, None)


def test_the_examples_comments_are_a_configuration_too(tmp_path: Path) -> None:
    text = re.sub(r"^# (\w+ = )", r"\1", (files_dir() / "ecg-edge.toml").read_text(), flags=re.M)
    whole = tmp_path / "whole.toml"
    whole.write_text(text)
    settings = config.load(whole)
    assert settings.mqtt.url == "mqtts://broker.example:8883"
    assert settings.mqtt.password_file == "mqtt-password"
    assert "LoadCredential=mqtt-password:" in UNIT.read_text()


def test_the_rule_knows_the_boards_that_devices_knows() -> None:
    vendors = {int(found, 16) for found in re.findall(r'^SUBSYSTEMS.*idVendor\}=="(\w+)"', RULES.read_text(), re.M)}
    assert vendors == {vendor for vendor, _ in KNOWN_USB}


def test_the_rule_is_understood() -> None:
    term = r'[A-Z_]+(\{\w+\})?(==|!=|\+=|=)"[^"]*"'
    lines = [line for line in RULES.read_text().splitlines() if line and not line.startswith("#")]
    for line in lines:
        assert re.fullmatch(rf"{term}(, {term})*", line), line
    udevadm = tool("udevadm")
    asked = subprocess.run([udevadm, "verify", "--help"], capture_output=True, check=False)
    if asked.returncode != 0:
        pytest.skip("needs udevadm verify (systemd 254)")
    subprocess.run([udevadm, "verify", RULES], check=True, capture_output=True)


PROBE = """
import errno, os, sys
wanted, refused = sys.argv[1].split(","), sys.argv[2].split(",")
for path in wanted:
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY))
    print("opened", path)
for path in refused:
    try:
        os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        print("OPENED", path)
    except OSError as error:
        print("refused", path, errno.errorcode[error.errno])
for path in ("/usr/x", "/etc/x", "/x"):
    try:
        open(path, "w")
        print("WROTE", path)
    except OSError as error:
        print("refused", path, errno.errorcode[error.errno])
open(os.environ["STATE_DIRECTORY"] + "/x", "w").write("mine")
print("credential", open(os.environ["CREDENTIALS_DIRECTORY"] + "/mqtt-password").read())
print("user", os.getuid() >= 61184, "home", os.access("/home", os.R_OK))
"""

CHECK = """#!/bin/sh
exec > /opt/ecg-edge/result 2>&1
for i in $(seq 150); do systemctl show ecg-edge -p StatusText | grep -q beats && break; sleep 0.2; done
systemctl --no-pager status ecg-edge board probe
echo ---
{program} service status; echo "code $?"
systemctl reload ecg-edge
for i in $(seq 50); do systemctl show ecg-edge -p ActiveState | grep -qx ActiveState=active && break; sleep 0.2; done
systemctl show ecg-edge -p ActiveState
cat /run/probe
systemctl stop ecg-edge; systemctl show ecg-edge -p Result -p ExecMainStatus -p ActiveState
systemctl poweroff
"""

BOARD = """[Service]
ExecStart={program} emulate /opt/ecg-edge/record/toy --link /run/ecg --speed 4
ExecStartPost=/bin/sh -c 'while ! test -e /run/ecg; do sleep 0.1; done; chmod 666 $(readlink /run/ecg)'
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """Root of a container that has all this machine has, and whose changes are forgotten."""
    tool("systemd-nspawn")
    if os.geteuid() != 0:
        pytest.skip("needs root to boot a container")
    with ExitStack() as stack:

        def mount(folder: Path, *arguments: str) -> None:
            folder.mkdir(exist_ok=True)
            done = subprocess.run(["mount", *arguments, folder], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"cannot mount here: {done.stderr.strip()}")
            stack.callback(subprocess.run, ["umount", "-l", folder], check=True)

        mount(tmp_path / "disk", "-t", "tmpfs", "-o", "size=256m", "tmpfs")
        upper, work, root = (tmp_path / "disk" / name for name in ("upper", "work", "root"))
        upper.mkdir()
        work.mkdir()
        mount(root, "-t", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", "overlay")
        yield root


def put_program(machine: Path) -> str:
    """Put this tree under /opt, as a command; return the interpreter that runs it."""
    lib = machine / "opt/ecg-edge/lib"
    for name in ("edge", "firmware_bridge", "models", "systemd"):
        shutil.copytree(REPO / name, lib / name)
    program = machine / PROGRAM.relative_to("/")
    program.parent.mkdir()
    python = interpreter(machine)
    if python is None:
        pytest.skip(f"needs a Python where a service can see it, not {sys.executable}")
    program.write_text(f'#!/bin/sh\nPYTHONPATH=/opt/ecg-edge/lib:{PACKAGES} exec {python} -m edge.cli.app "$@"\n')
    program.chmod(0o755)
    return python


def nodes(folder: Path) -> tuple[list[str], list[str]]:
    """Make nodes as udev does of the devices this machine has; return how they are bound, and those to be opened."""
    bound, wanted = [], []
    for path, group in (("/dev/ttyS0", "dialout"), ("/dev/video0", "video"), ("/dev/fuse", "dialout")):
        if not Path(path).exists():
            continue
        node = folder / Path(path).name
        os.mknod(node, stat.S_IFCHR | 0o660, Path(path).stat().st_rdev)
        shutil.chown(node, "root", group)
        node.chmod(0o660)
        bound.append(f"--bind={node}:{path}")
        wanted.append(path)
    return bound, [path for path in wanted if path != "/dev/fuse"] or ["/dev/null"]


def test_the_service_in_a_booted_machine(machine: Path, toy_record: Path) -> None:
    python = put_program(machine)
    install(machine, PROGRAM)
    units = machine / "etc/systemd/system"
    text = UNIT.read_text()
    (machine / "etc/ecg-edge/ecg-edge.toml").write_text('[sensor]\nport = "/run/ecg"\nwait = true\n')
    (machine / "etc/ecg-edge/mqtt-password").write_text("secret")
    home = machine / "opt/ecg-edge"
    shutil.copytree(toy_record.parent, home / "record")
    (units / "board.service").write_text(BOARD.format(program=PROGRAM))
    bound, ports = nodes(machine.parent)
    bound.append(f"--bind-ro={sysconfig.get_path('purelib')}:{PACKAGES}")
    (home / "probe.py").write_text(PROBE)
    command = f"ExecStart={python} /opt/ecg-edge/probe.py {','.join(ports)} /dev/fuse"
    probe = re.sub(r"ExecStart=.*", command, text)
    probe = re.sub(r"Type=.*|ExecReload=.*|WatchdogSec=.*|Restart=.*", "", probe).replace("%S/ecg-edge", "%S/probe")
    probe = probe.replace("StateDirectory=ecg-edge", "StateDirectory=probe")
    (units / "probe.service").write_text(
        probe.replace("[Service]", "[Service]\nType=oneshot\nStandardOutput=file:/run/probe")
    )
    (home / "check").write_text(CHECK.format(program=PROGRAM))
    (home / "check").chmod(0o755)
    (units / "check.service").write_text(
        "[Unit]\nAfter=probe.service multi-user.target\n[Service]\nExecStart=/opt/ecg-edge/check\n"
    )
    for name in ("board", "probe", "check"):
        link = units / "multi-user.target.wants" / f"{name}.service"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"../{name}.service")
    done = subprocess.run(
        ["systemd-nspawn", "--boot", "-D", machine, "-M", f"ecg-{os.getpid()}", *NSPAWN, *bound],
        env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    result = home / "result"
    if not result.exists():
        pytest.skip(f"containers do not boot here: {done.stderr[-300:]}")
    told = result.read_text()
    assert re.search(r"^active \(running\).*\nwatching emulated, 360 Hz, \d+ beats/min\ncode 0$", told, re.M), told
    assert "ActiveState=active" in told
    assert "Result=success\nExecMainStatus=0\nActiveState=inactive" in told, told
    for path in ports:
        assert f"opened {path}" in told, told
    assert "refused /dev/fuse EPERM" in told, told
    assert "WROTE" not in told
    assert "OPENED" not in told
    assert "credential secret" in told
    assert "user True home False" in told
