"""Users over raw HTTP: export, import, delete."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from json_calls import COMMON_RIGHTS, get, one_user, put, refused
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.project import Settings
from redcap_jobs.sandbox.server import Sandbox

ABOUT = [
    *("username", "email", "firstname", "lastname", "expiration", "data_access_group"),
    "data_access_group_id",
]
FORMS = ("enrolment", "visit", "drugs", "diary")


def test_the_columns_of_a_user(longitudinal: Caller) -> None:
    """Names and order recorded from 14.x; rights are numbers, forms objects with a code each."""
    (row,) = get(longitudinal, "user")
    assert list(row) == [
        *ABOUT,
        *COMMON_RIGHTS,
        *("lock_records_all_forms", "lock_records", "lock_records_customization"),
        *("forms", "forms_export"),
    ]
    assert (row["username"], row["expiration"], row["data_access_group_id"]) == (
        *("data_manager", ""),
        "",
    )
    assert all(row[name] == 1 for name in COMMON_RIGHTS)
    assert row["forms"] == row["forms_export"] == dict.fromkeys(FORMS, 1)


def test_randomization_adds_its_rights() -> None:
    """random_setup, random_dashboard and random_perform only where it is enabled."""
    project = trial()
    project.change(settings=Settings(randomization_enabled=True))
    with Sandbox([project]) as sandbox:
        (row,) = get(Caller(sandbox.url, project.token), "user")
    assert list(row)[-5:-2] == ["random_setup", "random_dashboard", "random_perform"]


def test_users_in_csv_and_xml(longitudinal: Caller) -> None:
    """Forms are one quoted cell in csv and an element each in xml."""
    text = longitudinal.post(content="user", format="csv").text
    header, line = csv.reader(io.StringIO(text))
    assert dict(zip(header, line, strict=True))["forms"] == ("enrolment:1,visit:1,drugs:1,diary:1")
    assert '"enrolment:1,visit:1,drugs:1,diary:1"' in text
    xml = longitudinal.post(content="user", format="xml").text
    assert re.search(r"<forms_export><enrolment><!\[CDATA\[1\]\]></enrolment><visit>", xml)


@pytest.mark.parametrize("format_", ["csv", "json", "xml"])
def test_what_is_exported_can_be_imported(longitudinal: Caller, format_: str) -> None:
    """Export, import, export: equal, and the number of users (redcapAPI's tests)."""
    put(longitudinal, "user", [{"username": "nurse", "forms": {"visit": 2}, "lock_records": 2}])
    before = longitudinal.post(content="user", format=format_).text
    answer = longitudinal.post(content="user", format=format_, data=before)
    assert (answer.status_code, answer.text) == (200, "2")
    assert longitudinal.post(content="user", format=format_).text == before


def test_a_new_user_has_what_is_sent_and_nothing_else(longitudinal: Caller) -> None:
    """The name need not be known to the server: PyCap and REDCap.jl invent theirs."""
    rows = [{"username": "ann@example.org", "design": 1, "forms": {"visit": 3}}]
    assert put(longitudinal, "user", rows) == "1"
    row = one_user(longitudinal, "ann@example.org")
    assert row["design"] == 1
    assert all(row[name] == 0 for name in COMMON_RIGHTS if name != "design")
    assert row["forms"] == {"enrolment": 0, "visit": 3, "drugs": 0, "diary": 0}
    assert row["forms_export"] == dict.fromkeys(FORMS, 0)


def test_a_known_user_keeps_what_is_not_sent(longitudinal: Caller) -> None:
    """REDCap.jl takes rights off one by one, in csv and json."""
    data = "username,calendar,data_quality_create\ndata_manager,0,0\n"
    assert longitudinal.post(content="user", format="csv", data=data).text == "1"
    put(longitudinal, "user", [{"username": "data_manager", "email_logging": 0}])
    row = one_user(longitudinal, "data_manager")
    off = [name for name in COMMON_RIGHTS if row[name] == 0]
    assert off == ["calendar", "email_logging", "data_quality_create"]
    assert row["forms"] == dict.fromkeys(FORMS, 1)


def test_forms_left_out_of_the_column_are_closed(longitudinal: Caller) -> None:
    """As redcapAPI's test shows for a blank ``forms_export``; a column not sent changes nothing."""
    data = 'username,forms_export\ndata_manager,"visit:2"\n'
    longitudinal.post(content="user", format="csv", data=data)
    row = one_user(longitudinal, "data_manager")
    assert row["forms_export"] == {"enrolment": 0, "visit": 2, "drugs": 0, "diary": 0}
    assert row["forms"] == dict.fromkeys(FORMS, 1)
    put(longitudinal, "user", [{"username": "data_manager", "data_export": 3}])
    assert one_user(longitudinal, "data_manager")["forms_export"] == dict.fromkeys(FORMS, 3)


def test_a_group_is_set_by_its_unique_name_and_lost_without_it(longitudinal: Caller) -> None:
    """An import without data_access_group takes the user out of it (redcapAPI issue 500)."""
    rows = [{"username": "nurse", "data_access_group": "south_clinic", "expiration": "2027-01-31"}]
    put(longitudinal, "user", rows)
    row = one_user(longitudinal, "nurse")
    assert [row[name] for name in ABOUT[-3:]] == ["2027-01-31", "south_clinic", 21]
    put(longitudinal, "user", [{"username": "nurse", "expiration": ""}])
    row = one_user(longitudinal, "nurse")
    assert [row[name] for name in ABOUT[-3:]] == ["", "", ""]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"design": 1}, "Every user needs a username"),
        ({"username": "x!"}, 'The username "x!"'),
        ({"username": "x", "design": 5}, 'The value "5" is not valid for "design"'),
        ({"username": "x", "forms": {"visit": 9}}, 'The value "9" is not valid'),
        ({"username": "x", "expiration": "01/31/2027"}, "YYYY-MM-DD"),
        ({"username": "x", "data_access_group": "nowhere"}, '"nowhere" does not exist'),
        ({"username": "x", "data_access_group": 0}, '"0" does not exist'),
        (
            {"username": "x", "forms": {"other": 1}},
            (
                'The form named "other" is incorrect for the user "x" The form does not exist in '
                "this project."
            ),
        ),
    ],
)
def test_a_wrong_user_spoils_the_import(
    longitudinal: Caller, row: dict[str, Any], words: str
) -> None:
    """400, and nobody of the import is added."""
    assert words in refused(longitudinal, "user", [{"username": "good"}, row])
    assert [user["username"] for user in get(longitudinal, "user")] == ["data_manager"]


def test_a_user_is_deleted_with_their_token(server: Sandbox, longitudinal: Caller) -> None:
    """The number of users; nobody has the token then."""
    nurse = Caller(server.url, server.project(901).add_user(user("nurse")))
    assert nurse.post(content="version").status_code == 200
    response = longitudinal.post(content="user", action="delete", users=["nurse"], format="json")
    assert (response.status_code, response.text) == (200, "1")
    assert nurse.post(content="version").status_code == 403
    again = longitudinal.post(content="user", action="delete", users=["nurse"], format="json")
    assert again.status_code == 400
    assert "'nurse'" in again.json()["error"]


def test_nobody_deletes_themselves(longitudinal: Caller) -> None:
    """This sandbox's own answer: a project without any token would be out of reach."""
    response = longitudinal.post(content="user", action="delete", users=["data_manager"])
    assert response.status_code == 400
    assert longitudinal.post(content="version").status_code == 200
