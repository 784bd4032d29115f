"""Uploads over the API, with the server as users start it: what comes in, what becomes of it, what is refused."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from command import write_record
from front_end import ecg
from web_server import Server, serving

API = "/api/v1/analyses"
PART = b"--x\r\nContent-Disposition: form-data; name=file; filename=a.csv\r\n\r\n"
HTML_NAME = '<img src=x onerror="alert(1)">.csv'


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_record(tmp_path_factory.mktemp("record"), "mine", ecg(20.0)[0])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ExitStack() as running:
        yield serving(running, "--data", tmp_path_factory.mktemp("data"), "--max-upload-mb", "4")


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


def pair(record: Path, name: str = "mine") -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", (f"{name}{suffix}", record.with_suffix(suffix).read_bytes())) for suffix in (".hea", ".dat")]


def ended(client: httpx.Client, where: str) -> dict[str, object]:
    for _ in range(600):
        told = client.get(where).json()
        if told["status"] in ("done", "failed"):
            return told
        time.sleep(0.1)
    raise AssertionError(told)


def test_a_record_is_taken_analysed_and_told(client: httpx.Client, record: Path) -> None:
    answer = client.post(API, files=pair(record))
    assert answer.status_code == 202
    assert answer.json()["status"] == "queued"
    assert answer.headers["location"] == answer.json()["links"]["self"]
    done = ended(client, answer.headers["location"])
    assert done["status"] == "done", done["reason"]
    assert done["name"] == "mine.hea"
    assert done["findings"]["subject"]["name"] == "mine"
    assert done["findings"]["burden"]["beats"] == pytest.approx(24, abs=2)
    report = client.get(done["links"]["report"])
    assert "ECG report, mine" in report.text
    assert "sandbox" in report.headers["content-security-policy"]
    begins = {"report_pdf": b"%PDF", "fhir": b"{", "edf": b"0  ", "csv": b"time", "dicom": bytes(128) + b"DICM"}
    for key, head in begins.items():
        assert client.get(done["links"][key]).content.startswith(head), key
    assert client.get(done["links"]["findings"]).json() == done["findings"]
    assert done["id"] in [each["id"] for each in client.get(API).json()]
    assert client.delete(done["links"]["self"]).status_code == 204
    assert client.get(done["links"]["self"]).status_code == 404
    assert client.get(done["links"]["report"]).status_code == 404


def test_answers_give_a_triage_note_that_is_in_the_report_and_is_gone_with_the_analysis(
    client: httpx.Client, record: Path
) -> None:
    answers = {"questionnaire": '{"pain_now": "yes", "symptoms": {"palpitations": "no"}}'}
    done = ended(client, client.post(API, files=pair(record), data=answers).headers["location"])
    assert done["triage"]["urgency"] == "now"
    assert done["triage"]["considered"][0]["name"] == "acute_coronary"
    assert client.get(done["links"]["triage"]).json() == done["triage"]
    report = client.get(done["links"]["report"]).text
    assert "Acute coronary syndrome" in report
    assert "Byrne et al." in report
    assert "Full disclosure" not in report
    every = [*pair(record), ("full_disclosure", (None, b"true"))]
    without = ended(client, client.post(API, files=every).headers["location"])
    assert "Full disclosure" in client.get(without["links"]["report"]).text
    assert without["triage"] is None
    assert without["links"]["triage"] is None
    assert client.delete(done["links"]["self"]).status_code == 204
    assert client.get(done["links"]["triage"]).status_code == 404


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("file", ("a.exe", b"MZ"))], "not a kind of file that is read"),
        ([("file", ("a.zip", b"PK\x03\x04"))], "not a kind of file that is read"),
        ([("file", ("a.csv", b""))], "empty"),
        ([("file", ("a.hea", b"a 1 360 10\na.dat 16\n"))], "together"),
        ([("file", ("a.csv", b"1")), ("file", ("b.csv", b"1"))], "no one recording"),
        ([("file", ("a.hea", b"a 1 360 10\nother.dat 16\n")), ("file", ("a.dat", b"00"))], "not uploaded"),
        ([("file", ("a.hea", b"a/2 1 360 10\na 5\nb 5\n")), ("file", ("a.dat", b"00"))], "several segments"),
        ([("file", ("a.csv", b"1")), ("fs_hz", (None, b"fast"))], "samples a second"),
        ([("file", ("a.csv", b"1")), ("unit", (None, b"furlong"))], "is not known"),
        ([("file", ("a.csv", b"1")), ("full_disclosure", (None, b"perhaps"))], "true or false"),
        ([("file", ("a.csv", b"1")), ("questionnaire", (None, b"["))], "questionnaire"),
        ([("file", ("a.csv", b"1")), ("questionnaire", (None, b'{"pain_now": "a bit"}'))], "yes, no or unknown"),
        ([("fs_hz", (None, b"360"))], "there is no file"),
    ],
)
def test_what_is_no_recording_is_refused_with_what_is_needed(client: httpx.Client, files, said: str) -> None:
    answer = client.post(API, files=files)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_what_turns_out_to_be_damaged_fails_with_its_reason_and_its_own_name(client: httpx.Client) -> None:
    answer = client.post(API, files=[("file", (HTML_NAME, b"<script>alert(1)</script>\n"))])
    assert answer.status_code == 202
    failed = ended(client, answer.headers["location"])
    assert failed["status"] == "failed"
    assert failed["reason"]
    assert "upload.csv" not in failed["reason"]
    assert "/in/" not in failed["reason"]
    for page in (f"/analyses/{failed['id']}", "/analyses"):
        text = client.get(page).text
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


def bomb() -> bytes:
    """A NumPy archive of some bytes that says it holds 800 GB."""
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) + 1) + head + b"\n" + bytes(1000)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ecg.npy", array)
    return out.getvalue()


@pytest.mark.parametrize(("name", "content"), [("a.npz", bomb()), ("a.npz", b"PK\x03\x04"), ("a.edf", b"0" * 300)])
def test_a_file_that_would_fill_the_memory_or_is_none_fails_and_the_next_is_analysed(
    client: httpx.Client, record: Path, name: str, content: bytes
) -> None:
    where = [client.post(API, files=each).headers["location"] for each in ([("file", (name, content))], pair(record))]
    failed, done = (ended(client, each) for each in where)
    assert failed["status"] == "failed"
    assert name in failed["reason"]
    assert done["status"] == "done"


@pytest.mark.parametrize("name", ["../../etc/passwd.csv", "/etc/cron.d/x.csv", "..\\..\\x.csv", "a\x00b.csv", ".csv"])
def test_no_name_of_a_client_is_a_path_here(client: httpx.Client, name: str, tmp_path: Path) -> None:
    before = set(Path("/etc").iterdir())
    answer = client.post(API, files=[("file", (name, b"hello"))])
    assert answer.status_code in (202, 400)
    if answer.status_code == 202:
        assert "/" not in answer.json()["name"]
        assert "\\" not in answer.json()["name"]
    assert set(Path("/etc").iterdir()) == before


def test_a_long_name_keeps_its_end(client: httpx.Client) -> None:
    answer = client.post(API, files=[("file", ("é" * 300 + ".csv", b"hello"))])
    assert answer.status_code == 202
    name = answer.json()["name"]
    assert len(name) == 100
    assert name.endswith("….csv")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(client: httpx.Client, server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        head = f"POST {API} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        raw.sendall(f"{head}Content-Length: 2000000000\r\n\r\n".encode())
        assert b" 413 " in raw.recv(4096)
    # One that does not say how large it is.
    answer = client.post(
        API,
        headers={"Content-Type": "multipart/form-data; boundary=x"},
        content=(
            b"--x\r\nContent-Disposition: form-data; name=file; filename=a.csv\r\n\r\n" + b"1" * 2_000_000
            for _ in range(5)
        ),
    )
    assert answer.status_code == 413
    assert "4 MB" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["application/json", "text/html", "application/x-www-form-urlencoded", ""])
def test_only_a_form_with_files_is_taken(client: httpx.Client, kind: str) -> None:
    assert client.post(API, content=b"{}", headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\n", b"\r\n--x--\r\n", b"--x\r\nContent-Disposition: a\r\n\r\nx"]
)
def test_a_form_that_is_none_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post(API, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400


def test_another_site_can_neither_upload_nor_open_a_socket_nor_point_its_name_here(client: httpx.Client) -> None:
    foreign = {"Origin": "https://evil.example"}
    assert client.post(API, files=[("file", ("a.csv", b"1"))], headers=foreign).status_code == 403
    assert (
        client.post(API, files=[("file", ("a.csv", b"1"))], headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    )
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert client.get("/ward/waves", headers=foreign | upgrade | key).status_code == 403


def test_every_answer_carries_the_security_headers(client: httpx.Client) -> None:
    for path in ("/", "/analyses", API, "/static/ward.js", "/openapi.json", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_two_hundred_at_once_are_all_answered(tmp_path: Path) -> None:
    with ExitStack() as running:
        server = serving(running, "--data", tmp_path)
        answers: list[int] = []

        def upload() -> None:
            with httpx.Client(base_url=server.url, timeout=120) as client:
                files = [("file", ("a.csv", b"hello"))]
                answers.extend(client.post(API, files=files).status_code for _ in range(10))

        threads = [threading.Thread(target=upload) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 300
        assert set(answers) == {202, 503}
        assert answers.count(202) >= 256


def test_what_waits_survives_a_server_that_is_killed(tmp_path: Path, record: Path) -> None:
    with ExitStack() as running:
        first = serving(running, "--data", tmp_path)
        with httpx.Client(base_url=first.url, timeout=60) as client:
            where = [client.post(API, files=pair(record)).headers["location"] for _ in range(2)]
        first.kill()
        second = serving(running, "--data", tmp_path)
        with httpx.Client(base_url=second.url, timeout=60) as client:
            assert [ended(client, each)["status"] for each in where] == ["done", "done"]
