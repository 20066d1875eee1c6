"""Users and roles over raw HTTP: export, import, delete, who has which role."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
from sandbox_projects import Caller, trial

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.project import Settings
from redcap_jobs.sandbox.server import Sandbox

Rows = list[dict[str, Any]]
ABOUT = [
    *("username", "email", "firstname", "lastname", "expiration", "data_access_group"),
    "data_access_group_id",
]
RIGHTS = [
    *("design", "alerts", "user_rights", "data_access_groups", "reports", "stats_and_charts"),
    *("manage_survey_participants", "calendar", "data_import_tool", "data_comparison_tool"),
    *("logging", "email_logging", "file_repository", "data_quality_create"),
    *("data_quality_execute", "api_export", "api_import", "api_modules", "mobile_app"),
    *("mobile_app_download_data", "record_create", "record_rename", "record_delete"),
]
FORMS = ("enrolment", "visit", "drugs", "diary")


def get(caller: Caller, content: str) -> Rows:
    """Export JSON rows."""
    response = caller.post(content=content, format="json")
    assert response.status_code == 200, response.text
    rows: Rows = response.json()
    return rows


def put(caller: Caller, content: str, rows: Any, **parameters: Any) -> str:
    """Import JSON rows and return the answer's text, which must be of a success."""
    response = caller.post(content=content, format="json", data=json.dumps(rows), **parameters)
    assert response.status_code == 200, response.text
    return response.text


def refused(caller: Caller, content: str, rows: Any, **parameters: Any) -> str:
    """Import JSON rows that must be refused with 400, and return the text."""
    response = caller.post(content=content, format="json", data=json.dumps(rows), **parameters)
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


def one(caller: Caller, username: str) -> dict[str, Any]:
    """Return one user's row."""
    (found,) = [row for row in get(caller, "user") if row["username"] == username]
    return found


def new_role(caller: Caller, **cells: Any) -> str:
    """Make a role and return its unique name."""
    assert put(caller, "userRole", [{"role_label": "Nurse", **cells}]) == "1"
    return str(get(caller, "userRole")[-1]["unique_role_name"])


def test_the_columns_of_a_user(longitudinal: Caller) -> None:
    """Names and order recorded from 14.x; rights are numbers, forms objects with a code each."""
    (row,) = get(longitudinal, "user")
    assert list(row) == [
        *ABOUT,
        *RIGHTS,
        *("lock_records_all_forms", "lock_records", "lock_records_customization"),
        *("forms", "forms_export"),
    ]
    assert (row["username"], row["expiration"], row["data_access_group_id"]) == (
        *("data_manager", ""),
        "",
    )
    assert all(row[name] == 1 for name in RIGHTS)
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
    row = one(longitudinal, "ann@example.org")
    assert row["design"] == 1
    assert all(row[name] == 0 for name in RIGHTS if name != "design")
    assert row["forms"] == {"enrolment": 0, "visit": 3, "drugs": 0, "diary": 0}
    assert row["forms_export"] == dict.fromkeys(FORMS, 0)


def test_a_known_user_keeps_what_is_not_sent(longitudinal: Caller) -> None:
    """REDCap.jl takes rights off one by one, in csv and json."""
    data = "username,calendar,data_quality_create\ndata_manager,0,0\n"
    assert longitudinal.post(content="user", format="csv", data=data).text == "1"
    put(longitudinal, "user", [{"username": "data_manager", "email_logging": 0}])
    row = one(longitudinal, "data_manager")
    off = [name for name in RIGHTS if row[name] == 0]
    assert off == ["calendar", "email_logging", "data_quality_create"]
    assert row["forms"] == dict.fromkeys(FORMS, 1)


def test_forms_left_out_of_the_column_are_closed(longitudinal: Caller) -> None:
    """As redcapAPI's test shows for a blank ``forms_export``; a column not sent changes nothing."""
    data = 'username,forms_export\ndata_manager,"visit:2"\n'
    longitudinal.post(content="user", format="csv", data=data)
    row = one(longitudinal, "data_manager")
    assert row["forms_export"] == {"enrolment": 0, "visit": 2, "drugs": 0, "diary": 0}
    assert row["forms"] == dict.fromkeys(FORMS, 1)
    put(longitudinal, "user", [{"username": "data_manager", "data_export": 3}])
    assert one(longitudinal, "data_manager")["forms_export"] == dict.fromkeys(FORMS, 3)


def test_a_group_is_set_by_its_unique_name_and_lost_without_it(longitudinal: Caller) -> None:
    """An import without data_access_group takes the user out of it (redcapAPI issue 500)."""
    rows = [{"username": "nurse", "data_access_group": "south_clinic", "expiration": "2027-01-31"}]
    put(longitudinal, "user", rows)
    row = one(longitudinal, "nurse")
    assert [row[name] for name in ABOUT[-3:]] == ["2027-01-31", "south_clinic", 21]
    put(longitudinal, "user", [{"username": "nurse", "expiration": ""}])
    row = one(longitudinal, "nurse")
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


def test_the_columns_of_a_role(longitudinal: Caller) -> None:
    """Rights are text here, codes of forms numbers; the unique name is the server's."""
    name = new_role(longitudinal, design=1, forms={"visit": 2})
    assert re.fullmatch(r"U-[A-Z0-9]{10}", name)
    (row,) = get(longitudinal, "userRole")
    assert list(row) == [
        *("unique_role_name", "role_label"),
        *RIGHTS,
        *("lock_records_customization", "lock_records", "lock_records_all_forms"),
        *("forms", "forms_export"),
    ]
    assert (row["design"], row["alerts"], row["forms"]["visit"]) == ("1", "0", 2)


def test_a_role_is_changed_by_its_unique_name(longitudinal: Caller) -> None:
    """What is not sent stays, the label too."""
    name = new_role(longitudinal, user_rights=1)
    put(longitudinal, "userRole", [{"unique_role_name": name, "reports": "1"}])
    (row,) = get(longitudinal, "userRole")
    assert (row["role_label"], row["user_rights"], row["reports"]) == ("Nurse", "1", "1")


def test_roles_with_forms_and_names_that_do_not_exist(longitudinal: Caller) -> None:
    """The refusal recorded by REDCap.jl: a line per form and column, the unknown roles last."""
    data = (
        "unique_role_name,role_label,design,forms,forms_export\n"
        'U-527D39JXAC,Data Entry,1,"day_3:1,visit:1","day_3:2"\n'
        'U-2119C4Y87T,Manager,0,"visit:0",""\n'
    )
    response = longitudinal.post(content="userRole", format="csv", data=data)
    line = (
        'The form named "day_3" is incorrect for the user role "U-527D39JXAC" The form does not '
        "exist in this project."
    )
    assert response.status_code == 400
    assert response.text == (
        f"ERROR: {line}\n{line}\nInvalid Unique Role Names: U-527D39JXAC, U-2119C4Y87T"
    )


def test_a_user_in_a_role_has_its_rights(server: Sandbox, longitudinal: Caller) -> None:
    """In the export (API help) and in what the token may do, until the role is taken away."""
    nurse = Caller(server.url, server.project(901).add_user(user("nurse")))
    name = new_role(longitudinal, api_import=1)
    rows = [{"username": "nurse", "unique_role_name": name}]
    assert put(longitudinal, "userRoleMapping", rows, action="import") == "1"
    assert one(longitudinal, "nurse")["design"] == 0
    refusal = nurse.post(content="record", format="json")
    assert refusal.json() == {"error": "You do not have API Export privileges"}
    assert get(longitudinal, "userRoleMapping")[-1] == {
        "username": "nurse",
        "unique_role_name": name,
        "data_access_group": "",
    }
    put(longitudinal, "userRoleMapping", [{"username": "nurse"}], action="import")
    assert nurse.post(content="record", format="json").status_code == 200


def test_rights_of_a_user_in_a_role_are_the_roles(longitudinal: Caller) -> None:
    """The refusal recorded in redcapAPI issue 144; a group may still be set."""
    put(longitudinal, "user", [{"username": "james-12345"}])
    name = new_role(longitudinal)
    mapping = [{"username": "james-12345", "unique_role_name": name}]
    put(longitudinal, "userRoleMapping", mapping, action="import")
    assert refused(longitudinal, "user", [{"username": "james-12345", "design": 1}]) == (
        'The user "james-12345" cannot have their user privileges modified because the user '
        "belongs to a user role. Users in roles cannot have their privileges modified via the "
        "'Import User' API method."
    )
    put(longitudinal, "user", [{"username": "james-12345", "data_access_group": "south_clinic"}])
    assert one(longitudinal, "james-12345")["data_access_group"] == "south_clinic"


def test_a_group_comes_with_a_role(longitudinal: Caller) -> None:
    """data_access_group may stand in the same row (API help); left out, it stays."""
    name = new_role(longitudinal)
    row = {"username": "data_manager", "unique_role_name": ""}
    put(longitudinal, "userRoleMapping", [row | {"data_access_group": "south_clinic"}])
    put(longitudinal, "userRoleMapping", [row])
    assert one(longitudinal, "data_manager")["data_access_group"] == "south_clinic"
    for wrong, words in (
        ({"username": "nobody", "unique_role_name": name}, '"nobody" does not exist'),
        (row | {"unique_role_name": "U-AAAAAAAAAA"}, "Invalid Unique Role Names: U-AAAAAAAAAA"),
        (row | {"data_access_group": "nowhere"}, '"nowhere" does not exist'),
    ):
        assert words in refused(longitudinal, "userRoleMapping", [wrong])
    assert "more than once" in refused(longitudinal, "userRoleMapping", [row, row])


def test_a_deleted_role_leaves_its_users_their_own_rights(
    server: Sandbox, longitudinal: Caller
) -> None:
    """The number of roles; own answer for the users."""
    nurse = Caller(server.url, server.project(901).add_user(user("nurse")))
    name = new_role(longitudinal)
    put(longitudinal, "userRoleMapping", [{"username": "nurse", "unique_role_name": name}])
    assert nurse.post(content="version").status_code == 403
    response = longitudinal.post(content="userRole", action="delete", roles=[name])
    assert (response.status_code, response.text) == (200, "1")
    assert get(longitudinal, "userRole") == []
    assert nurse.post(content="version").status_code == 200


def test_what_happens_to_people_is_logged(server: Sandbox, longitudinal: Caller) -> None:
    """Users and roles as kind ``user``, exports as Manage/Design; refusals leave nothing."""
    put(longitudinal, "user", [{"username": "nurse"}])
    put(longitudinal, "user", [{"username": "nurse", "design": 1}])
    name = new_role(longitudinal)
    longitudinal.post(content="userRole", action="delete", roles=[name])
    refused(longitudinal, "user", [{"username": "x", "design": 9}])
    longitudinal.post(content="user", action="delete", users=["nurse"])
    log = server.project(901).log.all()
    assert [(row.action, row.details) for row in log if row.kind == "user"] == [
        ("Add user nurse", "user = 'nurse'"),
        ("Edit user nurse", "user = 'nurse'"),
        ("Add user role", "role = 'Nurse'"),
        ("Delete user role", "role = 'Nurse'"),
        ("Delete user nurse", "user = 'nurse'"),
    ]
    assert [row.details for row in log if row.kind == "manage"] == ["Export user roles (API)"]
