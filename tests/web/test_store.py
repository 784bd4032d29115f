"""The history and its queue, in both databases for real."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from postgresql import cluster

from edge.errors import EcgEdgeError
from edge.triage.questionnaire import Questionnaire
from edge.web.analyses.store import Asked, FullError, Store, new_id
from edge.web.database import connect, sqlite_url
from edge.web.ward.reviews import Reviews

ASKED = Asked(file="record.hea", fs_hz=250.0, leads=("II", "V1"), questionnaire=Questionnaire(pain_now="yes"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path_factory.mktemp("sqlite"))
        return
    with cluster() as server:
        yield server.url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    engine = connect(url)
    store = Store(engine, most_queued=5)
    for analysis in store.newest(1000):
        store.finish(analysis.id)
        store.delete(analysis.id)
    yield store
    engine.dispose()


def add(store: Store, name: str = "a.csv") -> str:
    return store.add(new_id(), name, ASKED).id


def test_what_was_put_in_comes_out_after_a_restart(store: Store, url: str) -> None:
    analysis_id = add(store, "<b>Ω</b>.csv")
    engine = connect(url)
    found = Store(engine).get(analysis_id)
    assert found is not None
    assert (found.name, found.status, found.asked) == ("<b>Ω</b>.csv", "queued", ASKED)
    engine.dispose()


def test_the_oldest_comes_first_and_each_once_however_many_take(store: Store) -> None:
    ids = [add(store) for _ in range(5)]
    assert [analysis.id for analysis in store.newest(10)] == ids[::-1]
    taken = [store.begin_next() for _ in range(5)]
    assert [analysis.id for analysis in taken if analysis] == ids
    assert store.begin_next() is None
    assert store.counts()["running"] == 5


def test_only_so_many_wait_also_when_they_come_at_once(store: Store) -> None:
    refused: list[FullError] = []

    def put() -> None:
        try:
            add(store)
        except FullError as error:
            refused.append(error)

    threads = [threading.Thread(target=put) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.counts()["queued"] == 5
    assert len(refused) == 7
    numbers = [analysis.number for analysis in store.newest(10)]
    assert len(set(numbers)) == 5


def test_what_was_interrupted_is_done_again_and_given_up_the_second_time(store: Store) -> None:
    analysis_id = add(store)
    store.begin_next()
    store.recover()
    found = store.get(analysis_id)
    assert found is not None
    assert found.status == "queued"
    store.begin_next()
    store.recover()
    found = store.get(analysis_id)
    assert found is not None
    assert (found.status, found.reason) == ("failed", "the server ended during it, twice")


def test_a_restart_on_purpose_is_no_attempt(store: Store) -> None:
    analysis_id = add(store)
    for _ in range(5):
        store.begin_next()
        store.put_back(analysis_id)
    found = store.get(analysis_id)
    assert found is not None
    assert (found.status, found.attempts) == ("queued", 0)


def test_only_the_newest_that_are_over_are_kept_and_what_runs_is_not_deleted(store: Store) -> None:
    ids = [add(store) for _ in range(4)]
    for analysis_id in ids[:3]:
        store.begin_next()
        store.finish(analysis_id, "broken" if analysis_id == ids[0] else None)
    assert store.oldest_beyond(1) == [ids[1], ids[0]]
    store.begin_next()
    assert not store.delete(ids[3])
    assert store.delete(ids[0])
    assert store.get(ids[0]) is None


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u@h/d", "sqlite:////nowhere/at/all.sqlite", "postgresql://u:secret@127.0.0.1:1/x"]
)
def test_a_database_that_cannot_be_used_is_one_line_without_its_password(url: str) -> None:
    with pytest.raises(EcgEdgeError) as caught:
        connect(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_was_said_of_an_alert_is_kept_and_the_last_word_holds(url: str) -> None:
    engine = connect(url)
    reviews = Reviews(engine)
    reviews.note("bed-1", "a1", "false", "ward page")
    reviews.note("bed-1", "a1", "confirmed", "Dr Ω")
    reviews.note("bed-2", "a1", "seen", "desk")
    engine.dispose()
    again = connect(url)
    found = Reviews(again).of("bed-1", ["a1", "a2"])
    assert {key: (review.verdict, review.by) for key, review in found.items()} == {"a1": ("confirmed", "Dr Ω")}
    again.dispose()
