"""Twilio's bad days: names of faults, what they do, and which calls they strike."""

from __future__ import annotations

from collections.abc import Mapping

from redcap_jobs.errors import UsageError

CREATE, LIST = "create", "list"
ACTIONS = (CREATE, LIST, "fetch", "update", "delete", "account", "numbers", "service")
ALL = "all"

TWILIO_FAULTS: Mapping[str, str] = {
    "twilio-drop": "takes effect, then the connection is dropped",
    "twilio-refuse-drop": "the connection is dropped before anything takes effect",
    "twilio-5xx-after": "takes effect, then 500",
    "twilio-503": "503, nothing takes effect",
    "twilio-429": "429, nothing takes effect",
    "twilio-timeout": "takes effect, the answer comes S seconds late",
    "twilio-cut-json": "takes effect, half of the answer comes",
    "twilio-list-lag": "a list lacks messages younger than S seconds",
    "twilio-out-of-order": "a list shows half of its messages at an earlier status",
}
"""Name → what it does to a call."""

BEFORE = frozenset({"twilio-refuse-drop", "twilio-503", "twilio-429"})
"""Those that keep a call from taking effect."""
DROPS = frozenset({"twilio-drop", "twilio-refuse-drop"})
CODES: Mapping[str, int] = {
    "twilio-5xx-after": 20500,
    "twilio-503": 20503,
    "twilio-429": 20429,
}
"""Name → code of the answer."""
OF_LISTS = frozenset({"twilio-list-lag", "twilio-out-of-order"})


def struck(name: str, scope: str, action: str) -> bool:
    """Tell whether a fault strikes a call.

    Without a scope it strikes messages being created; those about lists strike lists; the scope
    ``all`` strikes every call.
    """
    if name in OF_LISTS:
        return action == LIST
    return scope == ALL or action == (scope or CREATE)


def refuse_senseless(name: str, action: str, *, other_scope: bool) -> None:
    """Refuse a fault of Twilio's with a scope that fits no call.

    Raises:
        UsageError: ``other_scope`` (content or after are given), or an unknown action.

    """
    if other_scope:
        raise UsageError(f"fault {name}: content and after go with REDCap's faults")
    known = (LIST,) if name in OF_LISTS else (*ACTIONS, ALL)
    if action and action not in known:
        raise UsageError(f"fault {name}: no action {action!r}; there are {', '.join(known)}")
