"""The typed calls about a project: which are made, and what is believed of their answers."""

from __future__ import annotations

import pytest
import responses
from client_doubles import Reply, answer_always, answer_with, forms, json_reply, new_client

from redcap_jobs.redcap.errors import UnusableAnswer
from redcap_jobs.redcap.project import Arm, Event

INFO = {
    "project_id": 3041,
    "project_title": "Snow",
    "in_production": 1,
    "is_longitudinal": 1,
    "has_repeating_instruments_or_events": 1,
    "scheduling_enabled": 0,
    "surveys_enabled": 1,
    "record_autonumbering_enabled": 0,
    "missing_data_codes": "-99, Not asked | UNK, Unknown",
}
METADATA = [
    {"field_name": "record_id", "form_name": "enrolment", "field_type": "text"},
    {"field_name": "visit_date", "form_name": "visit", "field_type": "text"},
]
EVENTS: list[dict[str, object]] = [
    {"event_name": "Baseline", "arm_num": 1, "unique_event_name": "baseline_arm_1"},
    {"event_name": "Month 2", "arm_num": "1", "unique_event_name": "month_2_arm_1"},
]
MAPPING = [{"arm_num": 1, "unique_event_name": "baseline_arm_1", "form": "visit"}]
REPEATING = [{"event_name": "baseline_arm_1", "form_name": "visit", "custom_form_label": ""}]


def answers(info: dict[str, object]) -> dict[str, object]:
    return {
        "project": info,
        "metadata": METADATA,
        "event": EVENTS,
        "formEventMapping": MAPPING,
        "repeatingFormsEvents": REPEATING,
        "arm": [{"arm_num": 1, "name": "Drug A"}],
    }


def serve(info: dict[str, object]) -> None:
    answer_with(lambda form: json_reply(answers(info)[form["content"]]))


@responses.activate
@pytest.mark.parametrize(
    ("longitudinal", "repeating", "calls"),
    [
        (1, 1, ["metadata", "event", "formEventMapping", "repeatingFormsEvents"]),
        (1, 0, ["metadata", "event", "formEventMapping"]),
        (0, 1, ["metadata", "repeatingFormsEvents"]),
        (0, 0, ["metadata"]),
    ],
)
def test_only_the_calls_that_exist_are_made(
    longitudinal: int, repeating: int, calls: list[str]
) -> None:
    """A classic project refuses events and mappings; without repeating set-up that call fails."""
    serve(
        INFO | {"is_longitudinal": longitudinal, "has_repeating_instruments_or_events": repeating}
    )
    client = new_client()
    project = client.read_project(client.project_info())
    assert [form["content"] for form in forms()] == ["project", *calls]
    assert project.is_longitudinal is bool(longitudinal)
    assert len(project.events) == 2 * longitudinal
    assert len(project.repeating) == repeating


@responses.activate
def test_a_project_is_read_whole() -> None:
    """Settings, dictionary with form statuses, events without offsets, arms, what repeats."""
    serve(INFO)
    project = new_client().read_project()
    assert project.info.project_id == 3041
    assert project.info.in_production is True
    assert project.missing_data_codes == {"-99": "Not asked", "UNK": "Unknown"}
    assert list(project.fields) == [
        "record_id",
        "enrolment_complete",
        "visit_date",
        "visit_complete",
    ]
    assert project.events[0] == Event("baseline_arm_1", "Baseline", 1, None, None, None)
    assert project.mapping == {("baseline_arm_1", "visit")}
    assert project.repeating == {("baseline_arm_1", "visit")}
    assert new_client().arms() == (Arm(1, "Drug A"),)


@responses.activate
@pytest.mark.parametrize("flag", [0, 1, "0", "1"])
def test_flags_come_as_numbers_or_text(flag: int | str) -> None:
    """JSON has 0 and 1 as numbers in recorded answers; text is understood as well."""
    serve(INFO | {"in_production": flag})
    assert new_client().project_info().in_production is (str(flag) == "1")


@responses.activate
@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("project", {}),
        ("project", {"project_id": "many"}),
        ("project", []),
        ("metadata", []),
        ("metadata", [{"field_name": "a"}]),
        ("metadata", {"field_name": "a"}),
        ("event", [{"unique_event_name": "x_arm_1"}]),
        ("event", [{**EVENTS[0], "day_offset": "soon"}]),
        ("formEventMapping", [{"form": "visit"}]),
        ("repeatingFormsEvents", {}),
        ("repeatingFormsEvents", None),
    ],
)
def test_an_answer_of_another_shape_is_no_structure(content: str, answer: object) -> None:
    """A key that lacks, a number that is none, a list that is none: said so, no traceback."""
    answer_with(lambda form: json_reply((answers(INFO) | {content: answer})[form["content"]]))
    with pytest.raises(UnusableAnswer, match=f"content={content}: .*another shape"):
        new_client().read_project()


@responses.activate
@pytest.mark.parametrize(
    ("body", "version"),
    [
        ("14.9.1", "14.9.1"),
        ("14.9.1\n", "14.9.1"),
        ("6.18", "6.18"),
        ('"14.9.1"', "14.9.1"),
        ("soon", ""),
        ("14.9.1 (LTS)", ""),
        ("", None),
        ("x" * 200, None),
        ("14.9.1\nsurprise", None),
        ("<html><body>14.9.1</body></html>", None),
        ('<form><input type="password"></form>', None),
        ("<!-- x --><html>", None),
        ('{"version":"14.9.1"}', None),
    ],
)
def test_an_odd_version_is_none_and_a_page_is_an_error(body: str, version: str | None) -> None:
    """A run only notes the version: short text in another form is '', no reason to fail.

    A page, an empty or a structured answer is no more believed than in any other call.
    """
    headers = {"Content-Type": "text/html; charset=utf-8"}
    answer_always((200, headers, body))
    if version is not None:
        assert new_client().version() == version
    else:
        with pytest.raises(UnusableAnswer):
            new_client().version()


@responses.activate
@pytest.mark.parametrize(
    ("body", "name"), [("6", "6"), ("20-1", "20-1"), ('"6"', "6"), ("", None), ("a\nb", None)]
)
def test_a_record_name_is_one_short_line(body: str, name: str | None) -> None:
    """The next record name comes as plain text; a page or nothing is no name."""

    def answer(form: dict[str, str]) -> Reply:
        return 200, {"Content-Type": "text/html"}, body

    answer_with(answer)
    if name:
        assert new_client().next_record_name() == name
    else:
        with pytest.raises(UnusableAnswer, match="no record name"):
            new_client().next_record_name()
