"""The real service where the broker is against it: what it says, and that nothing is lost."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
import paho.mqtt.client as paho
import pytest
from broker import HOST, MOSQUITTO, Listener, Mosquitto, door, free_port
from paho.mqtt.enums import CallbackAPIVersion
from service_manager import Manager, configured, logged, service, stopped, waiting
from sinks_samples import MODEL, STREAM, an_alert

from benchmarks.hostile_broker import Manners, hostile_broker
from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.link import MqttLink
from edge.sinks.mqtt.sink import MqttSink
from edge.sinks.outbox.outbox import Outbox

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")

OUTBOX = "outbox-ecg-edge.sqlite"


def watch(manager: Manager, config: Path, state: Path, shown: str = "") -> str:
    """Watch without a broker until there are alerts; return what else was complained of. All wait, which is told."""
    log = state / "alerts.jsonl"
    with service(manager, "--config", config, "--alerts", log, STATE_DIRECTORY=str(state)) as process:
        logged(log)
        if shown:
            manager.wait_for("STATUS", text=shown)
        code, err = stopped(process)
    assert waiting(state / OUTBOX) == logged(log)
    left = f"{len(logged(log))} alert messages ("
    assert code == 1, err
    (told,) = (line for line in err.splitlines() if left in line)
    assert re.search(r"\([a-z, ]+\) were not acknowledged", told)
    assert f"they wait in {state / OUTBOX} for the next start" in told
    return err.replace(told, "")


@contextmanager
def swallows_everything() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def is_not_there() -> Iterator[int]:
    yield free_port()


@contextmanager
def lets_nobody_in() -> Iterator[int]:
    """A broker to which not even a connection is made: its queue of those who wait is full."""
    with socket.socket() as server, ExitStack() as waiting:
        server.bind((HOST, 0))
        server.listen(0)
        for _ in range(8):
            guest = waiting.enter_context(socket.socket())
            guest.setblocking(False)
            guest.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("broker", [swallows_everything, is_not_there, lets_nobody_in])
def test_stopped_while_it_looks_for_the_broker_nothing_is_lost(
    broker: Callable[[], AbstractContextManager[int]],
    manager: Manager,
    mosquitto: Mosquitto,
    fast_board: Path,
    tmp_path: Path,
) -> None:
    with broker() as port:
        watch(manager, configured(tmp_path, fast_board, f'url = "mqtt://{HOST}:{port}"'), tmp_path / "state")
    told = waiting(tmp_path / "state" / OUTBOX)
    listener = Listener(mosquitto.url)
    config = configured(tmp_path, fast_board, f'url = "{mosquitto.url}"')
    with service(manager, "--config", config, STATE_DIRECTORY=str(tmp_path / "state")) as process:
        listener.wait_for(lambda: len(listener.of("alerts")) >= len(told))
        code, err = stopped(process)
    assert code == 0, err
    heard = [(message.json["id"], message.json["phase"]) for message in listener.of("alerts")]
    assert heard[: len(told)] == told
    listener.close()


def test_a_watch_without_an_alert_that_reached_nobody_says_so(manager: Manager, board: Path, tmp_path: Path) -> None:
    arguments = ("--port", board, "--mqtt", f"mqtt://{HOST}:{free_port()}", "--json")
    with service(manager, *arguments, STATE_DIRECTORY=str(tmp_path)) as process:
        manager.wait_for("READY")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    (undelivered,) = msgspec.json.decode(out)["undelivered"]
    assert process.returncode == 1
    assert re.search(r"nothing was delivered \(.*cannot connect", undelivered)
    assert err.count("nothing was delivered") == 1


def test_a_watch_whose_broker_never_acknowledges_says_what_waits_where(
    manager: Manager, fast_board: Path, tmp_path: Path
) -> None:
    with hostile_broker(Manners(acknowledges=lambda _message, _mid: None)) as broker:
        config = configured(tmp_path, fast_board, f'url = "mqtt://{HOST}:{broker.port}"')
        err = watch(manager, config, tmp_path / "state")
    assert "nothing was delivered" not in err


def make_certificate(folder: Path, name: str, days: int) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    request, key, extra = folder / f"{name}.csr", folder / f"{name}.key", folder / f"{name}.ext"
    extra.write_text(f"subjectAltName=IP:{HOST}\nbasicConstraints=CA:TRUE\n")
    new = [openssl, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
    subprocess.run([*new, "-keyout", key, "-out", request], check=True, capture_output=True)
    sign = [openssl, "x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-extfile", extra]
    subprocess.run([*sign, "-out", folder / f"{name}.pem"], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("trusted", "said"),
    [("other", "its certificate is not trusted"), ("broker", "certificate has expired")],
)
def test_a_broker_that_cannot_be_trusted_is_told_and_the_watch_goes_on(
    trusted: str, said: str, manager: Manager, fast_board: Path, tmp_path: Path
) -> None:
    make_certificate(tmp_path, "broker", 2 if trusted == "other" else -1)
    make_certificate(tmp_path, "other", 2)
    tls = f"allow_anonymous true\ncertfile {tmp_path}/broker.pem\nkeyfile {tmp_path}/broker.key"
    with Mosquitto(tmp_path, tls).running() as broker:
        url = f'url = "mqtts://{HOST}:{broker.port}"\nca_file = "{tmp_path}/{trusted}.pem"'
        err = watch(manager, configured(tmp_path, fast_board, url), tmp_path / "state")
    assert err.count(said) == 1


def test_a_wrong_password_is_told_and_one_that_everybody_reads_too(
    manager: Manager, fast_board: Path, tmp_path: Path
) -> None:
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("needs mosquitto_passwd")
    subprocess.run([tool, "-c", "-b", tmp_path / "passwords", "bed", "right"], check=True)
    secret = tmp_path / "secret"
    secret.write_text("wrong-and-never-shown\n")
    secret.chmod(0o644)
    with Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {tmp_path}/passwords").running() as broker:
        mqtt = f'url = "{broker.url}"\nusername = "bed"\npassword_file = "{secret}"'
        # Whoever looks at the service sees why nothing arrives.
        shown = f"{broker.url}: broker refuses"
        err = watch(manager, configured(tmp_path, fast_board, mqtt), tmp_path / "state", shown)
    assert err.count("broker refuses the connection") == 1
    assert "check mqtt.username and mqtt.password_file" in err
    assert "can be read by everybody: chmod o-rwx" in err
    assert "never-shown" not in err


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_ten_megabytes_are_no_command(
    version: str, manager: Manager, mosquitto: Mosquitto, fast_board: Path, tmp_path: Path
) -> None:
    listener = Listener(mosquitto.url)
    sender = paho.Client(CallbackAPIVersion.VERSION2)
    sender.connect(HOST, mosquitto.port)
    sender.loop_start()
    config = configured(tmp_path, fast_board, f'url = "{mosquitto.url}"\nversion = "{version}"')
    with service(manager, "--config", config) as process:
        listener.wait_for(lambda: listener.of("vitals"))
        for payload in (b"x" * 10_000_000, b"[[" * 50_000, b'{"command": 7}', b'{"command": "snapshot"}'):
            sender.publish("ecg/v1/ecg-edge/command", payload, qos=1).wait_for_publish(20)
        listener.wait_for(lambda: [m for m in listener.of("command/answer") if m.json["ok"]])
        listener.wait_for(lambda: listener.of("snapshot"))
        assert stopped(process)[0] == 0
    refused = [str(message.json["reason"]) for message in listener.of("command/answer") if not message.json["ok"]]
    assert all(len(reason) <= 160 for reason in refused)
    # What is larger than this device takes, a broker of version 5 does not even send.
    assert any("10,000,000 bytes" in reason for reason in refused) == (version == "3.1.1")
    sender.disconnect()
    sender.loop_stop()
    listener.close()


@contextmanager
def answers(port: int, *packets: bytes) -> Iterator[threading.Event]:
    """Be a broker that answers a connection with these bytes and hangs up; yield what is set once it has."""
    done = threading.Event()
    with socket.create_server((HOST, port)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                for packet in packets:
                    connection.sendall(packet)
                connection.settimeout(5)
                with suppress(OSError):
                    while connection.recv(65536):
                        pass
            done.set()

        thread = threading.Thread(target=answer)
        thread.start()
        yield done
        thread.join()


# Version 5 throughout: "come in", and then what no broker says.
WELCOME = b"\x20\x03\x00\x00\x00"
NONSENSE = {
    "a topic that is no text": WELCOME + b"\x30\x06\x00\x02\xff\xfe\x00x",
    "a packet cut short": WELCOME + b"\x30\x01\x00",
    "a packet of no kind": WELCOME + b"\xf0\x02\x00\x00",
    "an acknowledgement of nothing": WELCOME + b"\x40\x02\xff\xff" + b"\x40\x00",
    "properties that are none": b"\x20\x06\x00\x00\x03\xff\xff\xff",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.mark.parametrize("packets", NONSENSE.values(), ids=NONSENSE)
def test_a_broker_that_talks_nonsense_is_left_and_tried_again(
    packets: bytes, mosquitto: Mosquitto, tmp_path: Path, said: list[str]
) -> None:
    port = free_port()
    box = Outbox(tmp_path / "outbox.sqlite")
    link = MqttLink(Broker(host=HOST, port=port), "ecg-edge", box)
    sink = MqttSink(link, device="ecg-edge", version="0", runtime="test", model=MODEL, outbox=box)
    with answers(port, packets) as done:
        sink.open(STREAM)
        sink.write(an_alert())
        assert done.wait(20)
    listener = Listener(mosquitto.url)
    with door(port, mosquitto.port):
        listener.wait_for(lambda: listener.of("alerts"))
        sink.close("stopped")
    listener.close()
    assert box.pending == 0
    assert all(len(line.splitlines()) == 1 for line in said)
    box.close()


@pytest.mark.parametrize("key", ["ca_file", "cert_file"])
def test_certificates_that_are_none_are_told_and_looked_at_again(key: str, tmp_path: Path, said: list[str]) -> None:
    make_certificate(tmp_path, "broker", 2)
    good, used = tmp_path / "broker.pem", tmp_path / "used.pem"
    used.write_text("garbage")
    tls = f"allow_anonymous true\ncertfile {good}\nkeyfile {tmp_path}/broker.key"
    with Mosquitto(tmp_path, tls).running() as broker:
        files = {"ca_file": good, "cert_file": good, "key_file": tmp_path / "broker.key"} | {key: used}
        box = Outbox(tmp_path / "outbox.sqlite")
        link = MqttLink(
            Broker(host=HOST, port=broker.port, tls=True, **files),
            "ecg-edge",
            box,
        )
        sink = MqttSink(link, device="ecg-edge", version="0", runtime="test", model=MODEL, outbox=box)
        sink.open(STREAM)
        sink.write(an_alert())
        wait_until(lambda: said)
        # Renewed while the service runs.
        shutil.copy(good, used)
        wait_until(lambda: box.pending == 0)
        sink.close("stopped")
        box.close()
    assert "certificates cannot be used" in said[0]
    assert said[0].endswith("check mqtt.ca_file, mqtt.cert_file and mqtt.key_file")
    assert said[1].endswith("connected")


def wait_until(true: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)
