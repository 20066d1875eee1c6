"""Nothing private passes the formatter."""

from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.notify.logs import RedactingFormatter, Redactor, configure_logging, redact_foreign
from redcap_jobs.redcap.answers import Call, refusal
from redcap_jobs.state.reasons import checked

TOKEN = "0123456789ABCDEF0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"token={TOKEN}&content=record", "token=[token]&content=record"),
        ("super " + TOKEN * 2, "super [token]"),
        ("sent to +12025550123.", "sent to [phone]."),
        ("call (617) 555-0123 or 617-555-0199", "call [phone] or [phone]"),
        ("1 617 555 0123", "[phone]"),
        ("Messages.json?To=%2B12025550123&PageSize=20", "Messages.json?To=[phone]&PageSize=20"),
        ("To=%2b12025550123", "To=[phone]"),
        ("+1 (202) 555-0123, +1-202-555-0123", "[phone], [phone]"),
        ("+44 20 7946 0958", "[phone]"),
        ("mail parent.one@example.org now", "mail [e-mail] now"),
        (
            "https://r.example.edu/surveys/?s=8KFXTN9RRE4A!",
            "https://r.example.edu/surveys/?s=[link]",
        ),
        (
            "open https://r.example.edu/surveys/?sq=a1B2&x=1 now",
            "open https://r.example.edu/surveys/?sq=[link]&x=1 now",
        ),
        ("postgresql+psycopg://jobs:hidden1@db/x", "postgresql+psycopg://[credentials]@db/x"),
    ],
)
def test_each_kind_of_private_thing_is_replaced(text: str, expected: str) -> None:
    """Tokens, phones, e-mail addresses and URL credentials never reach a handler."""
    assert Redactor()(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "record 1001: visits[1].done_on: no field",
        "run 20261122T214455-7f3a exit 4",
        "2026-11-22 13:50:00,123 850 records",
        "SM00000000000000000000000000000001",
        "2026-11-24T10:00:00+02:00 850 records, +2 since",
    ],
)
def test_what_a_person_needs_stays_readable(text: str) -> None:
    """Record ids, run ids, dates and SIDs are allowed in a log."""
    assert Redactor()(text) == text


def test_a_learnt_secret_is_replaced_wherever_it_stands() -> None:
    """A password has no shape of its own: whoever loads it teaches the redactor."""
    redact = Redactor()
    redact.learn(["correct horse", "no"])
    assert redact("x=correct horse;no") == "x=[secret];no"


@given(st.text(alphabet="0123456789abcdefABCDEF", min_size=32, max_size=32), st.text(max_size=20))
def test_a_token_never_survives_in_any_surrounding(token: str, around: str) -> None:
    """Whatever stands next to a token, other than more hex digits, it is taken out."""
    kept = "".join(letter for letter in around if letter not in "0123456789abcdefABCDEF")
    assert token not in Redactor()(f"{kept} {token} {kept}")


def test_tracebacks_are_redacted_too() -> None:
    """An exception's own text often quotes what it choked on."""
    try:
        raise ValueError(f"bad token {TOKEN}")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "it broke", None, sys.exc_info()
        )
    line = RedactingFormatter("%(message)s").format(record)
    assert TOKEN not in line
    assert "[token]" in line


def test_libraries_stay_quiet_even_when_verbose() -> None:
    """urllib3 and twilio log addresses and parameters below WARNING; --verbose is ours alone."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    loud = logging.raiseExceptions
    try:
        configure_logging(verbose=True)
        assert logging.getLogger("redcap_jobs.run").isEnabledFor(logging.DEBUG)
        assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.INFO)
        assert all(isinstance(h.formatter, RedactingFormatter) for h in root.handlers)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logging.raiseExceptions = loud
        logging.getLogger("redcap_jobs").setLevel(logging.NOTSET)


def test_a_line_that_cannot_be_written_is_not_printed_by_python(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """logging's own report of it holds the line's parts as they were given."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr(logging, "raiseExceptions", True)
    try:
        configure_logging(verbose=False)
        logging.getLogger("redcap_jobs").error("%d texts to", "+12025550123")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logging.getLogger("redcap_jobs").setLevel(logging.NOTSET)
    assert "2025550123" not in capsys.readouterr().err


@pytest.mark.parametrize("number", ["2025550123", "12025550123", "442079460958"])
def test_a_bare_number_is_taken_out_of_what_others_wrote(number: str) -> None:
    """A refusal of REDCap's or a person's reason may hold a phone; a record id of ours stays."""
    for around in ("{}", "asked by {}.", 'the value "{}" is not valid', "{}, then nothing"):
        said = around.format(number)
        assert redact_foreign(said) == around.format("[number]")
        assert Redactor()(said) == said


@pytest.mark.parametrize("said", ["record 100123456", "since 2026-11-24", "SM2025550123aa", "3.14"])
def test_other_numbers_of_others_stay(said: str) -> None:
    """Shorter numbers, dates and SIDs are no phones."""
    assert redact_foreign(said) == said


def test_a_refusal_of_redcaps_is_told_without_a_phone() -> None:
    """REDCap quotes what it refuses, as people entered it."""
    call = Call("REDCAP_API_X", "record")
    refused = refusal(call, 400, "2025550123 or (202) 555-0123 is no phone")
    assert str(refused).endswith("HTTP 400: [number] or [phone] is no phone")


def test_a_reason_is_kept_without_a_phone() -> None:
    """What a person types after --reason stands in the state."""
    assert checked("rang from 2025550123") == "rang from [number]"
