"""Uploading in a real browser: from a dropped file to its report, and what is wrong with one that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command import write_record
from front_end import ecg
from web_server import Server, serving

NAME = "<img src=x onerror=alert(1)>.csv"
DROP = """([name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name));
    document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ExitStack() as running:
        yield serving(running, "--data", tmp_path_factory.mktemp("data"), "--max-upload-mb", "1")


def test_a_record_is_chosen_sent_followed_and_its_report_shown_with_the_answers_weighed(
    server: Server, open_page, tmp_path: Path
) -> None:
    record = write_record(tmp_path, "mine", ecg(20.0)[0])
    page = open_page(f"{server.url}/analyses")
    page.set_input_files("#file", [record.with_suffix(".hea"), record.with_suffix(".dat")])
    page.get_by_text("mine.hea (0.0 MB), mine.dat").wait_for()
    page.get_by_text("Questions, for a triage note").click()
    page.get_by_role("radiogroup", name="Chest pain now").get_by_label("yes").check()
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("heading", name="mine.hea").wait_for()
    report = page.frame_locator("iframe.report")
    report.get_by_role("heading", name="ECG report, mine").wait_for(timeout=60_000)
    report.get_by_role("heading", name="Acute coronary syndrome").wait_for()
    assert page.get_by_role("link", name="Report (PDF)").get_attribute("download") == "report.pdf"
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="History").wait_for()
    assert page.get_by_role("link", name="mine.hea").count() == 0


def test_a_dropped_file_whose_name_is_a_script_runs_nothing_and_fails_with_its_reason(
    server: Server, open_page
) -> None:
    page = open_page(f"{server.url}/analyses")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.evaluate(DROP, [NAME, "<html><script>alert(2)</script></html>"])
    page.get_by_text(f"{NAME} (0.0 MB)").wait_for()
    page.get_by_role("button", name="Analyse").click()
    page.get_by_text("Not analysed.").wait_for(timeout=60_000)
    assert page.get_by_role("heading", level=1).inner_text() == NAME
    page.goto(f"{server.url}/analyses")
    page.get_by_role("link", name=NAME).wait_for()
    assert page.locator("main img").count() == 0
    assert not asked


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [("a.csv", 2_000_000, "2 MB are more than the 1 MB"), ("a.exe", 10, "not a kind of file"), ("a.csv", 0, "empty")],
)
def test_what_cannot_be_taken_is_said_beside_the_form(
    server: Server, open_page, name: str, size: int, said: str
) -> None:
    page = open_page(f"{server.url}/analyses")
    page.evaluate(DROP, [name, "1" * size])
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("alert").get_by_text(said).wait_for()
    assert page.get_by_role("button", name="Analyse").is_enabled()


def test_on_a_phone_the_form_is_no_wider_than_the_screen(server: Server, open_page) -> None:
    page = open_page(f"{server.url}/analyses", viewport={"width": 360, "height": 740}, is_mobile=True)
    page.get_by_text("Questions, for a triage note").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
