"""What ``due`` says is what then happens, as long as nobody completes a survey in between."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from study_home import DEV
from texting import Texting, texting
from typed import typed

from redcap_jobs.messaging.text_names import occurrence_words
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.store import Store
from redcap_jobs.state.text_lists import last_attempts

DAYS = 6


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Texting]:
    with texting(tmp_path, participants=200) as made:
        yield made


def due(study: Texting, *more: str) -> list[dict[str, str]]:
    done = typed(study, "due", study.home.study, "--output", "csv", *more)
    assert (done.code, done.err) == (0, ""), done
    return list(csv.DictReader(io.StringIO(done.out)))


def test_what_is_foretold_is_what_is_sent(study: Texting) -> None:
    """Each day's invitations and reminders, for six days of runs; nothing is sent by asking."""
    foretold = due(study, "--days", str(DAYS))
    assert study.accepted == []
    texts = {(row["day"], row["record"], row["message"], row["what"]) for row in foretold}
    start = study.clock.now()
    for day in range(DAYS):
        study.clock.pass_by(start + timedelta(days=day) - study.clock.now())
        study.run()
        study.clock.pass_by(timedelta(minutes=30))
        study.run("poll-messages")
    project = ProjectKey(study.home.sandbox.url, 3041, "production")
    zone = ZoneInfo("America/Los_Angeles")
    with Store.open(study.home.state_url) as store:
        sent = {
            (
                str(entry.last_sign.astimezone(zone).date()),
                entry.record,
                entry.message,
                occurrence_words(entry.occurrence),
            )
            for entry in last_attempts(store, project)
            if entry.state == "sent"
        }
    assert {row for row in texts if row[3] not in ("waits", "lapses")} == sent
    assert len({row[0] for row in sent}) > 1, "texts on one day only would prove little"


def test_what_lapses_is_told_with_its_reason(study: Texting) -> None:
    """Whoever is stopped until it is too late: on the last day on which it could have gone out."""
    first = due(study, "--days", "1")[0]
    assert first["what"] != "lapses"
    typed(study, "messages", "stop", study.home.study, first["record"], "--reason", "asked")
    later = due(study, "--days", "40")
    (lapse,) = [
        row
        for row in later
        if (row["record"], row["message"], row["what"])
        == (first["record"], first["message"], "lapses")
    ]
    assert lapse["why"] == "stopped: asked"
    assert lapse["day"] > first["day"]


def test_what_a_limit_keeps_back_waits_for_a_later_day(study: Texting) -> None:
    """So many in a day, as runs then send them; a run that would be refused is told, with the way.

    Whoever is texted today has had the phone's texts for today.
    """
    all_of_today = [row for row in due(study, "--days", "1") if row["segments"]]
    study.home.edit_study("per_day = 1000", "per_day = 2")
    study.home.edit_study("per_run = 500", "per_run = 1")
    done = typed(study, "due", study.home.study, "--output", "csv", "--days", "3")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    days = [row["day"] for row in rows if row["segments"]]
    today = days[0]
    assert max(days.count(day) for day in days) == 2
    late = [row for row in rows if (row["day"], row["what"]) == (today, "waits")]
    assert len(late) == len(all_of_today) - 2 > 0
    assert {row["why"] for row in late} == {"waits its turn: the study has had its texts for today"}
    assert f"{today}: {len(late)} texts wait for a later day, [messages] per_day is 2" in done.err
    assert f"{today}: {len(all_of_today)} texts are due at once" in done.err
    assert f"--allow texts={len(all_of_today)}" in done.err
    study.run(allow={"texts": 99})
    assert len(study.accepted) == 2
    again = typed(study, "due", study.home.study, "--output", "csv", "--days", "1").out
    assert not [row for row in csv.DictReader(io.StringIO(again)) if row["segments"]]


def test_a_phone_that_has_had_its_text_today_waits(study: Texting) -> None:
    """Asked again by a person, it is due and waits for tomorrow: both are said."""
    study.run()
    project = ProjectKey(study.home.sandbox.url, 3041, "production")
    with Store.open(study.home.state_url) as store:
        first = last_attempts(store, project)[0]
    words = ("--kind", first.message, "--reason", "phone was off")
    assert typed(study, "messages", "resend", study.home.study, first.record, *words).code == 0
    rows = [row for row in due(study, "--days", "2") if row["record"] == first.record]
    assert [(row["day"], row["what"]) for row in rows] == [
        ("2026-11-25", "resend 1"),
        ("2026-11-24", "waits"),
    ]
    assert "this phone has had its texts" in rows[1]["why"]


def test_a_pause_shifts_what_is_due(study: Texting) -> None:
    """Nothing on the days of the pause; on the day after it what is due then."""
    before = {row["record"] for row in due(study, "--days", "1") if row["what"] != "lapses"}
    typed(study, "pause", study.home.study, "--until", "2026-11-25", "--reason", "a wrong link")
    days = {row["day"]: row["record"] for row in due(study, "--days", "3") if row["segments"]}
    assert before
    assert set(days) == {"2026-11-26"}


def test_for_people_it_is_a_table_without_private_things(study: Texting) -> None:
    """Record ids, kinds and counts; the development copy is asked for by its token."""
    shown = typed(study, "due", study.home.study).out
    assert "Texts by day" in shown
    assert "in 7 days" in shown
    study.run()
    for text in study.accepted:
        assert text.to not in shown
    assert typed(study, "due", study.home.study, "--token", DEV).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--days", "0"), "1<=x<=60"),
        (("--token", "REDCAP_API_NONE"), "declares no such project"),
    ],
)
def test_bad_words_ask_nobody(study: Texting, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2 and no request."""
    done = typed(study, "due", study.home.study, *arguments)
    assert done.code == 2
    assert words in done.err
    assert not study.home.sandbox.requests
