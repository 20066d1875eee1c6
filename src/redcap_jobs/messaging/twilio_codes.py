"""Twilio's error codes: what each asks for, in the words a coordinator reads.

A code arrives in two ways: in the refusal of a POST, or later beside the status failed or
undelivered. Twilio adds codes without notice and says that they should not steer programs (API
reference, Message resource), so they are data here, and a code that is not known is shown to a
person. ``not_sent`` is the only kind after which a text may be tried again; it holds just the
codes whose pages in Twilio's error dictionary say that the message was not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "opted_out", "invalid_number", "fix_account", "content", "not_sent", "ask"
]


@dataclass(frozen=True)
class Reaction:
    """What a code asks for: its kind, a sentence for people, and whether sending must stop now."""

    kind: Kind
    sentence: str
    stops_run: bool = False


def _fix(sentence: str) -> Reaction:
    return Reaction("fix_account", sentence, stops_run=True)


OPTED_OUT = Reaction(
    "opted_out",
    "The participant has opted out of texts from this sender. Nothing is sent to this phone again "
    "until they text START or the study allows it.",
)
WRONG_NUMBER = Reaction(
    "invalid_number",
    "This is not a phone number that can receive texts. Ask the participant for the right one.",
)
LANDLINE = Reaction(
    "invalid_number",
    "This phone is a landline, or its carrier takes no texts. Ask the participant for a mobile "
    "number.",
)
UNROUTABLE = Reaction(
    "invalid_number",
    "The study's sending number cannot reach this phone. Check the number with the participant; "
    "if it is right, ask Twilio.",
)
SENDER = _fix(
    "Twilio does not take the sending number for this account. Correct the variables that [sender] "
    "names, or the number's set-up at Twilio."
)
SERVICE = _fix(
    "The Messaging Service cannot send: it is missing, empty or set up for something else. Correct "
    "it at Twilio, or the variable that [sender] names."
)
REGISTRATION = _fix(
    "The sending number is not registered with the carriers for this use. Whoever looks after the "
    "Twilio account must finish the registration of brand, campaign or number."
)
VERIFICATION = _fix(
    "Twilio or the carriers refused the registration of the sender. Whoever looks after the Twilio "
    "account finds the reason there under this code."
)
LINKS = _fix(
    "Twilio's link shortening is switched on and set up wrongly. Whoever looks after the Twilio "
    "account should correct it or switch it off."
)
REQUEST = _fix(
    "Twilio does not understand how it was asked. This is a fault of this program or of the "
    "sender's set-up: report the code to whoever maintains it."
)
ACCOUNT = _fix(
    "The Twilio account cannot send: suspended, closed, out of funds, or not allowed to. Whoever "
    "looks after the account finds the reason in Twilio's console."
)
TRIAL = _fix(
    "The account is a trial account, or Twilio has not approved its compliance profile: it sends "
    "short texts to verified numbers only. A study can use it once that is settled at Twilio."
)
DAILY_LIMIT = _fix(
    "The account has sent as many texts as Twilio allows it in a day. Wait a day, or ask Twilio "
    "for a higher limit."
)
CONTENT = Reaction(
    "content",
    "Twilio or the carrier refused what the text says. Change its wording or its link; if it "
    "stays refused, ask Twilio.",
)
CARRIER_RATE = Reaction(
    "ask",
    "The carrier took too many texts from this study at once and refused this one. Nothing is sent "
    "again by itself; a higher seconds_between spares the next ones.",
)
UNREACHABLE = Reaction(
    "ask",
    "The phone was switched off, out of reach or no longer in use. Nothing is sent again by "
    "itself; if it stays so, ask the participant for another number.",
)
UNCLEAR = Reaction(
    "ask",
    "Twilio cannot say whether this text arrived. It is not sent again by itself; a coordinator "
    "may ask the participant, or send it again with `messages resend`.",
)
SERVER = Reaction(
    "ask",
    "Twilio failed while it handled this text. It is not sent again by itself; look it up at "
    "Twilio and settle it.",
)
QUIET_HOURS = Reaction(
    "ask",
    "Twilio's Compliance Toolkit held this text back at this hour or for this recipient. Check the "
    "hours of the study file against those of the toolkit; the text may be sent again by hand.",
)
NOT_OURS = Reaction(
    "ask",
    "This code is about something these jobs do not use. Look it up in Twilio's error dictionary.",
)

GROUPS: tuple[tuple[Reaction, str], ...] = (
    (OPTED_OUT, "21610 30630"),
    (
        Reaction(
            "opted_out",
            "Twilio's Compliance Toolkit lists this phone as one that must not be texted. Nothing "
            "is sent to it again unless the study allows it.",
        ),
        "30640",
    ),
    (WRONG_NUMBER, "21211 21217 21265 21266 21268 21401 21421 21614 30005 30014"),
    (LANDLINE, "21407 21635 30006"),
    (UNROUTABLE, "21612 21910 30016"),
    (
        Reaction(
            "ask",
            "The account is not permitted to text this phone's country. If the number has the "
            "right country code, permit the country under Geo Permissions at Twilio; if not, ask "
            "the participant for the right number.",
        ),
        "21408",
    ),
    (
        SENDER,
        (
            "21210 21212 21264 21267 21601 21606 21616 21657 21659 21660 21661 21662 21663 21668 30015 "
            "30043"
        ),
    ),
    (
        SERVICE,
        (
            "21603 21664 21665 21666 21667 21701 21702 21703 21704 21705 21708 21709 21710 21711 21712 "
            "21713 21714 21715 21733 30124 30127 30404"
        ),
    ),
    (
        REGISTRATION,
        "21900 21901 30018 30024 30032 30033 30034 30035 30040 30041 30042 30125 30126",
    ),
    (
        VERIFICATION,
        (
            "21717 21718 21719 21720 21721 21722 21723 21724 21725 21726 21727 21728 21729 21731 21732 "
            "21736 21737 21738 21739 21740 21741 30436"
        ),
    ),
    (
        ACCOUNT,
        (
            "10001 20003 20005 20006 20008 20010 20101 20104 20107 20151 20403 20404 21470 21471 21472 "
            "21621 21622 30002 30010 30037 30112 30700"
        ),
    ),
    (TRIAL, "21219 21404 21607 21608 30044"),
    (
        _fix(
            "Twilio blocks texts to this range of numbers as suspected fraud. Whoever looks after "
            "the account can add the country or number to the safe list at Twilio."
        ),
        "30450",
    ),
    (
        _fix(
            "This sender and one phone exchanged so many texts within seconds that Twilio takes it "
            "for a runaway program. Find out which program sends them before anything goes out."
        ),
        "14107",
    ),
    (DAILY_LIMIT, "30454 60728 63038"),
    (
        REQUEST,
        (
            "20001 20004 20422 20423 21201 21604 21605 21609 21619 21624 21626 21627 21652 21653 21654 "
            "21655 21656 21658 21902 30012 30013 30028 30029 30030 30031 30045 30400 90007 90014"
        ),
    ),
    (
        Reaction(
            "content",
            "The text is longer than Twilio takes. Shorten it in the study file.",
        ),
        "21617 30019",
    ),
    (CONTENT, "21602 21618 21620 21623 30007 30011 30038"),
    (
        Reaction(
            "not_sent",
            "Twilio was busy with other requests of this account and did not take the text; it is "
            "tried again by the next run.",
        ),
        "20429",
    ),
    (
        Reaction(
            "not_sent",
            "Twilio's queue for this sender is full, so it did not send the text; it is tried "
            "again by a later run. Look for other programs that send from the same number.",
            stops_run=True,
        ),
        "21611 30001",
    ),
    (
        Reaction(
            "not_sent",
            "The text waited at Twilio until the day's hours were over and was not sent; it is "
            "tried again while it is not too late.",
        ),
        "30036",
    ),
    (
        Reaction(
            "not_sent",
            "Twilio's Compliance Toolkit failed to put the text off to a better hour and did not "
            "send it; it is tried again while it is not too late.",
        ),
        "30047",
    ),
    (
        Reaction(
            "ask",
            "Twilio is under maintenance and takes no texts. Settle this one as not sent once it "
            "is over, so that it goes out.",
            stops_run=True,
        ),
        "21730",
    ),
    (
        Reaction(
            "ask",
            "The carrier takes no more texts from this study today; it does again after midnight "
            "Pacific time. Nothing is sent again by itself; ask Twilio for a higher limit.",
            stops_run=True,
        ),
        "30023 30027",
    ),
    (CARRIER_RATE, "30017 30022"),
    (UNREACHABLE, "30003"),
    (
        Reaction(
            "ask",
            "The carrier or the phone blocks texts from this study. Ask the participant whether "
            "they still want them; nothing is sent again by itself.",
        ),
        "30004",
    ),
    (UNCLEAR, "30008 30020 30021 30046 30410 30453 30485 30500"),
    (SERVER, "20500 20503 20504"),
    (QUIET_HOURS, "30610 30615 30620"),
    (
        NOT_OURS,
        (
            "11200 20009 20020 20409 20410 20412 20413 30009 30025 30026 30039 30104 30105 30113 30114 "
            "30115 30409 30646 30647 30648 30649 30709 63018"
        ),
    ),
)

CODES: Mapping[str, Reaction] = {code: each for each, codes in GROUPS for code in codes.split()}
"""Every code that has an answer of its own."""

RANGES: tuple[tuple[int, int, Reaction], ...] = (
    (30100, 30140, LINKS),
    (30437, 30531, VERIFICATION),
    (30550, 30599, VERIFICATION),
    (30701, 30999, VERIFICATION),
    (572000, 572999, TRIAL),
)
"""First and last code of what Twilio numbers together, for those without an answer of their own:
link shortening, refused verification of toll-free numbers, brands and campaigns, trial accounts."""

NEVER_AGAIN = ("30003", "30008", "30410", "30500")
"""Twilio's pages suggest trying again for some of these, but none says that nothing arrived."""

NO_CODE = Reaction(
    "ask", "Twilio gave no reason. Look the text up in Twilio's log before anything else."
)


def reaction(code: str) -> Reaction:
    """Return what a code asks for; one that is not known is for a person to look up."""
    if code in CODES:
        return CODES[code]
    if not code:
        return NO_CODE
    number = int(code) if code.isascii() and code.isdigit() else 0
    for first, last, each in RANGES:
        if first <= number <= last:
            return each
    return Reaction(
        "ask",
        f"Twilio's code {code} is not known to this program. Look it up in Twilio's error "
        "dictionary; nothing is sent again by itself.",
    )
