"""How one action leaves the house at most once: claim, fresh data, turn, commit, post, record.

A courier carries one kind of action (texts, partner calls, mails). The order is the same for all,
so that it can be read in one place and killed at every step: see :meth:`Delivery.act`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from redcap_jobs.errors import RedcapJobsError
from redcap_jobs.plan import Action, Inputs, Job, Posted, Problem, Stands, Withhold

if TYPE_CHECKING:
    from redcap_jobs.state.journal import Journal
    from redcap_jobs.state.journal_entry import Cap, ClaimAnswer, Claimed, Intent
    from redcap_jobs.study.config import Study

log = logging.getLogger(__name__)

NEXT_READ_TOGETHER = 50
"""So many of the actions that follow are read afresh together with the one whose turn it is."""
LOST_IN_A_ROW = 3
"""After so many answers lost one after the other nothing more is begun: each may be a text that
went out and that a person has to look up."""
TURNS = 3
"""So many turns are waited for where each comes after what was read is out of date."""

WHERE = {"text": "sender"}
"""How a person calls the one who carries a kind of action."""

Verdict: TypeAlias = Stands | Withhold


class Courier(Protocol):
    """Who carries one kind of action out of the house: texts, partner calls, mails."""

    def intent(self, action: Action) -> tuple[Intent, Sequence[Cap]]:
        """Return what the journal is to claim, and the caps that must leave room for it."""
        ...

    def turn(self, action: Action) -> AbstractContextManager[Verdict]:
        """Wait until it may be posted, hold everybody else off, and look at the clock once more.

        Raises :class:`NothingMore` where this courier can do nothing more in this run.
        """
        ...

    def post(self, action: Action) -> Posted:
        """Do it, once, never again by itself; an answer that cannot be read is ``unknown``."""
        ...


class NothingMore(RedcapJobsError):
    """A courier can do nothing more in this run; nothing was posted for the action at hand."""


class NotThere(RedcapJobsError):
    """The record that an action is about does not exist any more."""


class AtOnce:
    """A courier that waits for nothing."""

    @contextmanager
    def turn(self, action: Action) -> Iterator[Verdict]:  # noqa: ARG002 - a courier's signature
        """Let it go on at once."""
        yield Stands()


Fresh: TypeAlias = Callable[[Sequence[Action]], Inputs]
"""Reads afresh, from REDCap, what decides about the first of these actions, not longer than a
minute ago; the others follow it and are read along. The same inputs again: they still count.
Raises :class:`NotThere` where the first one's record is gone."""


@dataclass
class Delivered:
    """How the actions ended, and what a person must be told of them."""

    ended: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Delivery:
    """Delivers the actions of one plan; ``still_locked`` raises where the job's lock was lost.

    ``progress`` is told after each action how many of how many are through.
    """

    journal: Journal
    couriers: Mapping[str, Courier]
    fresh: Fresh
    still_locked: Callable[[], None]
    job: Job
    study: Study
    progress: Callable[[int, int], None] = lambda done, of: None  # noqa: ARG005 - nobody looks on

    def deliver(self, actions: Sequence[Action]) -> Delivered:
        """Deliver actions one after the other, in the plan's order.

        Stops early where a courier can do nothing more, or where answers are lost one after the
        other; what was not begun stays due for the next run.
        """
        done = Delivered()
        lost = 0
        self.journal.recover()
        for number, action in enumerate(actions):
            try:
                posted = self.act(action, actions[number : number + NEXT_READ_TOGETHER], done)
            except NothingMore as stop:
                self.not_begun(actions[number:], str(stop), done)
                break
            self.progress(number + 1, len(actions))
            if posted is None:
                continue
            lost = lost + 1 if posted.state == "unknown" else 0
            stops = posted.stops
            if lost >= LOST_IN_A_ROW:
                stops = f"{lost} answers in a row were lost"
            if stops:
                self.not_begun(actions[number + 1 :], stops, done)
                break
        return done

    def act(self, action: Action, following: Sequence[Action], done: Delivered) -> Posted | None:
        """Deliver one action at most once; None where it was not posted.

        An action whose key is taken, done or over a cap is not begun; one whose recheck says no is
        withheld. Dying in ``post`` leaves the row in ``posting``: unknown.
        """
        from redcap_jobs.state.journal_entry import Claimed

        courier = self.couriers.get(action.kind)
        if courier is None:
            raise RedcapJobsError(f"nothing in this release delivers a {action.kind}")
        claim = self.journal.claim(*courier.intent(action))
        if not isinstance(claim, Claimed):
            done.ended[type(claim).__name__] += 1
            done.problems += told_of(claim, action)
            return None
        log.debug("step action claimed")
        posted = self.claimed(courier, action, following, claim)
        if isinstance(posted, Withhold):
            self.journal.withhold(claim, posted.reason)
            done.ended["withheld"] += 1
            return None
        settle(self.journal, claim, posted)
        log.debug("step posted")
        done.ended[action.done if posted.state == "sent" else posted.state] += 1
        done.problems += told_of_posted(posted, action)
        return posted

    def claimed(
        self, courier: Courier, action: Action, following: Sequence[Action], claim: Claimed
    ) -> Posted | Withhold:
        """Recheck what was claimed on fresh data, wait for its turn, and post it.

        Where the wait outlasted the fresh data, they are read again, and another turn is waited
        for: what decides is never older than the data may be. Where the turn cannot be given back
        after the post, what was answered is recorded all the same.
        """
        posted: Posted | None = None
        try:
            for _ in range(TURNS):
                inputs = self.fresh(following)
                verdict = self.job.recheck(self.study, action, inputs)
                if isinstance(verdict, Withhold):
                    return verdict
                with courier.turn(action) as verdict:
                    if isinstance(verdict, Withhold):
                        return verdict
                    if self.fresh(following) is not inputs:
                        continue
                    self.still_locked()
                    self.journal.begin_posting(claim)
                    log.debug("step posting")
                    posted = self.post(courier, action, claim)
                return posted  # noqa: RET504 - giving the turn back may fail after it is known
            raise NothingMore("turns came so late that what had been read was out of date")
        except NotThere as error:
            return Withhold(str(error))
        except RedcapJobsError as error:
            if posted is not None:
                settle(self.journal, claim, posted)
            else:
                self.give_back(claim, error)
            raise

    def post(self, courier: Courier, action: Action, claim: Claimed) -> Posted:
        """Post it; a fault of this program here leaves it unknown, whatever it was."""
        try:
            return courier.post(action)
        except BaseException as error:
            self.journal.unknown(claim, f"{type(error).__name__} while posting")
            raise

    def give_back(self, claim: Claimed, error: RedcapJobsError) -> None:
        """Release a claim that was not posted; one that was is left as it stands."""
        from redcap_jobs.state.journal_entry import IllegalTransition

        try:
            self.journal.release(claim, f"{type(error).__name__} before it was posted")
        except IllegalTransition:
            log.debug("not given back: it was posted")

    def not_begun(self, actions: Sequence[Action], why: str, done: Delivered) -> None:
        """Say that nothing more is done, and for how many."""
        done.ended["not begun"] += len(actions)
        kind = actions[0].kind if actions else "text"
        waiting = f"{len(actions)} that are due were not begun" if actions else "none was left"
        done.problems.append(
            Problem(
                "-", WHERE.get(kind, kind), f"{why.rstrip('.')}; {waiting}", "the next run goes on"
            )
        )


def told_of(answer: ClaimAnswer, action: Action) -> list[Problem]:
    """Say what a person must know of an action that was not begun: caps of a day or run."""
    from redcap_jobs.state.journal_entry import CapReached

    if not isinstance(answer, CapReached) or "phone_hash" in answer.cap.per:
        return []
    what = f"not begun: the limit {answer.cap.name} ({answer.cap.limit}) is reached"
    return [Problem(action.record, action.kind, what, "it stays due for the next run")]


def told_of_posted(posted: Posted, action: Action) -> list[Problem]:
    """Say what a person must know of an action that was not accepted."""
    if posted.state == "sent":
        return []
    if posted.state == "unknown":
        return [Problem(action.record, action.kind, *action.unheard)]
    if posted.stops and posted.not_sent:
        return []
    if posted.stops:
        what = f"refused ({posted.code}), and not sent again by itself"
        hint = "once its cause is mended: redcap-jobs messages settle STUDY"
        return [Problem(action.record, action.kind, what, hint)]
    return [Problem(action.record, action.kind, posted.sentence or f"refused ({posted.code})")]


def settle(journal: Journal, claim: Claimed, posted: Posted) -> None:
    """Record in the journal what became of a posted action."""
    if posted.state == "sent":
        journal.sent(claim, posted.reference, posted.status)
    elif posted.state == "rejected":
        journal.rejected(claim, posted.code, definite_not_sent=posted.not_sent)
    else:
        journal.unknown(claim, posted.note)
