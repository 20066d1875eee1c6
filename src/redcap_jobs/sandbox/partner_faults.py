"""The partner's bad days: names of faults, what they do, and which calls they strike."""

from __future__ import annotations

from collections.abc import Mapping

from redcap_jobs.errors import UsageError

ENROL, LIST, LATER_PAGE = "enrol", "list", "later page"
"""``later page`` is a list from its second page on: a list like any, but for what strikes those."""
ACTIONS = (ENROL, "update", "arm", "fetch", LIST)
ALL = "all"

PARTNER_FAULTS: Mapping[str, str] = {
    "partner-drop": "takes effect, then the connection is dropped",
    "partner-refuse-drop": "the connection is dropped before anything takes effect",
    "partner-5xx-after": "takes effect, then 500",
    "partner-503": "503, nothing takes effect",
    "partner-429": "429 with Retry-After: S, nothing takes effect",
    "partner-timeout": "takes effect, the answer comes S seconds late",
    "partner-late": "the connection is dropped at once, and it takes effect S seconds later",
    "partner-cut-json": "takes effect, half of the answer comes",
    "partner-html": "takes effect, the answer is a web page",
    "partner-double": "an enrolment makes two members",
    "partner-empty-list": "a list is suddenly empty",
    "partner-shift": "a member appears between two pages of one list",
}
"""Name → what it does to a call."""

BEFORE = frozenset({"partner-refuse-drop", "partner-503", "partner-429"})
"""Those that keep a call from taking effect."""
DROPS = frozenset({"partner-drop", "partner-refuse-drop", "partner-late"})
STATUS: Mapping[str, int] = {"partner-5xx-after": 500, "partner-503": 503, "partner-429": 429}
OF_ONE: Mapping[str, str] = {
    "partner-double": ENROL,
    "partner-empty-list": LIST,
    "partner-shift": LIST,
}
"""Name → the only calls that it can strike."""
OF_DAYS = frozenset({"partner-late"})
"""Those whose seconds nobody waits for: they go by the account's clock."""


def struck(name: str, scope: str, action: str) -> bool:
    """Tell whether a fault strikes a call.

    Without a scope it strikes enrolments; those about lists strike lists; ``all`` every call.
    """
    if name == "partner-shift":
        return action == LATER_PAGE
    called = LIST if action == LATER_PAGE else action
    if name in OF_ONE:
        return called == OF_ONE[name]
    return scope == ALL or called == (scope or ENROL)


def refuse_senseless(name: str, action: str, *, other_scope: bool) -> None:
    """Refuse a fault of the partner's with a scope that fits no call.

    Raises:
        UsageError: ``other_scope`` (content or after are given), or an unknown action.

    """
    if other_scope:
        raise UsageError(f"fault {name}: content and after go with REDCap's faults")
    known = (OF_ONE[name],) if name in OF_ONE else (*ACTIONS, ALL)
    if action and action not in known:
        raise UsageError(f"fault {name}: no action {action!r}; there are {', '.join(known)}")
