"""Arms, events and what repeats: imports, deletions, the longitudinal switch, unique names."""

from __future__ import annotations

import pytest
from json_calls import Rows, get, info, put, refused
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.project import Settings
from redcap_jobs.sandbox.schedule import unique_event_name
from redcap_jobs.sandbox.server import Sandbox


def names(caller: Caller) -> list[str]:
    """Return the unique event names."""
    return [event["unique_event_name"] for event in get(caller, "event")]


def test_an_arm_is_added_or_renamed_by_its_number(longitudinal: Caller) -> None:
    """The answer is the number of rows; an arm shows once it has an event (PyCap's tests)."""
    rows = [{"arm_num": 1, "name": "Drug Alpha"}, {"arm_num": 7, "name": "Drug C"}]
    assert put(longitudinal, "arm", rows) == "2"
    assert [arm["name"] for arm in get(longitudinal, "arm")] == ["Drug Alpha", "Drug B"]
    assert put(longitudinal, "event", [{"event_name": "new_event", "arm_num": "7"}]) == "1"
    assert get(longitudinal, "arm")[-1] == {"arm_num": 7, "name": "Drug C"}


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        ("csv", "arm_num,name\n1,Alpha\n"),
        ("xml", "<arms><item><arm_num>1</arm_num><name>Alpha</name></item></arms>"),
        ("json", '{"arm_num":1,"name":"Alpha"}'),
    ],
)
def test_arms_in_each_format(longitudinal: Caller, format_: str, data: str) -> None:
    """csv, xml, and a single JSON object; the bare number comes back in every format."""
    response = longitudinal.post(content="arm", action="import", format=format_, data=data)
    assert (response.status_code, response.text) == (200, "1")
    assert get(longitudinal, "arm")[0]["name"] == "Alpha"


def test_override_wipes_arms_events_and_mappings(longitudinal: Caller) -> None:
    """As PyCap's test does: wipe, then events and mappings of before are imported again."""
    events, mapping = get(longitudinal, "event"), get(longitudinal, "formEventMapping")
    repeating = get(longitudinal, "repeatingFormsEvents")
    data = longitudinal.export()
    arms = [{"arm_num": 1, "name": "Drug A"}, {"arm_num": 2, "name": "Drug B"}]
    assert put(longitudinal, "arm", arms, override=1) == "2"
    assert info(longitudinal)["is_longitudinal"] == 0
    assert put(longitudinal, "event", events) == str(len(events))
    assert get(longitudinal, "formEventMapping") == []
    assert info(longitudinal)["is_longitudinal"] == 1
    assert put(longitudinal, "formEventMapping", mapping) == str(len(mapping))
    assert put(longitudinal, "repeatingFormsEvents", repeating) == str(len(repeating))
    assert get(longitudinal, "formEventMapping") == mapping
    assert longitudinal.export() == data


def test_events_override_wipes_events_only(longitudinal: Caller) -> None:
    """All events are replaced, arms stay (redcapAPI's tests)."""
    rows = [{"event_name": "event_10", "arm_num": 1}, {"event_name": "event_11", "arm_num": 2}]
    assert put(longitudinal, "event", rows, override=1) == "2"
    assert names(longitudinal) == ["event_10_arm_1", "event_11_arm_2"]
    assert [arm["arm_num"] for arm in get(longitudinal, "arm")] == [1, 2]


def test_a_known_unique_name_changes_an_event_in_its_place(longitudinal: Caller) -> None:
    """A new name gives a new unique name; mapping, repeating set-up and rows follow it."""
    before = names(longitudinal)
    rows = longitudinal.export()
    event = {"event_name": "Seventh Day", "arm_num": 1, "unique_event_name": "week_1_arm_1"}
    assert put(longitudinal, "event", [event]) == "1"
    now = ["seventh_day_arm_1" if name == "week_1_arm_1" else name for name in before]
    assert names(longitudinal) == now
    assert {"seventh_day_arm_1"} == {
        row["event_name"] for row in get(longitudinal, "repeatingFormsEvents") if row["form_name"]
    }
    renamed = [
        row
        | {
            "redcap_event_name": row["redcap_event_name"].replace(
                "week_1_arm_1", "seventh_day_arm_1"
            )
        }
        for row in rows
    ]
    assert longitudinal.export() == renamed


def test_renaming_an_event_touches_no_record(server: Sandbox, longitudinal: Caller) -> None:
    """A date range tells changed records: one whose event was renamed was not changed."""
    event = {"event_name": "Seventh Day", "arm_num": 1, "unique_event_name": "week_1_arm_1"}
    stamps = {name: one.touched for name, one in server.project(901).store.current.records.items()}
    put(longitudinal, "event", [event])
    after = server.project(901).store.current.records
    assert {name: one.touched for name, one in after.items()} == stamps


def test_an_unknown_unique_name_is_a_new_event(longitudinal: Caller) -> None:
    """Its own unique name is made anew (redcapAPI's tests import a mistyped one)."""
    event = {"event_name": "Week 2", "arm_num": 1, "unique_event_name": "week_2_arm_9"}
    put(longitudinal, "event", [event])
    assert "week_2_arm_1" in names(longitudinal)


def test_events_stand_by_arm_and_day_offset(longitudinal: Caller) -> None:
    """An event without an offset is its arm's last; one with an offset goes where it belongs."""
    late, early = {"event_name": "Late"}, {"event_name": "Early", "day_offset": 3}
    put(longitudinal, "event", [late | {"arm_num": 1}, early | {"arm_num": 1}])
    assert names(longitudinal) == [
        *("start_arm_1", "early_arm_1", "week_1_arm_1", "diary_arm_1", "late_arm_1"),
        *("start_arm_2", "week_1_arm_2"),
    ]


def test_event_ids_are_kept_and_never_used_again(longitudinal: Caller) -> None:
    """Every new event has an id of its own."""
    before = {event["unique_event_name"]: event["event_id"] for event in get(longitudinal, "event")}
    put(longitudinal, "event", [{"event_name": "Week 2", "arm_num": 2}])
    after = {event["unique_event_name"]: event["event_id"] for event in get(longitudinal, "event")}
    assert after.pop("week_2_arm_2") not in before.values()
    assert after == before


@pytest.mark.parametrize(
    ("name", "unique"),
    [
        ("XYZ", "xyz_arm_2"),
        ("Screening & Enrollment", "screening__enrollm_arm_2"),
        ("Deadline to opt out of study", "deadline_to_opt_ou_arm_2"),
        ("Start", "start_arm_2b"),
        ("Начало", "event_arm_2"),
    ],
)
def test_unique_names(longitudinal: Caller, name: str, unique: str) -> None:
    """Recorded: 18 signs, other signs dropped, ``_arm_N``, a letter for a name used before."""
    put(longitudinal, "event", [{"event_name": name, "arm_num": 2}])
    assert unique in names(longitudinal)


def test_the_third_of_a_name_is_c() -> None:
    """b, c, ... z, and numbers for whoever has still more."""
    taken: list[str] = []
    for _ in range(28):
        taken.append(unique_event_name("Visit", 1, taken))
    assert taken[:3] == ["visit_arm_1", "visit_arm_1b", "visit_arm_1c"]
    assert taken[-3:] == ["visit_arm_1z", "visit_arm_12", "visit_arm_13"]


def test_a_deleted_event_takes_its_data_along(longitudinal: Caller) -> None:
    """As the API help warns; a record that has no other data is gone, and nothing comes back."""
    response = longitudinal.post(content="event", action="delete", events=["start_arm_2"])
    assert (response.status_code, response.text) == (200, "1")
    assert "start_arm_2" not in names(longitudinal)
    assert {row["record_id"] for row in longitudinal.export(fields=["record_id"])} == {"10"}
    put(longitudinal, "event", [{"event_name": "Start", "arm_num": 2}])
    assert {row["record_id"] for row in longitudinal.export(fields=["record_id"])} == {"10"}


def test_a_deleted_arm_takes_events_and_data_along(longitudinal: Caller) -> None:
    """Number of arms in the answer; mapping and records of the arm are gone."""
    response = longitudinal.post(content="arm", action="delete", arms=["2"], format="json")
    assert (response.status_code, response.text) == (200, "1")
    assert [arm["arm_num"] for arm in get(longitudinal, "arm")] == [1]
    assert {row["arm_num"] for row in get(longitudinal, "formEventMapping")} == {1}
    assert {row["record_id"] for row in longitudinal.export(fields=["record_id"])} == {"10"}


def test_without_events_a_project_is_not_longitudinal(longitudinal: Caller) -> None:
    """is_longitudinal is computed: 0 once the last event is deleted (redcapAPI's tests)."""
    longitudinal.post(content="arm", action="delete", arms=["1", "2"])
    assert info(longitudinal)["is_longitudinal"] == 0
    response = longitudinal.post(content="event", format="json")
    assert response.json() == {"error": "You cannot export events for classic projects"}


def test_a_classic_project_takes_arms_and_events_and_waits_for_the_switch(classic: Caller) -> None:
    """In this order redcapAPI's tests record it: arms, events, still classic; then the switch."""
    assert (
        put(classic, "arm", [{"arm_num": 1, "name": "One"}, {"arm_num": 2, "name": "Two"}]) == "2"
    )
    events = [{"event_name": "event_1", "arm_num": arm} for arm in (1, 2)]
    assert put(classic, "event", events) == "2"
    assert info(classic)["is_longitudinal"] == 0
    for content in ("arm", "event", "formEventMapping"):
        assert classic.post(content=content, format="json").status_code == 400
    assert put(classic, "project_settings", [{"is_longitudinal": 1}]) == "1"
    assert info(classic)["is_longitudinal"] == 1
    assert names(classic) == ["event_1_arm_1", "event_1_arm_2"]
    put(classic, "project_settings", [{"is_longitudinal": 0}])
    assert info(classic)["is_longitudinal"] == 0
    put(classic, "project_settings", [{"is_longitudinal": 1}])
    assert names(classic) == ["event_1_arm_1", "event_1_arm_2"]


def test_the_switch_before_the_events(classic: Caller) -> None:
    """Switched but without events: still 0; the first import of events makes it 1."""
    put(classic, "project_settings", [{"is_longitudinal": 1}])
    put(classic, "arm", [{"arm_num": 1, "name": "One"}])
    assert info(classic)["is_longitudinal"] == 0
    put(classic, "event", [{"event_name": "First", "arm_num": 1}])
    assert info(classic)["is_longitudinal"] == 1


@pytest.mark.parametrize("switch_first", [True, False])
def test_a_classic_projects_data_stand_on_the_first_event(
    classic: Caller, *, switch_first: bool
) -> None:
    """Going longitudinal the rows move to the first event, going classic they come back."""
    classic.send([{"id": "1", "name": "Ann", "langs___en": "1"}])
    before = classic.export()
    if switch_first:
        put(classic, "project_settings", [{"is_longitudinal": 1}])
    put(classic, "arm", [{"arm_num": 1, "name": "One"}])
    put(classic, "event", [{"event_name": name, "arm_num": 1} for name in ("First", "Second")])
    put(classic, "project_settings", [{"is_longitudinal": 1}])
    (row,) = classic.export()
    assert row.pop("redcap_event_name") == "first_arm_1"
    assert [row] == before
    put(classic, "project_settings", [{"is_longitudinal": 0}])
    assert classic.export() == before


@pytest.mark.parametrize(
    ("content", "rows", "words"),
    [
        ("arm", [{"arm_num": "one", "name": "x"}], "arm_num must be a whole number"),
        ("arm", [{"arm_num": 5}], "The arm 5 has no name"),
        ("event", [{"arm_num": 1}], "event_name"),
        ("event", [{"event_name": "x", "arm_num": 9}], "arm_num do not exist: 9"),
        ("event", [{"event_name": "x", "arm_num": 1, "day_offset": "soon"}], "day_offset"),
        ("formEventMapping", [{"unique_event_name": "x", "form": "visit"}], "x: visit"),
        ("repeatingFormsEvents", [{"event_name": "x", "form_name": ""}], "not valid: x: "),
        (
            "repeatingFormsEvents",
            [{"event_name": "start_arm_1", "form_name": "drugs"}],
            "start_arm_1: drugs",
        ),
        (
            "repeatingFormsEvents",
            [
                {"event_name": "start_arm_1", "form_name": "visit"},
                {"event_name": "start_arm_1", "form_name": ""},
            ],
            "start_arm_1: visit",
        ),
    ],
)
def test_a_wrong_import_is_refused_whole(
    longitudinal: Caller, content: str, rows: Rows, words: str
) -> None:
    """One wrong row, and nothing of the import is taken on."""
    before = get(longitudinal, content)
    good = before[:1] if content != "event" else [{"event_name": "Good", "arm_num": 1}]
    assert words in refused(longitudinal, content, [*good, *rows])
    assert get(longitudinal, content) == before


@pytest.mark.parametrize(
    ("content", "name", "value"), [("arm", "arms", "9"), ("event", "events", "nowhere_arm_1")]
)
def test_what_does_not_exist_cannot_be_deleted(
    longitudinal: Caller, content: str, name: str, value: str
) -> None:
    """400 with the name; the same without any name."""
    for parameters in ({name: [value]}, {}):
        response = longitudinal.post(content=content, action="delete", format="json", **parameters)
        assert response.status_code == 400
        assert f'"{name}"' in response.json()["error"]


def test_production_takes_nothing_that_destroys() -> None:
    """override=1 and deletions are for development (API help); additions are not refused."""
    project = trial()
    project.change(settings=Settings(in_production=True))
    with Sandbox([project]) as sandbox:
        caller = Caller(sandbox.url, project.token)
        arms = [{"arm_num": 1, "name": "x"}]
        assert "in production" in refused(caller, "arm", arms, override=1)
        for content, what in (("arm", {"arms": ["1"]}), ("event", {"events": ["start_arm_1"]})):
            response = caller.post(content=content, action="delete", format="json", **what)
            assert response.status_code == 400
            assert "in production" in response.json()["error"]
        assert put(caller, "arm", arms) == "1"


def test_a_classic_project_has_no_arms_to_delete(classic: Caller) -> None:
    """In the words of the recorded refusal of exports (own answer)."""
    response = classic.post(content="arm", action="delete", arms=["1"], format="json")
    assert response.json() == {"error": "You cannot delete arms for classic projects"}
