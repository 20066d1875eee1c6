"""What must hold within ``[partner]``; each rule yields the flaws it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from redcap_jobs.partner.adapter import ADAPTERS
from redcap_jobs.study.config import Study
from redcap_jobs.study.flaws import Flaw
from redcap_jobs.study.partner_config import Partner
from redcap_jobs.study.salvage import judged

PER_MINUTE_ELSEWHERE = 600
RESERVED = frozenset({"member", "study_id"})


def partner_names_differ(partner: Partner) -> Iterator[Flaw]:
    """Each field of the partner's stands in the table once."""
    first: dict[str, int] = {}
    for index, each in enumerate(partner.fields):
        at = ("partner", "fields", index, "partner")
        if each.partner in RESERVED:
            yield Flaw(at, f'"{each.partner}" is the name of a member\'s own id')
        elif first.setdefault(each.partner, index) != index:
            yield Flaw(at, f"stands in fields[{first[each.partner]}] already")


def the_interfaces_own_names(partner: Partner) -> Iterator[Flaw]:
    """No field of the table takes the place of what the calls themselves say of a member.

    A study id of its own would hide a member from being looked up, and an arm sent as any other
    field would change without a person's word.
    """
    adapter = ADAPTERS[partner.adapter]
    own = {
        adapter.study_id: "is the record's own name; each enrolment sends it",
        adapter.member_id: "is no field of ours: the partner gives it",
        adapter.status: "is sent by withdrawals alone; partner.statuses translates it",
    }
    for index, each in enumerate(partner.fields):
        at = ("partner", "fields", index, "partner")
        if each.owner == "redcap" and each.partner in own:
            yield Flaw(at, own[each.partner])
        elif each.role == "arm" and each.partner != adapter.arm:
            yield Flaw(at, f'the arm is named "{adapter.arm}" in this partner\'s interface')
        elif each.partner == adapter.arm and each.role != "arm":
            yield Flaw(at, 'needs role = "arm": an arm is assigned once, by a call of its own')


def one_arm(partner: Partner) -> Iterator[Flaw]:
    """One field holds the arm, or none."""
    arms = [index for index, each in enumerate(partner.fields) if each.role == "arm"]
    for index in arms[1:]:
        what = f"fields[{arms[0]}] holds the arm already"
        yield Flaw(("partner", "fields", index, "role"), what)


def something_is_sent(partner: Partner) -> Iterator[Flaw]:
    """Something is sent: a member of whom nothing is known could not be texted."""
    if not partner.sent:
        yield Flaw(("partner", "fields"), 'names no field that REDCap owns (owner = "redcap")')


def statuses_are_translated(partner: Partner) -> Iterator[Flaw]:
    """Words are given for the status that is written."""
    if partner.write.status and not partner.statuses:
        hint = 'name REDCap\'s code of each word: enrolled = "1"'
        yield Flaw(("partner", "statuses"), "is required by partner.write.status", hint)


def development_is_elsewhere(partner: Partner) -> Iterator[Flaw]:
    """Development addresses are not the real partner's."""
    development = partner.development
    if development is None:
        return
    own = (partner.url, partner.token, partner.user)
    if own == (development.url, development.token, development.user):
        what = "is the production address with the production credentials"
        yield Flaw(("partner", "development", "url"), what, "name the partner's test system")


def asked_gently(partner: Partner) -> Iterator[Flaw]:
    """No more than ten requests a second go to another machine."""
    elsewhere = [each for each in (partner, partner.development) if each and not each.is_loopback]
    if elsewhere and partner.requests_per_minute > PER_MINUTE_ELSEWHERE:
        what = f"is at most {PER_MINUTE_ELSEWHERE} unless the partner is on this machine"
        yield Flaw(("partner", "requests_per_minute"), what)


PARTNER_RULES: tuple[Callable[[Partner], Iterator[Flaw]], ...] = (
    partner_names_differ,
    the_interfaces_own_names,
    one_arm,
    something_is_sent,
    statuses_are_translated,
    development_is_elsewhere,
    asked_gently,
)


def broken_partner_rules(study: Study) -> Iterator[Flaw]:
    """Yield the flaws of every rule that can be judged."""
    for rule in PARTNER_RULES:
        yield from judged(of_partner(study, rule))


def of_partner(study: Study, rule: Callable[[Partner], Iterator[Flaw]]) -> Iterator[Flaw]:
    """Apply a rule where there is a ``[partner]``."""
    if study.partner is not None:
        yield from rule(study.partner)
