"""The last look before a text goes out, on the clock that everybody lives by, and its one POST."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.state.conftest import StillClock

from redcap_jobs.couriers import NothingMore
from redcap_jobs.errors import StateError
from redcap_jobs.messaging.courier import TextCourier
from redcap_jobs.messaging.twilio_answers import TwilioUnreachable
from redcap_jobs.plan import Action, Posted, Stands, Text, Withhold
from redcap_jobs.state.scope import ProjectKey
from redcap_jobs.state.stops import Stop, hindrance, say
from redcap_jobs.state.store import Store
from redcap_jobs.study.config import Study

CHICAGO = ZoneInfo("America/Chicago")
PROJECT = ProjectKey("https://redcap.example.edu/api/", 3041, "production")
PHONE, ANOTHER = "+12025550123", "+12025550124"
STUDY = Study.model_validate(
    tomllib.loads("""
format = 1
pauses = [{ from = 2026-12-24, until = 2026-12-26, why = "holidays" }]
[study]
id = "small"
name = "Small"
time_zone = "America/New_York"
[redcap]
url = "https://redcap.example.edu/api/"
[redcap.projects.REDCAP_API_SMALL]
project_id = 3041
role = "production"
in_production = true
[messages]
hours = "09:00-20:00"
per_phone_per_day = 2
per_day = 300
""")
)


def monday(clock: str) -> datetime:
    """Return the UTC instant of a time on Monday, 23 November, in Chicago."""
    return datetime.fromisoformat(f"2026-11-23T{clock}").replace(tzinfo=CHICAGO).astimezone(UTC)


NOON = monday("12:00")
TEXT = Text(
    "k1", "1001", "text", PHONE, "Hi Ana", 2, "m2-survey", "0", "America/Chicago", monday("23:59")
)


def keyed(text: str, kind: str) -> str:
    return f"hash of the {kind} {text[-2:]}"


@dataclass
class Replies:
    """Stands in for the watch: when the replies were read last, and how often."""

    clock: StillClock
    read_at: datetime = NOON
    reads: int = 0
    broken: bool = False
    stuck: datetime | None = None
    lost: str = ""
    learnt: Callable[[], str] = lambda: ""
    looks: list[str] = field(default_factory=list)

    def replies_are_fresh(self, within: timedelta) -> bool:
        return self.clock.now() - self.read_at <= within

    def read_replies(self, seen: object) -> None:
        if self.broken:
            raise TwilioUnreachable("Twilio answered HTTP 503")
        self.read_at, self.reads = self.stuck or self.clock.now(), self.reads + 1

    def comes_to_nothing(self) -> str:
        return self.lost

    def look_up(self, seen: object) -> None:
        self.looks.append("look")
        self.lost = self.learnt()

    def follow(self) -> None:
        self.looks.append("wait")
        self.lost = self.learnt()


@dataclass
class Sender:
    """Stands in for Twilio: what it was asked, in order, and what it says."""

    answer: Posted = field(default_factory=lambda: Posted("sent", "SM1"))
    asked: list[object] = field(default_factory=list)
    sender_hash: str = "hash of the sender"

    def number_hashes(self) -> tuple[str, ...]:
        return ("n1", "n2")

    def verify(self) -> None:
        self.asked.append("verify")

    def send(self, to: str, body: str, validity: timedelta) -> Posted:
        self.asked.append((to, body, validity))
        return self.answer


@dataclass
class Pace:
    """Stands in for the throttle: how long a turn is waited for, and what its commit does."""

    clock: StillClock
    sender: Sender
    wait: timedelta = timedelta(0)
    commit: Callable[[], None] = lambda: None
    units: list[int] = field(default_factory=list)
    shared: tuple[str, ...] = ()

    def share(self, names: Sequence[str]) -> None:
        self.shared = tuple(names)

    @contextmanager
    def slot(self, units: int) -> Iterator[Pace]:
        self.units.append(units)
        self.clock.sleep(self.wait)
        yield self

    def posting(self) -> None:
        self.commit()
        self.sender.asked.append("slot is on disk")


@dataclass
class Desk:
    """A courier and everything around it."""

    courier: TextCourier
    clock: StillClock
    store: Store
    replies: Replies
    sender: Sender
    pace: Pace

    def verdict(self, text: Text = TEXT) -> str:
        """Take a turn; return why the text is withheld, '' where it may go out."""
        with self.courier.turn(text) as verdict:
            assert isinstance(verdict, Stands | Withhold)
            return verdict.reason if isinstance(verdict, Withhold) else ""

    def post(self, text: Text = TEXT) -> Posted:
        with self.courier.turn(text):
            return self.courier.post(text)


def desk_of(store: Store, clock: StillClock, only_to: frozenset[str] | None = None) -> Desk:
    replies, sender = Replies(clock), Sender()
    pace = Pace(clock, sender)
    assert STUDY.messages is not None
    around = (store, sender, pace, replies, keyed, clock, only_to)
    courier = TextCourier(STUDY, STUDY.messages, PROJECT, "send-surveys", *around)  # type: ignore[arg-type] - stand-ins
    return Desk(courier, clock, store, replies, sender, pace)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = StillClock()
    clock.time = NOON
    with Store.create(f"sqlite:///{tmp_path}/state.db", clock=clock) as store:
        yield desk_of(store, clock)


def at(desk: Desk, instant: datetime) -> Desk:
    """Move the clock; replies were read a moment ago."""
    desk.clock.time = desk.replies.read_at = instant
    return desk


def test_the_journal_is_told_hashes_and_both_caps(desk: Desk) -> None:
    """Per phone since midnight where the recipient is, per day since midnight of the study."""
    intent, caps = desk.courier.intent(TEXT)
    assert PHONE not in repr(intent)
    assert "Ana" not in repr(intent)
    assert (intent.key, intent.units, intent.sender) == ("k1", 2, "hash of the sender")
    assert (intent.phone_hash, intent.body_hash) == ("hash of the phone 23", "hash of the body na")
    told = [(cap.limit, cap.per, cap.since) for cap in caps]
    midnight = datetime(2026, 11, 23, tzinfo=CHICAGO)
    of_study = datetime(2026, 11, 23, tzinfo=ZoneInfo("America/New_York"))
    assert told == [(2, ("phone_hash",), midnight), (300, ("project",), of_study)]


def test_a_development_run_may_text_its_one_phone_more_often(desk: Desk) -> None:
    """All its texts go to the same phone: only the cap of the day counts."""
    made_up = desk_of(desk.store, desk.clock, frozenset({PHONE}))
    _, caps = made_up.courier.intent(TEXT)
    assert [cap.per for cap in caps] == [("project",)]


@pytest.mark.parametrize(
    ("clock", "goes_out"),
    [
        ("08:59:59", False),
        ("09:00", True),
        ("19:54", True),
        ("19:54:01", False),
        ("20:00", False),
        ("23:00", False),
    ],
)
def test_only_within_the_hours_and_not_near_their_end(
    desk: Desk, clock: str, goes_out: bool
) -> None:
    """It lapses at Twilio a minute before the close; with less than five minutes it stays here."""
    assert ("sending hours" in at(desk, monday(clock)).verdict()) is not goes_out


def test_the_hours_are_the_recipients(desk: Desk) -> None:
    """Noon in Chicago is eight in Honolulu."""
    assert "sending hours" in desk.verdict(replace(TEXT, zone="Pacific/Honolulu"))


@pytest.mark.parametrize(
    ("minutes", "reason"), [(0, "too late"), (-1, "too late"), (5.9, "near to their end"), (6, "")]
)
def test_nothing_goes_out_that_would_be_late(desk: Desk, minutes: float, reason: str) -> None:
    """At its latest instant it is too late; shortly before, it might wait in Twilio's queue."""
    found = desk.verdict(replace(TEXT, latest=NOON + timedelta(minutes=minutes)))
    assert (reason in found) if reason else found == ""


@pytest.mark.parametrize(("day", "paused"), [(23, False), (24, True), (26, True), (27, False)])
def test_pauses_of_the_study_file_hold_from_first_to_last_day(
    desk: Desk, day: int, paused: bool
) -> None:
    """Counted by the recipient's calendar, both days included."""
    instant = datetime(2026, 12, day, 18, tzinfo=UTC)
    found = at(desk, instant).verdict(replace(TEXT, latest=None))
    assert (found == f"paused until {date(2026, 12, 26)}: holidays") is paused


@pytest.mark.parametrize(
    ("scope", "subject"),
    [("phone", "hash of the phone 23"), ("record", "1001"), ("study", "")],
)
def test_a_stop_counts_up_to_the_last_moment(desk: Desk, scope: str, subject: str) -> None:
    """Said while the text waits for its turn, it holds; another's word does not."""
    say(desk.store, "small", Stop("phone", "hash of the phone 24", "stopped", "reply"))
    assert desk.verdict() == ""
    said = Stop(scope, subject, "stopped", "person", "asked")  # type: ignore[arg-type] - a scope
    say(desk.store, "small", said)
    assert desk.verdict() == f"{scope} stopped: asked"


def test_a_development_run_reaches_its_recipients_only(desk: Desk) -> None:
    """The last of several walls: whatever was planned, no other phone is texted."""
    made_up = desk_of(desk.store, desk.clock, frozenset({ANOTHER}))
    assert "development recipients only" in made_up.verdict()
    assert made_up.verdict(replace(TEXT, to=ANOTHER)) == ""


def test_the_clock_is_looked_at_after_the_wait(desk: Desk) -> None:
    """A turn that comes after the hours is no turn."""
    at(desk, monday("19:50")).pace.wait = timedelta(minutes=5)
    assert "sending hours" in desk.verdict()
    assert desk.pace.units == [2], "as long as its segments take"


def test_replies_are_read_again_before_they_are_old(desk: Desk) -> None:
    """After ten minutes they are read again; the sender is verified once for all."""
    desk.clock.sleep(timedelta(minutes=10))
    assert desk.verdict() == ""
    assert desk.replies.reads == 0
    desk.clock.sleep(timedelta(seconds=1))
    assert desk.verdict() == ""
    assert desk.replies.reads == 1
    assert desk.sender.asked == ["verify"]


@pytest.mark.parametrize(("minutes", "reads"), [(10, 0), (10.1, 1), (60, 1)])
def test_replies_are_read_again_after_a_long_wait(desk: Desk, minutes: float, reads: int) -> None:
    """A study may leave an hour between two texts: a STOP that came meanwhile counts."""
    desk.pace.wait = timedelta(minutes=minutes)
    assert desk.verdict() == ""
    assert desk.replies.reads == reads


@pytest.mark.parametrize(("minutes", "stops"), [(0, True), (11, True), (10, False)])
def test_nothing_is_sent_where_replies_cannot_be_read(
    desk: Desk, minutes: float, stops: bool
) -> None:
    """A STOP may lie in between: the run sends no more, and says why; what was sent stands."""
    desk.replies.broken = True
    if minutes:
        desk.pace.wait = timedelta(minutes=minutes)
    else:
        desk.clock.sleep(timedelta(minutes=11))
    if stops:
        with pytest.raises(NothingMore, match=r"replies could not be read .*HTTP 503"):
            desk.verdict()
    else:
        assert desk.verdict() == ""


def test_nothing_is_sent_by_a_clock_that_was_set_back(desk: Desk) -> None:
    """Reading does not make them fresh: by what this machine says, they were read in the future."""
    desk.replies.stuck = NOON - timedelta(minutes=16)
    desk.replies.read_at = desk.replies.stuck
    with pytest.raises(NothingMore, match="replies were not read within 15 minutes"):
        desk.verdict()


@pytest.mark.parametrize(("minutes", "goes_out"), [(9, True), (10, False), (60, False)])
def test_a_disk_that_stalls_sends_nothing_into_the_night(
    desk: Desk, minutes: int, goes_out: bool
) -> None:
    """The hours are looked at once more when everything is on disk; known as not sent."""
    at(desk, monday("19:49"))
    desk.pace.commit = lambda: desk.clock.sleep(timedelta(minutes=minutes))
    posted = desk.post()
    assert (posted.state == "sent") is goes_out
    assert posted.not_sent is not goes_out
    assert (desk.sender.asked[-1] == "slot is on disk") is not goes_out
    assert ("hours" in posted.sentence) is not goes_out


@pytest.mark.parametrize(
    ("latest", "minutes"), [(None, 8 * 60 - 1), (monday("12:30"), 29), (monday("23:59"), 479)]
)
def test_twilio_is_told_to_let_lapse_what_would_come_late(
    desk: Desk, latest: datetime | None, minutes: int
) -> None:
    """A minute before the hours end, or before the text's latest; the slot is on disk before."""
    assert desk.post(replace(TEXT, latest=latest)).state == "sent"
    posted = (PHONE, "Hi Ana", timedelta(minutes=minutes))
    assert desk.sender.asked == ["verify", "slot is on disk", posted]


def test_a_slot_that_cannot_be_committed_posts_nothing(desk: Desk) -> None:
    """A full disk, a lease that was taken over: known as not sent, and the run ends."""

    def full() -> None:
        raise StateError("no space is left")

    desk.pace.commit = full
    posted = desk.post()
    assert (posted.state, posted.not_sent, posted.stops) == ("rejected", True, "no space is left")
    assert desk.sender.asked == ["verify"]


def test_a_text_is_posted_in_its_turn_only(desk: Desk) -> None:
    """Before a turn, or after it, there is no slot."""
    assert desk.verdict() == ""
    with pytest.raises(RuntimeError, match="in its turn only"):
        desk.courier.post(TEXT)
    assert desk.sender.asked == ["verify"]


@pytest.mark.parametrize(("code", "stopped"), [("21610", True), ("21211", False)])
def test_a_phone_that_twilio_names_as_opted_out_is_stopped(
    desk: Desk, code: str, stopped: bool
) -> None:
    """For every record of the study that has it; another refusal is no word of the phone's."""
    desk.sender.answer = Posted("rejected", code=code)
    assert desk.post().code == code
    found = hindrance(desk.store, "small", "hash of the phone 23", "another record")
    assert found == ("phone stopped: Twilio's code 21610" if stopped else "")


def test_nothing_but_texts_is_carried(desk: Desk) -> None:
    """A slip in a plan is a fault of this program, and told as one."""
    with pytest.raises(TypeError, match="is no text"):
        desk.courier.intent(Action("k2", "1001", "mail"))


def test_a_services_numbers_share_their_turns_with_it(desk: Desk) -> None:
    """Which number a Messaging Service chooses is not known before: each is held off."""
    desk.post()
    assert desk.pace.shared == ("n1", "n2")


def twice(desk: Desk, pause: timedelta) -> Posted:
    """Post a text, and another a pause later."""
    desk.post()
    at(desk, desk.clock.time + pause)
    return desk.post(replace(TEXT, key="k2", record="1002", to=ANOTHER))


@pytest.mark.parametrize(("seconds", "looks"), [(14.9, []), (15, ["look"])])
def test_a_run_looks_once_whether_its_texts_arrive(
    desk: Desk, seconds: float, looks: list[str]
) -> None:
    """A quarter of a minute after its first; where they do it goes on, and never looks again."""
    assert twice(desk, timedelta(seconds=seconds)).state == "sent"
    assert desk.replies.looks == looks
    if looks:
        assert twice(desk, timedelta(minutes=5)).state == "sent"
        assert desk.replies.looks == looks


def test_a_sender_whose_texts_come_to_nothing_sends_no_more(desk: Desk) -> None:
    """What is wrong with the account meets everybody who follows: they stay due."""
    desk.replies.learnt = lambda: "The sending number is not registered."
    with pytest.raises(NothingMore, match=r"did not arrive: The sending number is not registered"):
        twice(desk, timedelta(seconds=15))
    assert len(desk.sender.asked) == len(["verify", "slot", "text"])


@pytest.mark.parametrize("mended", [True, False])
def test_in_doubt_the_first_texts_end_is_waited_for(desk: Desk, *, mended: bool) -> None:
    """After texts that came to nothing one more is tried, and the others only once it arrived."""
    desk.replies.lost = "The sending number is not registered."
    desk.replies.learnt = lambda: "" if mended else desk.replies.lost
    if mended:
        assert twice(desk, timedelta(seconds=1)).state == "sent"
    else:
        with pytest.raises(NothingMore, match="not registered"):
            twice(desk, timedelta(seconds=1))
    assert desk.replies.looks == ["wait"]


def test_a_look_that_is_not_answered_stops_nobody(desk: Desk) -> None:
    """Twilio's list is not there for a moment: the texts go on, the next run looks."""

    def silent() -> str:
        raise TwilioUnreachable("no answer")

    desk.replies.learnt = silent
    assert twice(desk, timedelta(seconds=15)).state == "sent"
