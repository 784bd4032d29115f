"""Records in an object store: a real S3 server, and what may be wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from archive import archive, table
from broker import HOST, free_port
from command import Run
from numpy.typing import NDArray
from small_disk import small_disk

moto_server = pytest.importorskip("moto.server", reason="needs moto, for its S3 server")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an S3 server, with what finds it in the environment."""
    port = free_port()
    server = moto_server.ThreadedMotoServer(ip_address=HOST, port=port, verbose=False)
    server.start()
    for key, value in {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(key, value)
    yield f"http://{HOST}:{port}"
    server.stop()


def put(url: str, folder: Path, bucket: str) -> None:
    import boto3

    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket=bucket)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.put_object(Bucket=bucket, Key=str(path.relative_to(folder)), Body=path.read_bytes())
    client.close()


def test_records_of_a_bucket(ecg_edge: Run, s3: str, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    archive(tmp_path / "local", toy_ecg, ["a/1", "a/2", "b/1"])
    (tmp_path / "local/b/2.hea").write_text("2/2 1 360 7200\n2_0001 3600\n2_0002 3600\n")
    archive(tmp_path / "local/b", toy_ecg, ["2_0001", "2_0002"])
    (tmp_path / "local/b/3.hea").write_text("3 1 360 3600\n../secret.dat 16 1000/mV\n")
    put(s3, tmp_path / "local", "holters")
    far, near = tmp_path / "far", tmp_path / "near"
    words = ("--workers", "1", "--annotations", "--json")
    done = ecg_edge("fleet", "replay", "s3://holters", "--out", far, *words)
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] == 4, done.stderr
    rows = table(far, "summary").to_pylist()
    assert [row["record"] for row in rows] == [f"s3://holters/{name}" for name in ("a/1", "a/2", "b/1", "b/2", "b/3")]
    assert "is not in the record's folder" in rows[-1]["reason"]
    ecg_edge("fleet", "replay", tmp_path / "local", "--out", near, *words)
    for name in ("beats", "vitals", "episodes"):
        assert table(far, name).drop_columns("record") == table(near, name).drop_columns("record")
    assert (far / "annotations/b/2.edge").read_bytes() == (near / "annotations/b/2.edge").read_bytes()


def test_a_disk_that_is_full_where_a_record_is_fetched_is_its_row(
    ecg_edge: Run, s3: str, toy_ecg: NDArray[np.float32], tmp_path: Path
) -> None:
    archive(tmp_path / "local", toy_ecg, ["short"])
    archive(tmp_path / "local", toy_ecg, ["long"], seconds=200)
    put(s3, tmp_path / "local", "archive")
    words = ("fleet", "replay", "s3://archive", "--out", tmp_path / "out", "--workers", "1")
    with small_disk(tmp_path / "disk", "64k") as disk:
        done = ecg_edge(*words, TMPDIR=str(disk))
        assert not any(disk.iterdir())
    assert done.returncode == 1
    rows = {row["name"]: row for row in table(tmp_path / "out", "summary").to_pylist()}
    assert rows["short"]["status"] == "ok"
    assert rows["long"]["reason"] == "long.dat cannot be fetched, No space left on device"
    assert ecg_edge(*words, "--retry-failed").returncode == 0


def test_a_store_that_cannot_be_reached_is_one_line(ecg_edge: Run, tmp_path: Path) -> None:
    away = f"http://{HOST}:{free_port()}"
    env = {"AWS_ENDPOINT_URL": away, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1"}
    done = ecg_edge("fleet", "replay", "s3://holters", "--out", tmp_path / "out", **env)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "s3://holters: cannot be listed" in done.stderr
