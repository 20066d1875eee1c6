"""Questions to the partner: asked again where that helps, and a list that came whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from partner_doubles import MEMBERS, PRIVATE, URL, HandClock, made, member, new_client, page

from redcap_jobs.errors import CredentialsError
from redcap_jobs.partner.agile import PartnerUnreachable

Pages = Callable[[int], dict[str, Any]]


def serve(pages: Pages) -> None:
    """Answer page n of the list with what a function gives, in the order of asking."""

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked = parse_qs(urlsplit(str(request.url)).query)
        return 200, {}, json.dumps(pages(int(asked.get("page", ["1"])[0])))

    responses.add_callback(responses.GET, MEMBERS, answer, content_type="application/json")


def after(number: int) -> str:
    return f"/v1/members?page={number}&pageSize=200"


def ids(found: list[Any]) -> list[str]:
    return sorted(str(each["memberId"]) for each in found)


@responses.activate
def test_pages_that_shift_are_read_again_until_the_list_is_whole() -> None:
    """A member that came meanwhile pushes another onto the next page: it is seen twice, or not."""
    shifted = [
        page([member(3), member(2)], 3, after(2)),
        page([member(2), member(1)], 4),
        page([member(4), member(3)], 4, after(2)),
        page([member(2), member(1)], 4),
    ]
    answers = iter(shifted)
    serve(lambda _: next(answers))
    assert ids(new_client().all_members()) == [f"AH-{number:06d}" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    "pages",
    [
        [page([member(1), member(2)], 3, after(2)), page([member(2)], 3)],
        [page([member(1)], 2, after(2)), page([member(1)], 2)],
        [page([member(1), member(2)], 2, after(2)), page([member(2)], 2)],
        [page([member(1)], 3, after(2)), page([member(2)], 3)],
        [page([member(1)], 2, after(2)), page([member(2)], 3)],
        [page([member(1), member(2)], 1)],
        [page([], 2)],
    ],
    ids=[
        "twice",
        "only twice",
        "twice, and as many",
        "one less",
        "total grew",
        "more than said",
        "empty",
    ],
)
@responses.activate
def test_a_list_that_never_comes_whole_is_an_error(pages: list[dict[str, Any]]) -> None:
    """Members that are missing from it would count as not enrolled, and be enrolled anew."""
    serve(lambda number: pages[number - 1])
    with pytest.raises(PartnerUnreachable, match="never came whole"):
        new_client().all_members()


@pytest.mark.parametrize("same", [True, False], ids=["the same page", "always another"])
@responses.activate
def test_a_list_that_never_ends_is_left_soon(same: bool) -> None:
    """A next page that leads round in a circle costs no thousand requests."""
    serve(lambda number: page([member(1)], 2, after(2 if same else number + 1)))
    with pytest.raises(PartnerUnreachable):
        new_client().all_members()
    assert len(made()) < 20


@responses.activate
def test_empty_pages_without_end_are_left_soon() -> None:
    """Nor does a page with nothing on it that names a next one."""
    serve(lambda number: page([], 5, after(number + 1)))
    with pytest.raises(PartnerUnreachable):
        new_client().all_members()
    assert len(made()) < 20


@responses.activate
def test_an_empty_last_page_is_no_fault() -> None:
    """Some partners name a next page after the last member."""
    pages = [page([member(1)], 1, after(2)), page([], 1)]
    serve(lambda number: pages[number - 1])
    assert ids(new_client().all_members()) == ["AH-000001"]


@responses.activate
def test_nobody_enrolled_is_a_list_too() -> None:
    """An empty list that says so of itself is whole."""
    serve(lambda _: page([]))
    assert new_client().all_members() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"members": None, "total": 0},
        {"members": {"AH-1": {}}, "total": 1},
        {"members": [], "total": None},
        {"members": [], "total": "0"},
        {"members": [], "total": False},
        {"members": ["AH-1"], "total": 1},
        page([None]),
        page([member(1, memberId=None)]),
        page([{"studyId": "1001"}]),
    ],
    ids=str,
)
@responses.activate
def test_a_list_of_another_shape_is_an_error(body: dict[str, Any]) -> None:
    """Wrong types and null ids never read as "there is nobody"."""
    serve(lambda _: body)
    with pytest.raises(PartnerUnreachable):
        new_client().members_of("1001")


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>Maintenance</html>", "content_type": "text/html"},
        {"body": '{"members": [{"mem', "content_type": "application/json"},
        {"body": "", "content_type": "application/json"},
        {"json": [member(1)]},
        {"status": 408},
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"status": 500},
        {"status": 503, "body": "2025550123 Josefina"},
        {"body": requests.ReadTimeout("2025550123 Josefina")},
        {"body": requests.ConnectionError("2025550123 Josefina")},
    ],
    ids=lambda answer: " ".join(str(each)[:30] for each in answer.values()),
)
@responses.activate
def test_a_question_is_repeated_where_that_may_help(answer: dict[str, Any]) -> None:
    """After a pause each; the error at the end holds nothing of what came."""
    clock = HandClock()
    responses.get(MEMBERS, **answer)
    with pytest.raises(PartnerUnreachable) as told:
        new_client(clock).members_of("1001")
    assert len(made()) == len(clock.pauses) + 1 == 4
    assert URL in str(told.value)
    assert not [each for each in PRIVATE if each in f"{told.value!r} {told.value.__cause__!r}"]


@responses.activate
def test_one_good_answer_among_bad_ones_is_enough() -> None:
    """What went wrong before it is forgotten."""
    responses.get(MEMBERS, status=502)
    responses.get(MEMBERS, json=page([member(1)]))
    assert ids(new_client().members_of("1001")) == ["AH-000001"]


@pytest.mark.parametrize("status", [301, 400, 405, 422])
@responses.activate
def test_a_question_that_is_refused_is_not_repeated(status: int) -> None:
    """The same question would be refused again."""
    responses.get(MEMBERS, status=status)
    with pytest.raises(PartnerUnreachable, match=str(status)):
        new_client().members_of("1001")
    assert len(made()) == 1


@responses.activate
def test_a_list_that_is_not_there_is_not_empty() -> None:
    """404 for the whole list is a wrong address: nobody may look not enrolled by it."""
    responses.get(MEMBERS, status=404, json={"error": {"code": "not_found"}})
    with pytest.raises(PartnerUnreachable):
        new_client().members_of("1001")


@pytest.mark.parametrize("asked", ["61", "86400", "9" * 40])
@responses.activate
def test_a_pause_too_long_for_a_run_ends_it(asked: str) -> None:
    """The partner is not asked again sooner than it said."""
    clock = HandClock()
    responses.get(MEMBERS, status=429, headers={"Retry-After": asked})
    with pytest.raises(PartnerUnreachable, match="wait"):
        new_client(clock).members_of("1001")
    assert (len(made()), clock.pauses) == (1, [])


@pytest.mark.parametrize("status", [401, 403])
@responses.activate
def test_refused_credentials_are_told_at_once(status: int) -> None:
    """With what to do, and without them."""
    responses.get(MEMBERS, status=status)
    with pytest.raises(CredentialsError, match="correct the variables") as told:
        new_client().all_members()
    assert len(made()) == 1
    assert not [each for each in PRIVATE if each in repr(told.value)]


@pytest.mark.parametrize(("written", "asked"), [(1001, "1001"), ("1001", "1001"), ("0042", "0042")])
@responses.activate
def test_a_study_id_may_be_a_number(written: object, asked: str) -> None:
    """The partner may give it back as a JSON number."""
    serve(lambda _: page([member(1, written)]))
    assert ids(new_client().members_of(asked)) == ["AH-000001"]


@pytest.mark.parametrize("others", [["1002"], [42], [None], ["10010", "21001"]])
@responses.activate
def test_members_of_somebody_else_are_no_answer(others: list[object]) -> None:
    """A partner that passes over the question, or writes 0042 as 42, would look as if it had none.

    Whoever is not found is enrolled: so this is an error, not "nobody".
    """
    serve(lambda _: page([member(number, each) for number, each in enumerate(others)]))
    with pytest.raises(PartnerUnreachable, match="other"):
        new_client().members_of("0042")


@responses.activate
def test_both_members_of_one_participant_are_found() -> None:
    """Several are several, and what else was listed is left out."""
    serve(lambda _: page([member(1), member(2), member(3, "1002")]))
    assert ids(new_client().members_of("1001")) == ["AH-000001", "AH-000002"]


@responses.activate
def test_one_member_by_its_id() -> None:
    """404 says that the partner knows none; everything else that is no member is an error."""
    responses.get(f"{MEMBERS}/AH-000001", json=member(1))
    assert new_client().member("AH-000001") == member(1)
    responses.get(f"{MEMBERS}/AH-000002", status=404, json={"error": {"code": "not_found"}})
    assert new_client().member("AH-000002") is None
    responses.get(f"{MEMBERS}/AH-000003", json={"members": []})
    with pytest.raises(PartnerUnreachable):
        new_client().member("AH-000003")
