"""Secrets: found among systemd's credentials or in files, never shown, and complained of where everybody reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from broker import HOST, Mosquitto, own_certificate

from edge.errors import ConfigError, SinkError
from edge.service import credentials, wiring
from edge.sinks.mqtt.link import MqttLink
from edge.sinks.mqtt.settings import Mqtt


def test_a_bare_name_is_a_systemd_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mqtt-password").write_text("right\n")
    (tmp_path / "other").write_text("left\n")
    mqtt = Mqtt(url="mqtt://broker")
    assert credentials.password(mqtt) is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credentials.password(mqtt) == "right"
    assert credentials.password(Mqtt(url="mqtt://broker", password_file="other")) == "left"
    assert wiring.broker(mqtt).password == "right"


def test_outside_the_service_a_credential_is_the_file_it_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "_SOURCE", tmp_path)
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    named = Mqtt(url="mqtt://broker", password_file="mqtt-password")
    with pytest.raises(ConfigError, match=r"mqtt\.password_file: mqtt-password cannot be read"):
        credentials.password(named)
    (tmp_path / "mqtt-password").write_text("right\n")
    assert credentials.password(named) == "right"
    # Whoever does not ask for the service's password is not given it.
    assert credentials.password(Mqtt(url="mqtt://broker")) is None


def test_an_empty_password_without_a_name_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mosquitto: Mosquitto
) -> None:
    (tmp_path / "mqtt-password").touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for version in ("5", "3.1.1"):
        publisher = MqttLink(wiring.broker(Mqtt(url=mosquitto.url, version=version)), "x")  # type: ignore[arg-type]
        publisher.connect(None)
        publisher.close()


def test_a_secret_that_is_none_is_complained_of(tmp_path: Path) -> None:
    secret, key = tmp_path / "password", tmp_path / "key.pem"
    for path in (secret, key):
        path.write_text("hush")
        path.chmod(0o644)
    mqtt = Mqtt(url="mqtts://broker", password_file=str(secret), cert_file=str(key), key_file=str(key))
    lines = credentials.exposed(mqtt)
    assert [line.split(":")[0] for line in lines] == ["config mqtt.password_file", "config mqtt.key_file"]
    assert not any("hush" in line for line in lines)
    secret.chmod(0o600)
    key.chmod(0o640)
    assert credentials.exposed(mqtt) == []


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for key in ("ca_file", "cert_file"):
        with pytest.raises(ConfigError, match=rf"mqtt\.{key}: .*nowhere is not there"):
            wiring.broker(Mqtt(url="mqtts://broker", **{key: str(tmp_path / "nowhere")}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"mqtt\.key_file needs mqtt\.cert_file"):
        Mqtt(url="mqtts://broker", key_file="x")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves the refused socket open
def test_a_broker_that_asks_for_a_certificate_gets_it(tmp_path: Path) -> None:
    key, certificate = own_certificate(tmp_path)
    files = f"certfile {certificate}\nkeyfile {key}\ncafile {certificate}"
    settings = f"allow_anonymous true\n{files}\nrequire_certificate true"
    with Mosquitto(tmp_path, settings).running() as broker:
        url = f"mqtts://{HOST}:{broker.port}"
        mine = {"cert_file": str(certificate), "key_file": str(key)}
        publisher = MqttLink(wiring.broker(Mqtt(url=url, ca_file=str(certificate), **mine)), "x")  # type: ignore[arg-type]
        publisher.connect(None)
        publisher.close()
        with pytest.raises(SinkError):
            MqttLink(wiring.broker(Mqtt(url=url, ca_file=str(certificate))), "x").connect(None)
