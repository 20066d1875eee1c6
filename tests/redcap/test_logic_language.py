"""What is REDCap's logic and what is not: forms of references, precedence, messages."""

from __future__ import annotations

import pytest
from logic_columns import true, value

from redcap_jobs.errors import ExitCode
from redcap_jobs.redcap.logic import (
    LogicSyntaxError,
    Reference,
    SmartVariable,
    parse,
    parse_reference,
)

REFERENCES = [
    ("visit_date", Reference(None, "visit_date")),
    ("[visit_date]", Reference(None, "visit_date")),
    (" [visit_date] ", Reference(None, "visit_date")),
    ("consent(3)", Reference(None, "consent", "3")),
    ("[consent(-1)]", Reference(None, "consent", "-1")),
    ("[m12_arm_1][visit_date]", Reference("m12_arm_1", "visit_date")),
    ("[1_arm_1][visit_date]", Reference("1_arm_1", "visit_date")),
    ("[first-event-name][visit_date]", Reference("first-event-name", "visit_date")),
    ("[visit_date][2]", Reference(None, "visit_date", None, "2")),
    ("[visit_date][last-instance]", Reference(None, "visit_date", None, "last-instance")),
    ("[e_arm_1][pain(a.b)][first-instance]", Reference("e_arm_1", "pain", "a.b", "first-instance")),
    ("[visit_date:value]", Reference(None, "visit_date")),
]


@pytest.mark.parametrize(("written", "expected"), REFERENCES)
def test_a_reference_is_written_as_in_redcap(written: str, expected: Reference) -> None:
    """Event, choice code and instance are optional; brackets are where only a field is meant."""
    assert parse_reference(written) == expected


@pytest.mark.parametrize(("written", "_expected"), REFERENCES)
def test_a_reference_is_given_back_in_brackets(written: str, _expected: Reference) -> None:
    """``str`` of a reference is REDCap's form of it and means the same."""
    reference = parse_reference(written)
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    ("written", "column"),
    [
        ("consent(3)", "consent___3"),
        ("consent(-1)", "consent____1"),
        ("consent(A.b)", "consent___a_b"),
        ("consent", "consent"),
    ],
)
def test_a_checkbox_option_has_its_own_column(written: str, column: str) -> None:
    """REDCap exports ``field___code``, in lower case, odd characters as underscores."""
    assert parse_reference(written).column == column


def test_references_and_smart_variables_are_collected_wherever_they_stand() -> None:
    """A caller learns from the expression what must be read."""
    expression = parse(
        "if([a] = 1, datediff([e_arm_1][b], 'today', 'd'), not contains([record-name], [c(1)]))"
    )
    assert expression.references == {
        Reference(None, "a"),
        Reference("e_arm_1", "b"),
        Reference(None, "c", "1"),
    }
    assert expression.smart_variables == {SmartVariable("record-name")}


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("[a]=1 or [b]=1 and [c]=1", "(([a] = 1) or (([b] = 1) and ([c] = 1)))"),
        ("not [a]=1 and [b]=1", "((not ([a] = 1)) and ([b] = 1))"),
        ("[a]+2*3^2 > 4", "(([a] + (2 * (3 ^ 2))) > 4)"),
        ("-[a]^2", "(-([a] ^ 2))"),
        ("8-4-2", "((8 - 4) - 2)"),
        ("[a] != 1 && [b] = 2 || [c] = 3", "((([a] <> 1) and ([b] = 2)) or ([c] = 3))"),
        ("[a]=1 AND Not([b]=1)", "(([a] = 1) and (not ([b] = 1)))"),
        ("[or]='1' and [and]='2'", "(([or] = '1') and ([and] = '2'))"),
        ('not_contains([a], "it\'s")', 'not_contain([a], "it\'s")'),
    ],
)
def test_what_binds_tighter(text: str, full: str) -> None:
    """And before or, not before both, comparisons before those, then + -, * /, sign, ^."""
    assert str(parse(text)) == full


def test_spacing_case_and_comments_do_not_matter() -> None:
    """Keywords have any case; a line that begins with // or # is a comment, elsewhere text."""
    plain = parse("[a] = '#1' and [b] = '//'")
    spaced = parse("# who\n  [a]='#1'\n  // and also\n  AND [b]='//'")
    assert spaced == plain
    assert hash(spaced) == hash(plain)
    assert spaced != parse("[a] = '#1'")


def test_parsing_twice_gives_the_same_object() -> None:
    """Expressions are cached by their text."""
    assert parse("[a] = 'cached'") is parse("[a] = 'cached'")


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("# only a comment", 0, "empty"),
        ("[a] = 1 and", 11, "found the end"),
        ("[a", 2, '"]"'),
        ("([a] = 1", 8, '")"'),
        ("[a] == 1", 5, "one ="),
        ("[a] = 1 = 2", 8, "do not chain"),
        ("[a] = ‘1’", 6, "straight quotes"),  # noqa: RUF001 - the mistake itself
        ("[a] = 'x", 6, "not closed"),
        ("{a} = 1", 0, "square brackets"),
        ("[a] 1", 4, 'found "1"'),
        ("[a] = yes", 6, "[yes] is a field"),
        ("[e] [a] = 1", 4, "space between two brackets"),
        ("[e(1)][a] = 1", 0, "belongs to the field"),
        ("[2] = 1", 0, "no field name"),
        ("1 + datedif([a], 'today', 'd')", 4, 'did you mean "datediff"?'),
        ("[first-evnt-name][a]", 1, 'did you mean "first-event-name"?'),
        ("[a][lst-instance]", 4, 'did you mean "last-instance"?'),
        ("[survey-link]", 1, "no meaning here"),
        ("[a:label] = 'Yes'", 3, "choice's code"),
        ("if([a], 1)", 0, "3 arguments"),
        ("round()", 0, "1 to 2 arguments"),
        ("concat_ws('-')", 0, "2 or more arguments"),
        ("datediff([a], [b], 'w')", 0, "'y', 'M', 'd'"),
        ("datediff([a], [b], [c])", 0, "argument 3"),
        ("datediff([a], [b], 'd', 'iso')", 0, "argument 4"),
        ("[a] <= 'today'", 0, "datediff"),
        ("[a] = now", 0, "datediff"),
        ("hasmissingcode([a], 'UNK')", 0, "isblankormissingcode"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(text: str, position: int, says: str) -> None:
    """One finding: at which character (people count from 1), what is wrong, what is meant."""
    with pytest.raises(LogicSyntaxError) as caught:
        parse(text)
    assert caught.value.position == position
    (finding,) = caught.value.findings
    assert says in finding.what
    assert finding.what.startswith(f"character {position + 1}: ")
    assert caught.value.exit_code is ExitCode.SETUP


@pytest.mark.parametrize("text", ["[a] = '1'", "[record-name]", "a b", "[a][b][c]", "", "3"])
def test_what_is_not_one_field_is_no_reference(text: str) -> None:
    """A place for one field takes no condition, smart variable or constant."""
    with pytest.raises(LogicSyntaxError):
        parse_reference(text)


def test_true_and_false_are_words() -> None:
    """Bare true and false are 1 and 0, as functions return them."""
    assert true("contains([a], 'x') = true", a="axb")
    assert value("if(false, 1, 2)") == 2
