"""Texts under kill -9, lost answers and late lists: never twice, and nobody forgotten.

Judged at the other side: by what the sandbox's Twilio accepted. Fifty disturbed runs; with
REDCAP_JOBS_LONG_TESTS=1 five hundred. ``-rP`` shows the table of what happened.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from tests.debian import lacking
from tests.state.postgres import binaries, running_server
from text_chaos import (
    LATE_ANSWER,
    ChaosStudy,
    Hurt,
    at_most_once,
    chaos_study,
    everybody_has_theirs,
    logged_once,
)
from texting import MIDDAY

from redcap_jobs.errors import StateError
from redcap_jobs.jobs import survey_due
from redcap_jobs.state.journal import Journal
from redcap_jobs.state.throttle import Throttle

LONG = bool(os.environ.get("REDCAP_JOBS_LONG_TESTS"))
RUNS_PER_ROUND = 6
EPISODES = 42 if LONG else 4
PEOPLE = 14
STEPS = (
    "step action claimed",
    "step posting",
    "step posted",
    "step claimed",
    "step import",
    "step import done",
    "step decided",
)
TEXT_FAULTS = (
    "twilio-drop",
    "twilio-drop",
    "twilio-5xx-after",
    "twilio-timeout",
    "twilio-cut-json",
    "twilio-429",
    "twilio-503",
    "twilio-refuse-drop",
)
"""Those after which nobody knows are drawn more often than those that are known not to count."""
KILLED = ("at ", "between ")
REDCAP_FAULTS = ("504", "html-200", "cut-json", "cut-connection", "empty-500", "memory-200")


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what runs keep for an account in this test's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))


def drawn_hurt(random: Random) -> Hurt:
    """Draw how a run dies, if it does."""
    kind = random.choice(["step", "step", "border", "border", "border", "flight", "time", "none"])
    if kind == "step":
        return Hurt(step=random.choice(STEPS[:3] * 2 + STEPS), nth=random.randint(1, 3))
    if kind == "border":
        return Hurt(border=random.randint(1, 70))
    if kind == "flight":
        return Hurt(in_flight=random.randint(1, 3))
    if kind == "time":
        return Hurt(after_seconds=random.uniform(0.05, 0.45))
    return Hurt()


def switch_faults_on(study: ChaosStudy, random: Random, hurt: Hurt) -> None:
    """Draw what is wrong with Twilio and REDCap during one run."""
    sandbox = study.sandbox
    if hurt.in_flight:
        sandbox.fault("twilio-timeout", rate=1.0, seconds=3.0 if hurt.in_flight == 1 else 0.2)
        return
    for fault in random.sample(TEXT_FAULTS, k=random.choice([0, 1, 1, 2])):
        sandbox.fault(fault, rate=random.choice([0.1, 0.2, 0.5]), seconds=LATE_ANSWER)
    if random.random() < 0.4:
        seconds = random.choice([60.0, 900.0, 1800.0])
        sandbox.fault("twilio-list-lag", rate=1.0, seconds=seconds)
    if random.random() < 0.2:
        sandbox.fault("twilio-out-of-order", rate=0.5)
    if random.random() < 0.2:
        sandbox.fault("twilio-drop", rate=0.5, action="list")
    if random.random() < 0.2:
        fault, action = random.choice(REDCAP_FAULTS), random.choice(["export", "import"])
        after = action == "import" and random.random() < 0.5
        sandbox.fault(fault, rate=0.3, content="record", action=action, after=after)


def disturbed_run(study: ChaosStudy, random: Random) -> None:
    """Let one run of send-surveys suffer, at times beside one of poll-messages."""
    hurt = drawn_hurt(random)
    if random.random() < 0.05:
        fill_twilios_queue(study)
        study.counted["Twilio's queue is full for hours"] += 1
    switch_faults_on(study, random, hurt)
    children = [study.start("send-surveys", hurt)]
    if random.random() < 0.25:
        children.append(study.start("poll-messages", drawn_hurt(random)))
    study.see_to_its_end(children)
    study.counted["runs"] += len(children)
    study.sandbox.no_faults()
    count_faults(study)
    at_most_once(study)
    study.unknown()
    study.clock.pass_by(timedelta(seconds=random.choice([1, 30, 300, 600])))


def fill_twilios_queue(study: ChaosStudy) -> None:
    """Let the number have so much to send that what comes now lapses before its turn."""
    board = study.sandbox.twilio
    (number,) = board.account.numbers
    board.queue(number, board.now() + 35_900, 1)


def count_faults(study: ChaosStudy) -> None:
    """Count the faults that struck, for the table."""
    struck = (f"fault {one.fault}" for one in study.sandbox.twilio_requests if one.fault)
    study.counted.update(struck)
    study.sandbox.forget_requests()


def until_nothing_changes(study: ChaosStudy) -> None:
    """Run both jobs undisturbed, some minutes apart, until neither changes anything."""
    before = None
    for _ in range(12):
        for job in ("poll-messages", "send-surveys"):
            outcome = study.run(job)
            assert outcome.state in ("done", "partial"), outcome
            study.clock.pass_by(timedelta(minutes=20))
        entries = sorted((one.key, one.attempt, one.version) for one in study.entries())
        now = (len(study.sandbox.twilio.accepted()), entries)
        if now == before:
            return
        before = now
    raise AssertionError("it never comes to rest")


def suffer(study: ChaosStudy, random: Random) -> None:
    """Live through an invitation and a reminder, each with runs that die and then some that do not.

    The reminder is due three days after the invitation, for whom that lapsed in Twilio's queue and
    went out the next morning a day later.
    """
    for day, reminder in ((0, False), (3, True)):
        study.clock.pass_until(MIDDAY + timedelta(days=day))
        for _ in range(RUNS_PER_ROUND):
            disturbed_run(study, random)
        until_nothing_changes(study)
        study.clock.pass_until(MIDDAY + timedelta(days=day + 1))
        until_nothing_changes(study)
        at_most_once(study)
        everybody_has_theirs(study, reminder=reminder)
        logged_once(study)
    found = {(one.key, one.attempt) for one in study.entries() if one.state != "unknown"}
    study.counted["texts accepted"] += len(study.sandbox.twilio.accepted())
    study.counted["attempts whose answer was lost"] += len(study.ever_unknown)
    study.counted["of these found again"] += len(study.ever_unknown & found)
    study.counted["of these for a person to settle"] += len(study.ever_unknown - found)


def episodes(folder: Path, count: int, new_state: Callable[[], str], first: int) -> Counter[str]:
    """Live through so many studies, one after the other, and count what happened."""
    counted: Counter[str] = Counter()
    for seed in range(first, first + count):
        home = folder / str(seed)
        home.mkdir()
        with chaos_study(home, PEOPLE, new_state()) as study:
            try:
                suffer(study, Random(seed))  # noqa: S311 - repeatable bad luck, no secret
            except AssertionError as error:
                error.add_note(f"in the study of seed {seed}")
                raise
        counted += study.counted
    for name, number in sorted(counted.items()):
        sys.stdout.write(f"{number:6}  {name}\n")
    return counted


def test_no_text_goes_out_twice_and_nobody_is_forgotten(tmp_path: Path) -> None:
    """Killed anywhere, answers lost anyhow: at most one accepted POST per text; all get theirs."""
    counted = episodes(tmp_path, EPISODES, lambda: "", first=1)
    assert counted["runs"] >= EPISODES * RUNS_PER_ROUND * 2
    killed = sum(number for name, number in counted.items() if name.startswith(KILLED))
    assert killed >= counted["runs"] / 4, "hardly any run was killed"
    assert counted["of these found again"] >= EPISODES, "hardly any answer was lost"
    assert counted["of these for a person to settle"] > 0, "no run died before its post"


def test_the_same_on_postgresql(tmp_path: Path) -> None:
    """The other database, the same promises."""
    try:
        binaries()
    except FileNotFoundError as error:
        lacking(str(error))
    with running_server() as server:
        episodes(tmp_path, max(EPISODES // 7, 1), server.new_database, first=1001)


def test_the_judge_would_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that lets every key be claimed again texts somebody twice, and is found out."""
    monkeypatch.setattr(Journal, "_is_claimable", lambda *_: True)
    monkeypatch.setattr(survey_due, "_blocked", lambda happened, is_over: None)
    monkeypatch.setattr(survey_due.Attempt, "is_free", True)
    with chaos_study(tmp_path, PEOPLE) as study:
        study.sandbox.fault("twilio-drop", times=2)
        study.see_to_its_end([study.start("send-surveys", Hurt())])
        study.clock.pass_by(timedelta(days=1))
        study.see_to_its_end([study.start("send-surveys", Hurt())])
        with pytest.raises(AssertionError, match="went out twice"):
            at_most_once(study)


def test_a_lost_lease_leaves_nothing_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run took the sending number over just before a post: known as not sent, sent later."""
    begin = Throttle.begin
    lost = iter([True])

    def begin_or_not(throttle: Throttle, units: int) -> float:
        if next(lost, False):
            raise StateError("the sender's lease was taken over by another run")
        return begin(throttle, units)

    monkeypatch.setattr(Throttle, "begin", begin_or_not)
    with chaos_study(tmp_path, 3) as study:
        study.run("send-surveys")
        assert study.sandbox.twilio.accepted() == []
        assert [(one.state, one.not_sent) for one in study.entries()] == [("rejected", True)]
        until_nothing_changes(study)
        everybody_has_theirs(study, reminder=False)
