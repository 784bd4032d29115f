"""The ward page in a real browser, with a real broker: what a nurse sees."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from broker import Mosquitto, free_port
from ward_devices import Devices

from edge.contract.commands import Acknowledge

Ward = tuple[object, Devices]


AXE = Path(__file__).with_name("vendor") / "axe.min.js"
DRAWN = """(() => {
    const c = document.querySelector("canvas");
    return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((value) => value > 0);
})()"""


def until(page, expression: str) -> None:
    """Wait until an expression is true; the page's own policy forbids the browser to do so by itself."""
    late = time.monotonic() + 15
    while not page.evaluate(expression):
        assert time.monotonic() < late, expression
        page.wait_for_timeout(50)


def tile(page, bed: str):
    return page.locator(".tile").filter(has=page.get_by_role("link", name=bed, exact=True))


def test_devices_appear_with_rate_leads_and_a_trace_that_moves(ward, open_page) -> None:
    server, _ = ward
    page = open_page(f"{server.url}/")
    until(page, "document.querySelectorAll('.tile').length === 3")
    until(page, "[...document.querySelectorAll('.bpm')].every(e => /^7\\d$/.test(e.textContent))")
    assert page.locator(".tile h2").all_inner_texts() == ["bed-1", "bed-2", "bed-10"]
    assert tile(page, "bed-1").locator(".leads").inner_text().split() == ["II", "good", "V1", "noisy"]
    canvas = tile(page, "bed-1").locator("canvas")
    until(page, DRAWN)
    before = canvas.evaluate("c => c.toDataURL()")
    page.wait_for_timeout(300)
    after = canvas.evaluate("c => c.toDataURL()")
    assert before != after


def test_a_trace_that_does_not_fit_is_drawn_smaller_and_says_so(ward, open_page) -> None:
    server, devices = ward
    page = open_page(f"{server.url}/")
    names = tile(page, "bed-1").locator(".names span")
    tile(page, "bed-1").wait_for()
    until(page, DRAWN)
    assert names.all_inner_texts() == ["II", "V1"]
    devices.times = 3.0
    try:
        until(page, "document.querySelector('.names span').textContent === 'II 5 mm/mV'")
        page.wait_for_timeout(2500)
        inside = "(() => { const c = document.querySelector('canvas'); const n = c.width; " + (
            "return !c.getContext('2d').getImageData(0, 0, n, 1).data.some((v) => v > 0); })()"
        )
        assert page.evaluate(inside), "the trace leaves its tile at the top"
    finally:
        devices.times = 1.0


def test_an_alert_shows_at_once_and_acknowledging_it_goes_to_the_device_and_to_every_other_browser(
    ward, open_page
) -> None:
    server, devices = ward
    first, second = open_page(f"{server.url}/"), open_page(f"{server.url}/")
    for page in (first, second):
        tile(page, "bed-2").wait_for()
    told = devices.raise_alert("bed-2")
    for page in (first, second):
        tile(page, "bed-2").get_by_text("!!! Ventricular tachycardia").wait_for()
        assert tile(page, "bed-2").get_attribute("data-priority") == "high"
        assert page.locator("#bar").inner_text().startswith("!!! bed-2: Ventricular tachycardia since")
        assert "high priority, bed-2 ventricular tachycardia" in page.locator("#announce").inner_text()
    first.evaluate("document.querySelector('.settings').open = true")
    first.fill("#station", "nurses' room")
    first.keyboard.press("Tab")
    first.get_by_role("button", name="Acknowledge ventricular tachycardia, bed-2").press("Enter")
    for page in (first, second):
        tile(page, "bed-2").get_by_text("nurses' room").wait_for()
        page.locator("#bar").wait_for(state="hidden")
        assert tile(page, "bed-2").get_attribute("data-seen") == "true"
    ((device, command),) = devices.commands
    assert device == "bed-2"
    assert isinstance(command, Acknowledge)
    assert (command.alert, command.by) == (told.id, "nurses' room")
    devices.end_alert(told)
    for page in (first, second):
        tile(page, "bed-2").locator(".alert").wait_for(state="detached")


def test_who_comes_late_or_reloads_sees_what_is_in_force(ward, open_page) -> None:
    server, devices = ward
    page = open_page(f"{server.url}/")
    tile(page, "bed-1").wait_for()
    devices.raise_alert("bed-1")
    devices.raise_alert("bed-10", "couplet", "low")
    tile(page, "bed-1").locator(".alert").wait_for()
    page.reload()
    late = open_page(f"{server.url}/")
    for each in (page, late):
        tile(each, "bed-1").get_by_text("!!! Ventricular tachycardia").wait_for()
        tile(each, "bed-1").get_by_text("168/min").wait_for()
        tile(each, "bed-10").get_by_text("! Couplet").wait_for()


def test_a_bed_that_falls_silent_greys_and_then_says_since_when_with_no_rate(ward, open_page) -> None:
    server, devices = ward
    page = open_page(f"{server.url}/")
    until(page, "[...document.querySelectorAll('.bpm')].filter(e => /\\d/.test(e.textContent)).length === 3")
    devices.silent.add("bed-1")
    page.locator(".tile.grey").filter(has=page.get_by_text("bed-1", exact=True)).wait_for()
    tile(page, "bed-1").locator(".cover").get_by_text("No data since").wait_for()
    assert tile(page, "bed-1").locator(".bpm").inner_text() == "--"
    assert tile(page, "bed-1").locator(".leads").inner_text() == ""
    tile(page, "bed-1").get_by_text("!! No data").wait_for()
    page.get_by_role("button", name="Acknowledge no data, bed-1").click()
    page.locator("#bar").wait_for(state="hidden")
    assert tile(page, "bed-2").get_attribute("data-state") == "online"
    devices.silent.clear()
    tile(page, "bed-1").locator(".bpm").get_by_text("7").wait_for()
    tile(page, "bed-1").locator(".alert").wait_for(state="detached")


def test_an_alert_of_a_device_that_fell_silent_is_acknowledged_here(ward, open_page) -> None:
    server, devices = ward
    page = open_page(f"{server.url}/")
    devices.raise_alert("bed-1")
    tile(page, "bed-1").locator(".alert").wait_for()
    devices.silent.add("bed-1")
    tile(page, "bed-1").locator(".cover").get_by_text("No data since").wait_for()
    page.get_by_role("button", name="Acknowledge ventricular tachycardia, bed-1").click()
    page.get_by_role("button", name="Acknowledge no data, bed-1").click()
    page.locator("#bar").wait_for(state="hidden")
    tile(page, "bed-1").get_by_text("the device has not been told").wait_for()
    assert not devices.commands


def test_a_broker_that_is_gone_shows_within_five_seconds_and_comes_back(
    mosquitto: Mosquitto, serve, open_page, request
) -> None:
    server = serve("--mqtt", mosquitto.url)
    devices = Devices(mosquitto.url, ["bed-1", "bed-2"])
    request.addfinalizer(devices.close)
    page = open_page(f"{server.url}/")
    tile(page, "bed-1").wait_for()
    mosquitto.stop()
    page.get_by_text("No connection to the broker since").wait_for(timeout=5000)
    until(page, "[...document.querySelectorAll('.bpm')].every(e => e.textContent === '--')")
    # One thing to tell, not one per bed.
    assert page.locator(".alert").count() == 0
    mosquitto.start()
    page.locator("#trouble").wait_for(state="hidden")
    until(page, "[...document.querySelectorAll('.bpm')].every(e => /\\d/.test(e.textContent))")


def test_a_server_that_is_gone_or_stands_still_shows_within_five_seconds_and_comes_back(
    mosquitto: Mosquitto, serve, open_page
) -> None:
    port = free_port()
    server = serve("--mqtt", mosquitto.url, port=port)
    with Devices(mosquitto.url, ["bed-1", "bed-2"]):
        page = open_page(f"{server.url}/")
        tile(page, "bed-1").wait_for()
        server.process.send_signal(19)  # SIGSTOP: it holds its connections and says nothing
        page.get_by_text("The server does not answer since").wait_for(timeout=5000)
        until(page, "[...document.querySelectorAll('.bpm')].every(e => e.textContent === '--')")
        server.kill()
        serve("--mqtt", mosquitto.url, port=port)
        page.locator("#trouble").wait_for(state="hidden")
        until(page, "[...document.querySelectorAll('.bpm')].every(e => /\\d/.test(e.textContent))")
        until(page, DRAWN)


def test_without_a_broker_the_page_says_how_to_give_one(serve, open_page) -> None:
    page = open_page(f"{serve().url}/")
    page.get_by_text("No broker was given: start with --mqtt URL").wait_for()


def test_an_alert_whose_device_does_not_know_it_is_not_shown_as_acknowledged(ward, open_page) -> None:
    server, devices = ward
    page = open_page(f"{server.url}/")
    devices.raise_alert("bed-1")
    tile(page, "bed-1").locator(".alert").wait_for()
    devices.forget("bed-1")
    page.get_by_role("button", name="Acknowledge ventricular tachycardia, bed-1").click()
    tile(page, "bed-1").get_by_text("Not acknowledged: no alert in force has this id").wait_for()


def test_on_a_phone_nothing_is_wider_than_the_screen(ward, open_page) -> None:
    server, devices = ward
    page = open_page(
        f"{server.url}/", viewport={"width": 360, "height": 740}, device_scale_factor=2, is_mobile=True, has_touch=True
    )
    devices.raise_alert("bed-1")
    tile(page, "bed-1").locator(".alert").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Acknowledge ventricular tachycardia, bed-1").tap()
    tile(page, "bed-1").get_by_text("seen").wait_for()
    page.goto(f"{server.url}/beds/bed-1")
    page.locator(".episode").get_by_text("Strip").first.click()
    until(page, "[...document.querySelectorAll('details[open] img')].some(i => i.complete && i.naturalWidth > 300)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_sound_is_never_told_to_be_on_when_it_is_not_and_off_and_paused_differ(ward, open_page) -> None:
    server, _ = ward
    page = open_page(f"{server.url}/")
    state = page.locator("#sound-state")
    state.get_by_text("Sound not started").wait_for()
    for button, text in (
        ("Sound on", "Sound on"),
        ("Pause 2 min", "Sound paused 2:00"),
        ("Sound off", "Sound off"),
        ("Alarms off", "Alarms off"),
    ):
        page.get_by_role("button", name=button).click()
        state.get_by_text(text).wait_for()
        assert page.locator(".sound [aria-pressed=true]").inner_text() == button


def test_a_page_a_bed_shows_its_hour_its_alerts_their_strips_and_keeps_what_is_said_of_them(ward, open_page) -> None:
    server, devices = ward
    over = devices.raise_alert("bed-2", "pause", "medium")
    page = open_page(f"{server.url}/")
    tile(page, "bed-2").locator(".alert").wait_for()
    devices.end_alert(over)
    devices.raise_alert("bed-2")
    tile(page, "bed-2").get_by_text("!!! Ventricular tachycardia").wait_for()
    page.get_by_role("link", name="bed-2", exact=True).click()
    page.locator("#trend canvas").wait_for()
    page.locator("#trend-text").get_by_text("/min").wait_for()
    until(page, DRAWN)
    latest = page.locator(".episode").filter(has_text="Ventricular tachycardia").first
    latest.get_by_text("Strip").click()
    until(page, "[...document.querySelectorAll('details[open] img')].some(i => i.complete && i.naturalWidth > 300)")
    latest.get_by_role("button", name="Not so").click()
    latest.get_by_text("not so, ward page").wait_for()
    page.reload()
    latest.get_by_text("not so, ward page").wait_for()
    page.locator(".episode").filter(has_text="Pause").get_by_text(" to ").first.wait_for()
    with page.expect_response("**/strip.svg") as answer:
        page.get_by_role("link", name="Last 10 s on paper").click()
    assert answer.value.status == 200


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_in_any_page(ward, open_page, theme: str) -> None:
    server, devices = ward
    devices.raise_alert("bed-1")
    devices.raise_alert("bed-2", "pause", "medium")
    page = open_page(f"{server.url}/")
    page.evaluate(f"localStorage.setItem('theme', '{theme}')")
    for path in ("/", "/beds/bed-1", "/analyses", "/login"):
        page.goto(f"{server.url}{path}")
        page.wait_for_timeout(700)
        page.evaluate(f"{AXE.read_text(encoding='utf-8')}; 0")
        found = page.evaluate("axe.run()")["violations"]
        assert not [(each["id"], [node["html"] for node in each["nodes"]]) for each in found], path


def test_with_less_motion_a_thick_frame_stands_for_flashing(ward, open_page) -> None:
    server, devices = ward
    devices.raise_alert("bed-1")
    flashing, still = open_page(f"{server.url}/"), open_page(f"{server.url}/", reduced_motion="reduce")
    seen = []
    for page in (flashing, still):
        tile(page, "bed-1").locator(".alert").wait_for()
        seen.append(
            tile(page, "bed-1").evaluate(
                "t => { const s = getComputedStyle(t, '::after'); return [s.animationName, s.borderTopWidth]; }"
            )
        )
    assert seen == [["frame", "5px"], ["none", "9px"]]
