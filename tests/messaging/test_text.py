"""Texts of the study file: what is refused when it is read, what one recipient's values do to it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redcap_jobs.messaging.text import (
    MAX_BODY,
    FaultyTemplate,
    TextProblem,
    check_template,
    compiled,
    render,
    variant_for,
)

NAMES = ("first_name", "link", "study")
INVITATION = "Hi {{ first_name }}, please fill in: {{ link }}\nReply STOP to stop."
VALUES = {"first_name": "Ann", "link": "https://redcap.example.edu/s/A1", "study": "ISMILE"}


def text_for(**changes: str) -> str | TextProblem:
    """Render the invitation with some values changed."""
    return render(compiled(INVITATION), VALUES | changes)


def test_a_text_is_filled_in() -> None:
    """Names become values; the line breaks of the text stay."""
    assert check_template(INVITATION, NAMES) == []
    expected = "Hi Ann, please fill in: https://redcap.example.edu/s/A1\nReply STOP to stop."
    assert text_for() == expected


def test_a_text_is_no_html() -> None:
    """What a person is called goes out as it is written."""
    assert str(text_for(first_name="Ann & <Bo>")).startswith("Hi Ann & <Bo>, ")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Hi {{ frist_name }}", 'line 1: nothing is called frist_name; did you mean "first_name"?'),
        ("Hi\n{{ Link }}", 'line 2: nothing is called Link; did you mean "link"?'),
        ("{% if stduy %}Hi{% endif %}", 'did you mean "study"?'),
        ("Hi {first_name}", "single brace"),
        ("Hi\n[first_name]", "line 2: [first_name] is not filled in here"),
        ("Open [survey-link]", "[survey-link] is not filled in here"),
        ("Hi {{ first_name", "line 1: it cannot be read"),
        ("{% if first_name %}Hi", "it cannot be read"),
        ("{{ first_name|nosuch }}", 'the filter "nosuch" is not possible'),
        ("", "it is blank"),
        (" \n", "it is blank"),
        ("Hi\x07", "line 1: a character that cannot be texted"),
        ("x" * (MAX_BODY + 1), "1,601 characters"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_is_right(text: str, named: str) -> None:
    """The study file's check reads out every mistake before anybody is texted."""
    assert named in "; ".join(check_template(text, NAMES))


@pytest.mark.parametrize(
    "text",
    [
        "{% for each in range(100000000) %}x{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ first_name|center(1000000000) }}",
        "{{ first_name.__class__.__mro__ }}",
        "{{ first_name['upper']() }}",
        "{{ first_name.format(link) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'other' %}",
        "{% set first_name = '' %}",
        "{{ first_name|default('there') }}",
        "{{ 'Hi ' ~ first_name }}",
    ],
)
def test_a_text_cannot_loop_call_or_reach_further(text: str) -> None:
    """Only names, conditions and a few filters: no text grows without bounds or hides a gap."""
    assert "is not possible" in "; ".join(check_template(text, NAMES))
    with pytest.raises(FaultyTemplate, match="is not possible"):
        compiled(text)


def test_jinjas_own_names_are_unknown() -> None:
    """A text reaches its values only, none of the names a template engine brings along."""
    for name in ("range", "dict", "lipsum", "cycler", "self"):
        assert check_template(f"{{{{ {name} }}}}", NAMES)
        assert isinstance(render(compiled(f"{{{{ {name} }}}}"), VALUES), TextProblem)


@pytest.mark.parametrize("blank", ["", " ", "\n", "\u00a0"])
def test_a_blank_value_is_a_problem_not_a_gap(blank: str) -> None:
    """Nobody reads "Hi , please": the recipient is listed instead, by the value's name."""
    problem = text_for(first_name=blank)
    assert problem == TextProblem("first_name is blank")
    assert str(problem) == "first_name is blank"


@pytest.mark.parametrize("filtered", ["title", "upper", "trim"])
def test_a_filter_hides_no_blank(filtered: str) -> None:
    """A blank stays a blank whatever filter it goes through."""
    made = render(compiled(f"Hi {{{{ first_name|{filtered} }}}}"), VALUES | {"first_name": ""})
    assert made == TextProblem("first_name is blank")


def test_a_text_may_ask_whether_a_value_is_blank() -> None:
    """Where the study says what to write without a name, a blank name is no problem."""
    greeting = compiled("{% if first_name %}Hi {{ first_name }}{% else %}Hello{% endif %}!")
    assert render(greeting, {"first_name": ""}) == "Hello!"
    assert render(greeting, {"first_name": "Ann"}) == "Hi Ann!"


def test_a_value_that_is_not_there_is_a_problem() -> None:
    """A name without a value is never printed as nothing, not even where it is only asked for."""
    assert render(compiled("Hi {{ first_name }}"), {}) == TextProblem("there is no first_name")
    asked = compiled("{% if first_name %}Hi{% endif %} you")
    assert render(asked, {}) == TextProblem("there is no first_name")


def test_line_breaks_and_blanks_of_a_value_become_one_blank() -> None:
    """A name with a line break in it does not break the text; its blank ends are left out."""
    assert str(text_for(first_name=" Ann\r\n Bo\t")).startswith("Hi Ann Bo, ")


def test_what_a_value_says_is_never_a_template() -> None:
    """Braces in a value are just braces."""
    assert str(text_for(first_name="{{ link }}")).startswith("Hi {{ link }}, ")


@pytest.mark.parametrize("odd", ["An\x00n", "Ann\x1b", "\ud83d"])
def test_control_characters_are_a_problem(odd: str) -> None:
    """What no phone can show is not texted, and the value is not repeated."""
    assert text_for(first_name=odd) == TextProblem(
        "first_name has a character in it that cannot be texted"
    )


def test_an_overlong_text_is_a_problem() -> None:
    """1,600 characters are Twilio's most; one more and nobody gets half of it."""
    words = compiled("{{ study }}")
    assert render(words, {"study": "x" * 1600}, most_segments=11) == "x" * 1600
    over = render(words, {"study": "x" * 1601}, most_segments=99)
    assert over == TextProblem("the text has 1,601 characters, more than 1,600")
    emoji = render(words, {"study": "😀" * 801}, most_segments=99)
    assert emoji == TextProblem("the text has 1,602 characters, more than 1,600")


def test_more_segments_than_the_study_allows_are_a_problem() -> None:
    """One accented letter may more than double the segments: the study's limit is held."""
    words = compiled("{{ study }}")
    assert render(words, {"study": "x" * 160}, most_segments=1) == "x" * 160
    over = render(words, {"study": "x" * 159 + "á"}, most_segments=2)
    assert over == TextProblem("the text takes 3 segments, more than 2")


def test_a_text_is_compiled_once() -> None:
    """Rendering for hundreds does not compile hundreds of times."""
    assert compiled(INVITATION) is compiled(INVITATION)


def test_conditions_on_lines_of_their_own_leave_no_blank_lines() -> None:
    """A study writes long texts readably; the phone shows no trace of it."""
    text = "Hi!\n{% if study %}\nFrom {{ study }}.\n{% endif %}\nBye\n"
    assert render(compiled(text), VALUES) == "Hi!\nFrom ISMILE.\nBye"


@given(first_name=st.text(max_size=20), link=st.text(max_size=40), most=st.integers(1, 12))
def test_whatever_the_values_a_text_is_whole_or_a_problem(
    first_name: str, link: str, most: int
) -> None:
    """Every value that is printed is in the text, or there is no text; no problem quotes one."""
    made = render(compiled(INVITATION), {"first_name": first_name, "link": link}, most)
    if isinstance(made, str):
        assert made.startswith(f"Hi {' '.join(first_name.split())}, please fill in: ")
        assert made.endswith(f"{' '.join(link.split())}\nReply STOP to stop.")
        assert first_name.strip()
        assert link.strip()
    else:
        assert made.reason.startswith(("first_name", "link", "the text takes"))


def test_a_record_keeps_its_variant() -> None:
    """The wording is chosen by the record's id, today as in any later run and on any machine."""
    texts = ("one", "two", "three")
    chosen = [variant_for(str(record), texts) for record in range(1001, 1011)]
    assert chosen == [
        *("one", "three", "two", "one", "one"),
        *("three", "one", "one", "one", "three"),
    ]
    assert variant_for("1001", ("only",)) == "only"


@pytest.mark.parametrize("wordings", [2, 3, 5])
def test_variants_go_to_about_as_many_each(wordings: int) -> None:
    """Consecutive ids spread evenly, so that no wording looks like a mass mailing."""
    texts = tuple(map(str, range(wordings)))
    counts = Counter(variant_for(str(record), texts) for record in range(1001, 4001))
    assert set(counts) == set(texts)
    assert max(counts.values()) < 1.15 * 3000 / wordings
