"""Fingerprints notice change without keeping values, and only under the state's own key."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.errors import CredentialsError, ExitCode, StateError
from redcap_jobs.state.fingerprint import Fingerprinter, check_key
from redcap_jobs.state.store import Store

KEY, OTHER = "a1" * 32, "b2" * 32
FRAME = pd.DataFrame(
    {"anchor": ["2026-07-01", "2026-07-01", ""], "done": ["", "2026-09-01", "2026-07-01"]},
    index=[5, 3, 9],
).astype("str")


PINNED = ["ee70228c07b8d0df", "3ee04e631cfdddbc", "38d8ef535c7a893b"]
PINNED_PHONE = "f84921f48fc172537eebda7d2d9de06d"


def test_equal_rows_and_only_equal_rows_have_equal_fingerprints() -> None:
    """A value that moves to another column is another fact; the index is kept."""
    marks = Fingerprinter(KEY)(FRAME)
    assert marks.nunique() == 3
    assert list(marks.index) == [5, 3, 9]
    assert marks.dtype == "str"
    assert marks.equals(Fingerprinter(KEY)(FRAME.copy()))


def test_fingerprints_do_not_change_between_releases() -> None:
    """What stands in a state must be recognised by the next release: these are fixed values."""
    assert list(Fingerprinter(KEY)(FRAME)) == PINNED
    assert Fingerprinter(KEY).one("+12025550123", "phone") == PINNED_PHONE


def test_the_names_of_the_columns_count() -> None:
    """The same values under another field's name are not the same facts."""
    renamed = FRAME.rename(columns={"done": "visit_date"})
    assert set(Fingerprinter(KEY)(FRAME)).isdisjoint(Fingerprinter(KEY)(renamed))


def test_another_key_gives_other_fingerprints() -> None:
    """Who has the state but not the key cannot try out values."""
    assert set(Fingerprinter(KEY)(FRAME)).isdisjoint(Fingerprinter(OTHER)(FRAME))
    assert Fingerprinter(KEY).one("x") != Fingerprinter(OTHER).one("x")


def test_no_rows_and_no_columns_are_no_special_case() -> None:
    """An empty plan is fingerprinted like any other."""
    empty = Fingerprinter(KEY)(FRAME.head(0))
    assert empty.empty
    assert pd.api.types.is_string_dtype(empty)
    assert Fingerprinter(KEY)(FRAME[[]]).unique().size == 1


def test_kinds_keep_equal_texts_apart() -> None:
    """A phone and a body that read alike are not the same thing."""
    mark = Fingerprinter(KEY)
    assert len({mark.one("x", "phone"), mark.one("x", "body"), mark.one("x")}) == 3


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=30))
def test_fingerprints_agree_exactly_when_rows_do(rows: list[tuple[str, str]]) -> None:
    """For any text REDCap can hold (no control characters), in any script."""
    clean = [tuple(cell.replace("\x1f", "") for cell in row) for row in rows]
    frame = pd.DataFrame(clean, columns=["a", "b"]).astype("str")
    marks = Fingerprinter(KEY)(frame)
    assert marks.nunique() == len(set(clean))
    assert marks.str.fullmatch("[0-9a-f]{16}").all()


def test_a_whole_study_is_fingerprinted_at_once() -> None:
    """100,000 rows of 6 columns take under 1 s of CPU."""
    large = pd.concat([FRAME] * 33_334, ignore_index=True)
    large = large.assign(c=large["done"], d="1", e=large.index.astype("str"), f="")
    before = time.process_time()
    assert Fingerprinter(KEY)(large.astype("str")).nunique() == len(large)
    assert time.process_time() - before < 1


@pytest.mark.parametrize("key", [None, "", "too short"])
def test_no_key_is_one_clear_refusal(key: str | None) -> None:
    """Exit 3; names the variable and the command that writes it, never the key."""
    with pytest.raises(CredentialsError, match=r"REDCAP_JOBS_HASH_KEY.*state init") as caught:
        Fingerprinter(key)
    assert caught.value.exit_code == ExitCode.SETUP
    assert "too short" not in str(caught.value)


def test_a_state_keeps_to_one_key(store: Store) -> None:
    """With another key a cap or an opt-out would not be recognised: refused, key not stored."""
    check_key(store, Fingerprinter(KEY))
    check_key(store, Fingerprinter(KEY))
    with pytest.raises(StateError, match="REDCAP_JOBS_HASH_KEY is not the key"):
        check_key(store, Fingerprinter(OTHER))
    with store.read() as connection:
        kept = connection.exec_driver_sql("select value from meta").scalars().all()
    assert KEY not in kept
