"""Who may look: passwords, sessions, limits; with the server as users start it."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from broker import own_certificate
from command import Run
from web_server import Server, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from edge.errors import ConfigError
from edge.web.access import COOKIE, LASTS_S, Access, hashed, read_password, secret_of
from edge.web.limits import RateLimit

PASSWORD = "correct horse µ ☃"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("access")
    (folder / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with ExitStack() as running:
        arguments = ("--host", "0.0.0.0", "--password-file", folder / "password", "--data", folder / "data")
        server = serving(running, *arguments)
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/analyses", "/analyses/" + "0" * 32, "/beds/x"])
def test_a_page_leads_to_the_log_in_and_back(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")
    form = client.get(answer.headers["location"])
    assert f'name="next" value="{path}"' in form.text
    answer = client.post("/login", data={"password": PASSWORD, "next": path})
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get("/session").status_code == 204
    client.post("/logout")
    assert client.get("/session").status_code == 401


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/api/v1/analyses", "/ward/events", "/openapi.json", "/metrics", "/session", "/ward/waves", "/nothing"]
)
def test_nothing_is_told_to_who_has_not_logged_in(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    # A browser is not asked to open a window of its own.
    assert "www-authenticate" not in client.request(method, path, headers={"Sec-Fetch-Site": "same-origin"}).headers


def test_a_socket_is_opened_only_to_who_has_logged_in(server: Server) -> None:
    url = server.url.replace("http", "ws") + "/ward/waves"
    with pytest.raises(InvalidStatus) as refused:
        connect(url)
    assert refused.value.response.status_code == 403
    word = base64.b64encode(f"ward:{PASSWORD}".encode()).decode()
    with connect(url, additional_headers={"Authorization": f"Basic {word}"}) as socket, pytest.raises(ConnectionClosed):
        socket.recv(timeout=10)  # it does not know the server's run


def test_a_program_says_the_password_with_each_request(client: httpx.Client) -> None:
    assert client.get("/api/v1/analyses", auth=("anybody", PASSWORD)).json() == []
    assert client.get("/api/v1/analyses", auth=("anybody", "wrong password")).status_code == 401
    for header in ("Basic", "Basic !", "Bearer x", "Basic " + base64.b64encode(b"\xff").decode()):
        assert client.get("/api/v1/analyses", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a?b"]
)
def test_nobody_is_led_elsewhere_by_the_log_in(client: httpx.Client, target: str) -> None:
    answer = client.post("/login", data={"password": PASSWORD, "next": target})
    assert answer.headers.get("location", "/") == "/"


def test_guessing_is_slowed_down(folder: Path) -> None:
    with ExitStack() as running:
        server = serving(running, "--password-file", folder / "password", "--data", folder / "other")
        with httpx.Client(base_url=server.url, timeout=60) as client:
            codes: list[int] = []
            while len(codes) < 60 and codes[-1:] != [429]:
                codes.append(client.post("/login", data={"password": f"guess {len(codes)}"}).status_code)
    assert codes[:5] == [401] * 5
    assert codes[-1] == 429


def test_a_session_outlives_a_restart_and_not_its_time_nor_another_password(tmp_path: Path) -> None:
    secret = secret_of(tmp_path)
    assert secret_of(tmp_path) == secret
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
    session = Access(PASSWORD, secret).session(now_s=1000)
    again = Access(PASSWORD, secret)
    assert again.remaining_s(session, now_s=1000) == LASTS_S
    assert again.remaining_s(session, now_s=1000 + LASTS_S + 1) == 0
    assert Access("another one", secret).remaining_s(session, now_s=1000) == 0
    assert Access(PASSWORD, b"x" * 32).remaining_s(session, now_s=1000) == 0
    later = str(int(session.split(".")[0]) + 10**6)
    for forged in ("", ".", "x", session[:-1], session + "0", later + session[len(later) :], "é.é.é"):
        assert again.remaining_s(forged, now_s=1000) == 0


def test_a_screen_on_a_wall_is_not_logged_out(client: httpx.Client, folder: Path) -> None:
    access = Access(PASSWORD, secret_of(folder / "data"))
    old = access.session(now_s=time.time() - LASTS_S + 60)
    renewed = client.get("/session", headers={"Cookie": f"{COOKIE}={old}"}).cookies[COOKIE]
    assert access.remaining_s(renewed) > LASTS_S - 60
    assert COOKIE not in client.get("/session", headers={"Cookie": f"{COOKIE}={access.session()}"}).cookies
    over = access.session(now_s=time.time() - LASTS_S - 60)
    assert client.get("/session", headers={"Cookie": f"{COOKIE}={over}"}).status_code == 401


def test_a_hash_serves_as_well_as_the_password(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(hashed(PASSWORD))
    access = Access(read_password(path), b"secret")
    assert access.is_password(PASSWORD)
    assert not access.is_password(path.read_text())


@pytest.mark.parametrize("content", [None, b"", b"short", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe"])
def test_a_password_that_cannot_be_used_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError):
        read_password(path)


def test_others_are_let_look_only_with_a_password(ecg_edge: Run) -> None:
    done = ecg_edge("web", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2
    assert "--password-file" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_over_https_the_cookie_is_for_https_alone(folder: Path, tmp_path: Path) -> None:
    key, certificate = own_certificate(tmp_path)
    with ExitStack() as running:
        tls = ("--tls-cert", certificate, "--tls-key", key)
        server = serving(running, "--password-file", folder / "password", "--data", tmp_path / "data", *tls)
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=server.url, verify=context) as client:
            answer = client.post("/login", data={"password": PASSWORD})
            assert answer.status_code == 303
            assert "Secure" in answer.headers["set-cookie"]
            assert COOKIE in client.cookies
            assert client.get("/analyses").status_code == 200


def test_a_bucket_fills_again() -> None:
    limit = RateLimit(3, 2)
    assert [limit.wait_s("a", 0) for _ in range(3)] == [0, 0, 0]
    assert limit.wait_s("a", 0) == pytest.approx(0.5)
    assert limit.wait_s("b", 0) == 0
    assert limit.wait_s("a", 0.5) == 0
    assert limit.wait_s("a", 0.5) > 0
    for n in range(20_000):
        limit.wait_s(str(n), time.monotonic())
    assert len(limit._left) <= 10_000
