"""Never above one segment a second for one number: floor, takeover, bent clocks, lost leases."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, select
from tests.state.sending_world import SENDER, Machine, Post, World, left_in_its_turn, post

from redcap_jobs.errors import StateError
from redcap_jobs.state import throttle as throttling
from redcap_jobs.state.schema import senders
from redcap_jobs.state.store import Store
from redcap_jobs.state.throttle import FLOOR, ON_ITS_WAY, OUT_OF_SIGHT, Slot, Throttle

LOOK_EVERY = timedelta(seconds=2)
LONG = bool(os.environ.get("REDCAP_JOBS_LONG_TESTS"))
GAP = FLOOR.total_seconds()
Opened = Callable[[Machine], Store]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at a lease that is waited for less often: a quarter of an hour is long."""
    monkeypatch.setattr(throttling, "LOOK_EVERY", LOOK_EVERY)


@pytest.fixture
def opened(url: str) -> Iterator[Opened]:
    """Return a function that opens one and the same state on a machine's clock."""
    stores: dict[str, Store] = {}
    with ExitStack() as stack:

        def opened_on(machine: Machine) -> Store:
            if machine.host not in stores:
                stores[machine.host] = stack.enter_context(Store.create(url))
            stores[machine.host].clock = machine
            return stores[machine.host]

        yield opened_on


@pytest.fixture
def one(world: World) -> Machine:
    return Machine(world)


@pytest.mark.parametrize(
    ("asked", "loopback", "gap"),
    [
        (0.001, False, GAP),
        (1.0, False, GAP),
        (5.0, False, 5.0),
        (0.2, True, 0.2),
        (0.0, True, GAP),
        (-3.0, True, GAP),
    ],
)
def test_nobody_configures_the_floor_away_but_against_loopback(
    asked: float, loopback: bool, gap: float, world: World, one: Machine, opened: Opened
) -> None:
    """1.05 s a segment whatever a study asks; more if it asks; less only on this machine."""
    throttle = one.throttle(opened(one), 1, asked, loopback=loopback)
    for _ in range(3):
        post(world, throttle, answer_seconds=0.01)
    assert world.gaps() == pytest.approx([gap, gap], abs=1e-6)


def test_a_long_text_takes_the_time_of_its_segments(
    world: World, one: Machine, opened: Opened
) -> None:
    """After three segments the next text waits three gaps; the wait is that of the text before."""
    throttle = one.throttle(opened(one), 1)
    for units in (3, 1, 2):
        post(world, throttle, units)
    assert world.gaps() == pytest.approx([GAP, GAP])
    assert world.posts[1].at - world.posts[0].at == pytest.approx(3 * GAP)


def test_a_service_and_a_number_of_it_keep_their_distance(
    world: World, one: Machine, opened: Opened
) -> None:
    """A service may choose any of its numbers: one that another study sends from is not overtaken."""
    store = opened(one)
    service, number = one.throttle(store, 1), one.throttle(store, 2)
    service.sender = "a service"
    service.share([SENDER, "another number of it"])
    for turn, units in ((number, 2), (service, 1), (service, 2), (number, 1), (number, 1)):
        post(world, turn, units)
    assert world.gaps() == pytest.approx([GAP] * 4)


def test_slow_answers_cost_little_but_their_own_time(
    world: World, one: Machine, opened: Opened
) -> None:
    """The gap counts from the start of a post: an answer of 0.4 s hides in it, one of 2 s not."""
    throttle = one.throttle(opened(one), 1)
    for seconds in (0.4, 2.0, 0.0):
        post(world, throttle, answer_seconds=seconds)
    assert world.gaps() == pytest.approx([1 + ON_ITS_WAY.total_seconds(), 2.0])


@pytest.mark.parametrize(
    ("answer", "units", "asked", "gap"),
    [
        (0.03, 1, 0.0, 1.05),
        (0.07, 1, 0.0, 1.07),
        (0.45, 1, 0.0, 1.1),
        (0.45, 2, 0.0, 2.1),
        (0.45, 1, 1.08, 1.1),
        (0.45, 1, 5.0, 5.0),
    ],
)
def test_what_may_have_arrived_late_keeps_its_distance_to_the_next(
    answer: float,
    units: int,
    asked: float,
    gap: float,
    world: World,
    one: Machine,
    opened: Opened,
) -> None:
    """A post that arrived just before its answer is still a second a segment before the next."""
    throttle = one.throttle(opened(one), 1, asked)
    post(world, throttle, units, answer_seconds=answer)
    post(world, throttle)
    apart = world.posts[1].at - world.posts[0].at
    assert apart == pytest.approx(gap)
    assert apart - min(answer, ON_ITS_WAY.total_seconds()) >= units - 1e-6


def test_a_pace_for_a_sandbox_stays_as_it_was_asked_for(
    world: World, one: Machine, opened: Opened
) -> None:
    """Below the floor, against loopback only, nothing is added."""
    throttle = one.throttle(opened(one), 1, 0.2, loopback=True)
    for _ in range(2):
        post(world, throttle, answer_seconds=0.15)
    assert world.gaps() == pytest.approx([0.2])


def test_nothing_waits_where_nothing_was_sent_lately(
    world: World, one: Machine, opened: Opened
) -> None:
    """The very first text, and one after a pause, go out at once."""
    throttle = one.throttle(opened(one), 1)
    post(world, throttle)
    assert world.posts[0].at == 0
    world.pass_by(30)
    post(world, throttle)
    assert world.posts[1].at == pytest.approx(30.05)


def test_a_turn_that_posts_nothing_costs_no_time(
    world: World, one: Machine, opened: Opened
) -> None:
    """A text that is withheld in its turn leaves the slot to the next."""
    store = opened(one)
    with one.throttle(store, 1).slot():
        pass
    post(world, one.throttle(store, 2))
    assert world.posts[0].at == 0


@pytest.mark.parametrize("posted", [False, True], ids=["before its post", "while posting"])
def test_whoever_follows_a_dead_process_waits_a_whole_gap(
    posted: bool, world: World, one: Machine, opened: Opened
) -> None:
    """Its post may have left at the moment it died, whatever the state says of it."""
    store = opened(one)
    slot = left_in_its_turn(one.throttle(store, 1), 2)
    if posted:
        slot.posting()
    world.pass_by(10)
    world.dead.add(1)
    post(world, one.throttle(store, 2))
    expected = 10 + (2 * GAP if posted else GAP)
    assert world.posts[0].at == pytest.approx(expected)


def test_a_live_holder_is_waited_for(world: World, one: Machine, opened: Opened) -> None:
    """Two posts of one number are never under way at once, however slow the first answer is."""
    store = opened(one)
    first = one.throttle(store, 1)
    slot = left_in_its_turn(first)
    slot.posting()
    world.at(30, lambda: first._release(slot))
    post(world, one.throttle(store, 2))
    assert world.posts[0].at == pytest.approx(30, abs=2.1)


def test_patience_has_an_end(world: World, one: Machine, opened: Opened) -> None:
    """A lease that is never let go of: StateError after a quarter of an hour, naming the run."""
    store = opened(one)
    left_in_its_turn(one.throttle(store, 1))
    with pytest.raises(StateError, match=r"run-1 .* nothing was sent"):
        post(world, one.throttle(store, 2))
    assert world.posts == []
    assert world.seconds == pytest.approx(15 * 60, rel=0.01)
    assert holder_of(store) == "run-1"


def test_another_study_on_the_number_may_leave_an_hour_between_texts(
    world: World, one: Machine, opened: Opened
) -> None:
    """It holds the lease while it waits for its slot: patience is as long as that takes."""
    store = opened(one)
    slow = one.throttle(store, 1, 3600.0)
    post(world, slow)
    slow._take()
    world.at(3600, lambda: slow._release(Slot(slow, 1)))
    post(world, one.throttle(store, 2))
    assert world.posts[1].at == pytest.approx(3600, abs=2.1)


@pytest.mark.parametrize("jump", [-7200.0, -5.0, 5.0, 7200.0])
def test_a_wall_clock_that_jumps_changes_nothing(
    jump: float, world: World, one: Machine, opened: Opened
) -> None:
    """On one boot the monotonic clock counts: no text is early, and none stalls for hours."""
    throttle = one.throttle(opened(one), 1)
    post(world, throttle)
    one.wall_ahead += jump
    post(world, throttle)
    one.wall_ahead -= jump
    post(world, throttle)
    assert world.gaps() == pytest.approx([GAP, GAP])


def test_no_wait_is_longer_than_the_gap(world: World, one: Machine, opened: Opened) -> None:
    """A monotonic clock that reads less than before (another container's) stalls nobody."""
    throttle = one.throttle(opened(one), 1)
    post(world, throttle)
    one.monotonic_ahead -= 900
    post(world, throttle)
    assert world.posts[1].at - world.posts[0].at == pytest.approx(0.05 + GAP)


@pytest.mark.parametrize("ahead", [-7200.0, -3.0, 0.0, 3.0, 7200.0])
def test_another_host_whose_clock_differs_keeps_the_gap(
    ahead: float, world: World, one: Machine, opened: Opened
) -> None:
    """Clocks of two hosts cannot be compared: whoever comes second waits a whole gap, not more."""
    other = Machine(world, "two", "boot-2", wall_ahead=ahead, monotonic_ahead=9.0)
    here, there = one.throttle(opened(one), 1), other.throttle(opened(other), 2)
    for throttle in (here, there, here, there, there):
        post(world, throttle, units=2)
    assert min(world.gaps()) >= GAP - 1e-6
    assert max(world.gaps()) <= GAP + 0.2


def test_containers_of_one_host_share_its_monotonic_clock(
    world: World, one: Machine, opened: Opened
) -> None:
    """Another process namespace is not another boot: only what is left of the gap is waited for."""
    post(world, one.throttle(opened(one), 1))
    world.pass_by(0.5)
    beside = Machine(world, namespace="other")
    post(world, beside.throttle(opened(beside), 2))
    assert world.gaps() == pytest.approx([GAP])


def test_after_a_restart_of_the_machine_the_gap_is_kept(
    world: World, one: Machine, opened: Opened
) -> None:
    """Its monotonic clock begins anew; a process of before is dead, and its post may be recent."""
    left_in_its_turn(one.throttle(opened(one), 1)).posting()
    again = Machine(world, "one", "boot-2", monotonic_ahead=0.0)
    post(world, again.throttle(opened(again), 1))
    assert world.posts[0].at == pytest.approx(GAP)


def test_a_host_out_of_sight_is_waited_for_three_minutes(
    world: World, one: Machine, opened: Opened
) -> None:
    """Far longer than a post takes; then its lease is taken, and the gap kept."""
    other = Machine(world, "two", "boot-2")
    left_in_its_turn(other.throttle(opened(other), 1))
    post(world, one.throttle(opened(one), 2))
    assert world.posts[0].at == pytest.approx(OUT_OF_SIGHT.total_seconds() + GAP, abs=2.1)


def test_a_host_out_of_sight_may_wait_for_a_slow_sender(
    world: World, one: Machine, opened: Opened
) -> None:
    """A study may ask for minutes between texts: waiting for its slot is no sign of death."""
    other = Machine(world, "two", "boot-2")
    slow = other.throttle(opened(other), 1, 240.0)
    post(world, slow)
    slot = left_in_its_turn(slow)
    assert world.seconds > OUT_OF_SIGHT.total_seconds()
    assert one.throttle(opened(one), 2)._try_to_take() == "run-1"
    slot.posting()


def test_a_post_that_begins_late_in_a_lease_is_not_overtaken(
    world: World, one: Machine, opened: Opened
) -> None:
    """A lease that is old when its post begins: the post is as long under way as any other's."""
    other = Machine(world, "two", "boot-2")
    slot = left_in_its_turn(other.throttle(opened(other), 1))
    world.pass_by(OUT_OF_SIGHT.total_seconds() - 1)
    slot.posting()
    world.pass_by(30)
    assert one.throttle(opened(one), 2)._try_to_take() == "run-1"


def test_a_lost_lease_posts_nothing(world: World, one: Machine, opened: Opened) -> None:
    """Who was taken for dead meanwhile is refused before its post, and frees no other's lease."""
    store = opened(one)
    first = one.throttle(store, 1)
    slot = left_in_its_turn(first)
    world.dead.add(1)
    left_in_its_turn(one.throttle(store, 2))
    with pytest.raises(StateError, match="taken over by another run; nothing was posted"):
        slot.posting()
    first._release(slot)
    assert holder_of(store) == "run-2"


def test_a_process_of_the_same_run_has_a_lease_of_its_own(
    world: World, one: Machine, opened: Opened
) -> None:
    """A fork shares its parent's run, not its lease."""
    store = opened(one)
    slot = left_in_its_turn(one.throttle(store, 1))
    world.dead.add(1)
    fork = one.throttle(store, 3)
    fork.run_id = "run-1"
    with fork.slot(), pytest.raises(StateError, match="taken over"):
        slot.posting()


def test_a_turn_that_is_over_posts_nothing(world: World, one: Machine, opened: Opened) -> None:
    """Neither while nobody has the lease, nor while another run of the same process has it."""
    store = opened(one)
    with one.throttle(store, 1).slot() as over:
        pass
    with pytest.raises(StateError, match="nothing was posted"):
        over.posting()
    following = one.throttle(store, 1)
    following.run_id = "run-2"
    with following.slot(), pytest.raises(StateError, match="nothing was posted"):
        over.posting()


def test_a_slow_disk_takes_nothing_off_the_gap(world: World, one: Machine, opened: Opened) -> None:
    """The gap counts from when the post could begin: once the slot was on disk, not before."""
    store = opened(one)
    throttle = one.throttle(store, 1)
    for seconds in (0.3, 0.0, 0.0):
        with throttle.slot() as slot, slow_commits(store, world, seconds):
            slot.posting()
            world.posts.append(Post(world.seconds, 1))
    assert min(world.gaps()) >= GAP - 1e-6


class Bent:
    """Machines, processes and the moments at which something goes wrong, all drawn."""

    machines = st.integers(0, 2)
    units = st.integers(1, 3)
    ends = st.sampled_from(["well", "well", "well", "dies before", "dies after", "withheld"])
    answers = st.sampled_from([0.0, 0.1, 0.4, 3.0])
    jumps = st.sampled_from([0.0, 0.0, 0.0, -3600.0, -1.0, 1.0, 3600.0])
    pauses = st.sampled_from([0.0, 0.0, 0.5, 2.0, 90.0])
    steps = st.lists(st.tuples(machines, units, ends, answers, jumps, pauses), max_size=12)


@settings(
    max_examples=500 if LONG else 40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=Bent.steps)
def test_the_gap_holds_whatever_happens(
    steps: list[tuple[int, int, str, float, float, float]], opened: Opened
) -> None:
    """Three hosts, deaths, bent clocks, slow answers: no post comes before the gap is over."""
    world = World()
    machines = [
        Machine(world, f"host-{number}", f"boot-{number}", 17.0 * number, 100.0 * number)
        for number in range(3)
    ]
    stores = [opened(machine) for machine in machines]
    with stores[0].write() as connection:
        connection.execute(delete(senders))
    for pid, (host, units, ends, answer, jump, pause) in enumerate(steps, start=1):
        throttle = machines[host].throttle(stores[host], pid)
        try:
            slot = left_in_its_turn(throttle, units)
        except StateError:
            continue  # a lease of another host's future: this run ends, and nothing is sent
        if ends not in ("dies before", "withheld"):
            slot.posting()
            world.posts.append(Post(world.seconds, units))
            world.pass_by(answer)
        if ends.startswith("dies"):
            world.dead.add(pid)
        else:
            throttle._release(slot)
        machines[host].wall_ahead += jump
        world.pass_by(pause)
    assert all(gap >= GAP - 1e-6 for gap in world.gaps()), world


def test_the_property_would_notice(
    monkeypatch: pytest.MonkeyPatch, world: World, one: Machine, opened: Opened
) -> None:
    """A throttle that does not wait is caught by the very same measure."""
    monkeypatch.setattr(Throttle, "_wait", lambda self: None)
    throttle = one.throttle(opened(one), 1)
    post(world, throttle)
    post(world, throttle)
    assert min(world.gaps()) < GAP


def holder_of(store: Store) -> str:
    """Return the run that has the lease, '' for none."""
    query = select(senders.c.run_id).where(
        senders.c.name == SENDER, senders.c.taken_at.is_not(None)
    )
    with store.read() as connection:
        return str(connection.execute(query).scalar() or "")


@contextmanager
def slow_commits(store: Store, world: World, seconds: float) -> Iterator[None]:
    """Let every commit of a store take a while."""

    def stall(connection: object) -> None:
        world.pass_by(seconds)

    event.listen(store.engine, "commit", stall)
    yield
    event.remove(store.engine, "commit", stall)
