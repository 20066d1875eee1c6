"""User roles over raw HTTP: export, import, delete, and who has which."""

from __future__ import annotations

import re
from typing import Any

from json_calls import COMMON_RIGHTS, get, one_user, put, refused
from sandbox_projects import Caller

from redcap_jobs.sandbox.members import user
from redcap_jobs.sandbox.server import Sandbox


def new_role(caller: Caller, **cells: Any) -> str:
    """Make a role and return its unique name."""
    assert put(caller, "userRole", [{"role_label": "Nurse", **cells}]) == "1"
    return str(get(caller, "userRole")[-1]["unique_role_name"])


def test_the_columns_of_a_role(longitudinal: Caller) -> None:
    """Rights are text here, codes of forms numbers; the unique name is the server's."""
    name = new_role(longitudinal, design=1, forms={"visit": 2})
    assert re.fullmatch(r"U-[A-Z0-9]{10}", name)
    (row,) = get(longitudinal, "userRole")
    assert list(row) == [
        *("unique_role_name", "role_label"),
        *COMMON_RIGHTS,
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
    assert one_user(longitudinal, "nurse")["design"] == 0
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
    assert one_user(longitudinal, "james-12345")["data_access_group"] == "south_clinic"


def test_a_group_comes_with_a_role(longitudinal: Caller) -> None:
    """data_access_group may stand in the same row (API help); left out, it stays."""
    name = new_role(longitudinal)
    row = {"username": "data_manager", "unique_role_name": ""}
    put(longitudinal, "userRoleMapping", [row | {"data_access_group": "south_clinic"}])
    put(longitudinal, "userRoleMapping", [row])
    assert one_user(longitudinal, "data_manager")["data_access_group"] == "south_clinic"
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
