"""Only cells whose stored value differs are written."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_projects import rows

from redcap_jobs.plan import CHANGE_COLUMNS, KEYS
from redcap_jobs.redcap.records import changed_cells

CURRENT = rows("""
record event   repeat_instrument repeat_instance target     state consent___1
1      m2_arm_1 .                .               2025-03-01 due   1
1      m2_arm_1 visit            2               2025-05-01 .     .
2      m2_arm_1 .                .               .          due   0
""")


def cells(text: str) -> pd.DataFrame:
    """Read desired cells: ``record instance field new``; instance ``.`` is the plain row."""
    frame = rows(text)
    frame["event"] = "m2_arm_1"
    frame["repeat_instance"] = frame["instance"]
    frame["repeat_instrument"] = frame["instance"].where(frame["instance"] == "", "visit")
    return frame[[*KEYS, "field", "new"]].astype("str")


def changes(text: str) -> list[tuple[str, ...]]:
    changed = changed_cells(cells(text), CURRENT)
    assert list(changed.columns) == CHANGE_COLUMNS
    assert list(changed.index) == list(range(len(changed)))
    return list(
        changed[["record", "repeat_instance", "field", "old", "new"]].itertuples(
            index=False, name=None
        )
    )


def test_cells_that_hold_the_value_are_left_alone() -> None:
    """Equal text is no change, also blank to blank and in a row that does not exist."""
    unchanged = "record instance field new\n1 . target 2025-03-01\n1 2 state .\n9 . state ."
    assert changes(unchanged) == []


def test_a_changed_cell_carries_old_and_new() -> None:
    """Overwriting, filling, erasing, and a record or instance not there yet."""
    desired = """
    record instance field  new
    1      .        target 2025-03-02
    2      .        target 2025-03-03
    2      .        state  .
    1      2        target 2025-05-02
    1      3        target 2025-06-02
    9      .        state  due
    """
    assert changes(desired) == [
        ("1", "", "target", "2025-03-01", "2025-03-02"),
        ("2", "", "target", "", "2025-03-03"),
        ("2", "", "state", "due", ""),
        ("1", "2", "target", "2025-05-01", "2025-05-02"),
        ("1", "3", "target", "", "2025-06-02"),
        ("9", "", "state", "", "due"),
    ]


def test_an_untouched_checkbox_is_unticked() -> None:
    """'' and '0' are the same there, and only there."""
    desired = "record instance field new\n1 2 consent___1 0\n2 . consent___1 .\n1 . consent___1 0\n1 2 state 0"
    assert changes(desired) == [
        ("1", "", "consent___1", "1", "0"),
        ("1", "2", "state", "", "0"),
    ]


def test_text_is_compared_as_stored() -> None:
    """Text "2" is not "2.0": what is stored is what was asked for."""
    current = rows("record state\n1 2")
    desired = current[KEYS].assign(field="state", new="2.0")
    assert len(changed_cells(desired, current)) == 1


def test_a_field_that_was_not_read_is_no_blank() -> None:
    """Otherwise every cell would look changed."""
    with pytest.raises(LookupError, match="closes"):
        changes("record instance field new\n1 . closes 2025-03-02")


def test_a_cell_has_one_new_value() -> None:
    """Two wishes for one cell are a fault of the plan."""
    with pytest.raises(ValueError, match="twice"):
        changes("record instance field new\n1 . state due\n1 . state done")


def test_nothing_desired_nothing_changed() -> None:
    """An empty wish gives an empty changes frame, also over an empty export."""
    empty = changed_cells(cells("record instance field new"), CURRENT)
    assert list(empty.columns) == CHANGE_COLUMNS
    assert empty.empty
    first = changed_cells(cells("record instance field new\n1 . state due"), CURRENT.iloc[:0])
    assert list(first["new"]) == ["due"]


small = st.sampled_from(["", "0", "1", "2025-01-01"])
places = st.tuples(st.sampled_from("123"), st.sampled_from(["", "1", "2"]))


@given(
    st.dictionaries(places, st.tuples(small, small), min_size=1, max_size=9),
    st.dictionaries(st.tuples(places, st.sampled_from(["target", "state"])), small, max_size=12),
)
def test_writing_the_changes_leaves_nothing_to_change(
    stored: dict[tuple[str, str], tuple[str, str]],
    wished: dict[tuple[tuple[str, str], str], str],
) -> None:
    """Applied to what is stored, the changes give what is desired and touch nothing else."""
    before = {
        (place, name): value
        for place, values in stored.items()
        for name, value in zip(("target", "state"), values, strict=True)
    }
    desired = pd.DataFrame(
        [[record, "m2_arm_1", "visit" if at else "", at, name, new]
         for ((record, at), name), new in wished.items()],
        columns=[*KEYS, "field", "new"], dtype="str",
    )  # fmt: skip
    after = dict(before)
    for change in changed_cells(desired, as_rows(before)).itertuples():
        cell = ((change.record, change.repeat_instance), change.field)
        assert before.get(cell, "") == change.old != change.new
        after[cell] = change.new
    assert {cell: value for cell, value in after.items() if value} == {
        cell: value for cell, value in (before | wished).items() if value
    }
    assert changed_cells(desired, as_rows(after)).empty


def as_rows(values: dict[tuple[tuple[str, str], str], str]) -> pd.DataFrame:
    places = dict.fromkeys(place for place, _ in values)
    return pd.DataFrame(
        [[record, "m2_arm_1", "visit" if at else "", at,
          values.get(((record, at), "target"), ""), values.get(((record, at), "state"), "")]
         for record, at in places],
        columns=[*KEYS, "target", "state"], dtype="str",
    )  # fmt: skip
