"""The configuration: everything wrong is named, nothing unknown is passed over."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Config, load
from edge.errors import ConfigError
from edge.sinks.mqtt.settings import address


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load(path)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    assert (config.device.id, config.model.name, config.mqtt.url, config.mqtt.waveform) == (
        "ecg-edge",
        "cnn",
        None,
        False,
    )


def test_what_a_file_says_holds(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        '[device]\nid = "bed-3"\n[model]\nname = "lstm"\n[mqtt]\nurl = "mqtts://broker"\nversion = "3.1.1"\n'
        "[rhythm]\ntachycardia_bpm = 120\n[alarms]\nhold_s = 5\n",
    )
    assert (config.device.id, config.model.name, config.mqtt.url) == ("bed-3", "lstm", "mqtts://broker")
    assert (config.rhythm.tachycardia_bpm, config.alarms.hold_s) == (120, 5)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("[modle]\n", "modle", "no such key"),
        ("[model]\nnane = 'cnn'\n", "model.nane", "no such key"),
        ("[alarms.priority]\nvtt = 'high'\n", "alarms.priority.vtt", "no such key"),
        ("[model]\nname = 'forest'\n", "model.name", "forest"),
        ("[model]\nname = 3\n", "model.name", "takes text, not a whole number"),
        ("[device]\nid = 'Mrs Jones'\n", "device.id", "letters, digits"),
        ("[device]\nid = ''\n", "device.id", "1 to 64"),
        ("[mqtt]\nurl = 'localhost'\n", "mqtt.url", "mqtt://host"),
        ("[mqtt]\npassword = 'secret'\n", "mqtt.password", "no such key"),
        ("[mqtt]\nversion = '4'\n", "mqtt.version", "4"),
        ("[rhythm]\nbradycardia_bpm = 4000\n", "rhythm.bradycardia_bpm", "15 to 100"),
        ("[rhythm]\npause_s = 10\n", "rhythm.pause_s", "asystole_s"),
        ("[recorder]\nhours = 0\n", "recorder.hours", "1 to 8784"),
        ("[recorder]\nmax_mb = nan\n", "recorder.max_mb", "10 to 1e+06"),
        ("[recorder]\nsegment_min = 61\n", "recorder.segment_min", "1 to 60"),
        ("[recorder]\nfolder = '../etc'\n", "recorder.folder", "letters, digits"),
        ("[recorder]\nminutes = 5\n", "recorder.minutes", "no such key"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, key: str, reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    assert error.value.key == key
    assert reason in error.value.reason
    assert str(error.value).startswith(f"config {tmp_path / 'config.toml'}: {key}: ")


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("[modle]\n", {"device", "model", "mqtt", "sensor"}),
        ("[model]\nnane = 'cnn'\n", {"name"}),
        ("[model]\nname = 'forest'\n", {"cnn", "lstm"}),
        ("[alarms.priority]\nvt = 'loud'\n", {"high", "medium", "low", "off"}),
        ("[mqtt]\nversion = '4'\n", {"auto", "5", "3.1.1"}),
        ("[sensor]\nformat = 'morse'\n", {"auto", "native", "cyton"}),
        ("sensor = 3\n", {"port", "baud"}),
    ],
)
def test_what_could_stand_there_is_said(tmp_path: Path, text: str, choices: set[str]) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    assert choices <= set(error.value.choices)


def test_every_key_of_another_kind_is_named_with_what_it_takes(tmp_path: Path) -> None:
    for section, keys in msgspec.to_builtins(Config()).items():
        for key in keys:
            with pytest.raises(ConfigError) as error:
                loaded(tmp_path, f"[{section}]\n{key} = 1979-05-27T07:32:00Z\n")
            assert error.value.key == f"{section}.{key}"
            assert " takes " in str(error.value)


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "bom.toml").write_bytes(b'\xef\xbb\xbf[device]\nid = "bed-3"\n')
    assert load(tmp_path / "bom.toml").device.id == "bed-3"


def test_paths_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/pi")
    config = loaded(
        tmp_path,
        '[mqtt]\npassword_file = "~/secret"\nca_file = "ca~1.pem"\n[outbox]\npath = "~/box"\n'
        '[sensor]\nport = "~/ttyECG"\n',
    )
    assert (config.mqtt.password_file, config.mqtt.ca_file) == ("/home/pi/secret", "ca~1.pem")
    assert (config.outbox.path, config.sensor.port) == ("/home/pi/box", "/home/pi/ttyECG")
    with pytest.raises(ConfigError, match="home of nobody"):
        loaded(tmp_path, '[outbox]\npath = "~nosuchuser/box"\n')


def test_a_file_that_is_not_toml_or_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml: not TOML"):
        loaded(tmp_path, "[model\n")
    with pytest.raises(ConfigError, match=r"nosuch\.toml: No such file"):
        load(tmp_path / "nosuch.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bytes\.toml"):
        load(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://localhost", ("localhost", 1883, False)),
        ("mqtt://localhost:1884/", ("localhost", 1884, False)),
        ("mqtts://broker.example", ("broker.example", 8883, True)),
        ("mqtt://[::1]:99", ("::1", 99, False)),
    ],
)
def test_addresses(url: str, expected: tuple[str, int, bool]) -> None:
    assert address(url) == expected


@pytest.mark.parametrize("url", ["mqtt://user@host", "mqtt://user:secret@host", "mqtt://user:secret@host:port"])
def test_an_address_with_a_login_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"mqtt\.url") as error:
        address(url)
    assert "secret" not in str(error.value)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_clear_error(text: str) -> None:
    for url in (text, f"mqtt://{text}"):
        try:
            host, port, _ = address(url)
        except ValueError as error:
            assert "mqtt.url" in str(error)
        else:
            assert host
            assert 0 < port < 65_536
