"""From REDCap's logic as text to a tree of nodes, with messages for whoever wrote the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NoReturn, cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError
from lark.tree import Meta

from redcap_jobs.errors import Finding, StudyFileError
from redcap_jobs.redcap.logic_functions import FUNCTIONS, SIGNS, SYNONYMS, UNANSWERABLE
from redcap_jobs.redcap.logic_nodes import (
    SMART_EVENTS,
    SMART_INSTANCES,
    SMART_VARIABLES,
    Binary,
    Call,
    Clock,
    Constant,
    FieldValue,
    Minus,
    Node,
    Not,
    Number,
    Reference,
    SmartValue,
    SmartVariable,
    Text,
)
from redcap_jobs.study.nearest import did_you_mean

DATE_ARGUMENTS = {
    "datediff": (0, 1),
    "age_at_date": (0, 1),
    "dayoftheweek": (0,),
    "year": (0,),
    "month": (0,),
    "day": (0,),
}
CLOCK_WORDS = ("today", "now")
COMMENT = re.compile(r"^[ \t]*(?://|#).*$", re.MULTILINE)
IN_WORDS = {
    "$END": "the end",
    "LPAR": '"("',
    "RPAR": '")"',
    "LSQB": "a field in brackets",
    "RSQB": '"]"',
    "COMMA": '","',
    "COLON": '":"',
    "_AND": "and",
    "_OR": "or",
    "_NOT": "not",
    "COMPARE": "a comparison (= <> < >)",
    "PLUS_MINUS": "+ or -",
    "TIMES_DIVIDE": "* or /",
    "CARET": "^",
    "NUMBER": "a number",
    "TEXT": "text in quotes",
    "WORD": "a function",
    "PLACE": "a field or event name",
    "SMART": "a smart variable",
    "INSTANCE": "an instance number",
    "CODE": "the code of a choice",
    "MODIFIER": "a modifier",
}
HINTS = {
    "=": "REDCap compares with one =",
    "!": "write <> for unequal, or not (...)",
    **dict.fromkeys("\u2018\u2019\u201c\u201d", "use straight quotes: ' or \""),
    "'": "this quote is not closed",
    '"': "this quote is not closed",
    "{": "fields stand in square brackets",
    "&": "write and",
    "|": "write or",
}


class LogicSyntaxError(StudyFileError):
    """An expression that is not REDCap's logic: ``position`` counts characters from 0.

    Its one finding says at which character, what was found, what was expected or meant.
    """

    def __init__(self, text: str, position: int, what: str, hint: str = "") -> None:
        self.text = text
        self.position = position
        whole = f"character {position + 1}: {what}" + (f"; {hint}" if hint else "")
        super().__init__([Finding("logic", whole)])


class _Meant(Exception):
    """Carries what is wrong, and where, from inside the tree to parse_node."""

    def __init__(self, position: int, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.position = position
        self.what = what
        self.hint = hint


class _Bracket:
    """One pair of brackets: its word, what kind of word, the choice's code, where it stands."""

    def __init__(self, word: Token, code: str | None, start: int, end: int) -> None:
        self.word = str(word)
        self.kind = word.type
        self.code = code
        self.start = start
        self.end = end


@v_args(meta=True)
class _ToNodes(Transformer[Token, Node]):
    """Build nodes, and refuse what the grammar cannot."""

    def start(self, _meta: Meta, children: list[Node]) -> Node:
        return children[0]

    def number(self, _meta: Meta, children: list[Token]) -> Node:
        return Number(str(children[0]))

    def text(self, _meta: Meta, children: list[Token]) -> Node:
        return Text(str(children[0])[1:-1])

    def word(self, meta: Meta, children: list[Token]) -> Node:
        word = str(children[0]).lower()
        if word in ("true", "false"):
            return Constant(word == "true")
        if word in CLOCK_WORDS:
            return Clock(word)
        meant = f"[{word}] is a field, '{word}' is text"
        raise _Meant(meta.start_pos, f'"{word}" stands alone', meant)

    def not_(self, _meta: Meta, children: list[Node]) -> Node:
        return Not(children[0])

    def and_(self, _meta: Meta, children: list[Node]) -> Node:
        return Binary("and", children[0], children[1])

    def or_(self, _meta: Meta, children: list[Node]) -> Node:
        return Binary("or", children[0], children[1])

    def sign(self, _meta: Meta, children: list[Token | Node]) -> Node:
        operand = cast("Node", children[1])
        return Minus(operand) if children[0] == "-" else operand

    def calculate(self, _meta: Meta, children: list[Token | Node]) -> Node:
        left, operator, right = children
        return Binary(str(operator), cast("Node", left), cast("Node", right))

    def compare(self, meta: Meta, children: list[Token | Node]) -> Node:
        left, right = cast("Node", children[0]), cast("Node", children[2])
        operator = str(children[1]).replace("!=", "<>")
        if any(_says_clock(side) for side in (left, right)):
            _refuse(
                meta.start_pos,
                "a field cannot be compared with today or now",
                "write datediff([field], 'today', 'd', true) >= 0",
            )
        return Binary(operator, left, right)

    def bracket(self, meta: Meta, children: list[Token | None]) -> _Bracket:
        word, *rest = children
        assert word is not None  # noqa: S101 - the grammar has a word in every bracket
        code = next((str(each).strip() for each in rest if each and each.type == "CODE"), None)
        modifier = next((each for each in rest if each and each.type == "MODIFIER"), None)
        if modifier is not None and modifier != "value":
            _refuse(
                modifier.start_pos or 0,
                f'":{modifier}" has no meaning here',
                "logic reads raw values; compare with the choice's code",
            )
        return _Bracket(word, code, meta.start_pos, meta.end_pos)

    def reference(self, meta: Meta, brackets: list[_Bracket]) -> Node:
        for before, after in pairwise(brackets):
            if before.end != after.start:
                _refuse(after.start, "a space between two brackets", "write [event][field]")
        if len(brackets) == 1 and brackets[0].kind == "SMART":
            return SmartValue(SmartVariable(_known_smart(brackets[0], SMART_VARIABLES)))
        return FieldValue(_reference(meta.start_pos, brackets))

    def call(self, meta: Meta, children: list[Token | Node | None]) -> Node:
        name = str(children[0]).lower()
        name = SYNONYMS.get(name, name)
        if name in UNANSWERABLE:
            _refuse(meta.start_pos, f"{name} cannot be answered", UNANSWERABLE[name])
        if name not in FUNCTIONS:
            _refuse(meta.start_pos, f'no function "{name}"', did_you_mean(name, FUNCTIONS))
        arguments = [cast("Node", each) for each in children[1:] if each is not None]
        function = FUNCTIONS[name]
        if not function.least <= len(arguments) <= function.most:
            _refuse(meta.start_pos, f"{name} takes {_count(function.least, function.most)}")
        for place in DATE_ARGUMENTS.get(name, ()):
            arguments[place] = _date_argument(arguments[place])
        for place, words in function.words.items():
            if place < len(arguments):
                written = _written_word(arguments[place])
                if written not in words:
                    _refuse(
                        meta.start_pos,
                        f"argument {place + 1} of {name} must be one of "
                        + ", ".join(repr(word) for word in words if word not in ("", "0", "1")),
                    )
                if written in SIGNS:
                    arguments[place] = Constant(written in ("true", "1"))
        return Call(name, tuple(arguments))


def _refuse(position: int, what: str, hint: str = "") -> NoReturn:
    raise _Meant(position, what, hint)


def _count(least: int, most: int) -> str:
    if least == most:
        return f"{least} argument{'s' if least > 1 else ''}"
    return f"{least} or more arguments" if most > 9 else f"{least} to {most} arguments"


def _says_clock(node: Node) -> bool:
    return isinstance(node, Clock) or (isinstance(node, Text) and node.text in CLOCK_WORDS)


def _date_argument(node: Node) -> Node:
    """Read 'today' and 'now' as the clock, also as a branch of ``if``."""
    if isinstance(node, Text) and node.text.lower() in CLOCK_WORDS:
        return Clock(node.text.lower())
    if isinstance(node, Call) and node.name == "if":
        return Call("if", (node.arguments[0], *(map(_date_argument, node.arguments[1:]))))
    return node


def _written_word(node: Node) -> str | None:
    if isinstance(node, Text | Number):
        return node.text
    return str(node) if isinstance(node, Constant) else None


def _known_smart(bracket: _Bracket, known: Iterable[str]) -> str:
    name = bracket.word.lower()
    if name not in known:
        _refuse(
            bracket.start + 1,
            f'"{bracket.word}" has no meaning here',
            did_you_mean(name, known),
        )
    return name


def _reference(start: int, brackets: Sequence[_Bracket]) -> Reference:
    """Read [event][field(code)][instance], of which only the field is always there."""
    rest = list(brackets)
    event = instance = None
    last = rest[-1]
    if last.kind == "INSTANCE":
        instance = rest.pop().word
    elif last.kind == "SMART" and len(rest) > 1:
        instance = _known_smart(rest.pop(), SMART_INSTANCES)
    if len(rest) > 1:
        first = rest.pop(0)
        event = _known_smart(first, SMART_EVENTS) if first.kind == "SMART" else first.word
        if first.code is not None:
            _refuse(first.start, "a choice's code belongs to the field, not to the event")
    if len(rest) != 1 or rest[0].kind != "PLACE":
        _refuse(start, "no field name in these brackets", "write [event][field][instance]")
    return Reference(event, rest[0].word, rest[0].code, instance)


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    return Lark.open(
        "logic.lark",
        rel_to=__file__,
        parser="lalr",
        lexer="contextual",
        propagate_positions=True,
        maybe_placeholders=True,
    )


def _unexpected(text: str, error: UnexpectedInput) -> LogicSyntaxError:
    position = error.pos_in_stream if error.pos_in_stream is not None else len(text)
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        position = len(text.rstrip())
        found, names = "the end", set(error.accepts or error.expected)
    else:
        found = f'"{_word_at(text, position)}"'
        names = set(error.allowed or ()) if isinstance(error, UnexpectedCharacters) else set()
        if isinstance(error, UnexpectedToken):
            names = set(error.accepts or error.expected)
    hint = HINTS.get(text[position : position + 1], "")
    if text[position : position + 1] == "=" and text[position - 1 : position] != "=":
        hint = "comparisons do not chain; join two with and"
    expected = [words for name, words in IN_WORDS.items() if name in names]
    what = f"found {found}" + (f", expected {_either(expected)}" if expected and not hint else "")
    return LogicSyntaxError(text, position, what, hint)


def _word_at(text: str, position: int) -> str:
    word = re.match(r"\w+|\S", text[position:])
    return word.group() if word else text[position : position + 1]


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def parse_node(text: str) -> Node:
    """Parse an expression; lines that begin with // or # are comments.

    Raises LogicSyntaxError.
    """
    code = COMMENT.sub(lambda comment: " " * len(comment.group()), text)
    if not code.strip():
        raise LogicSyntaxError(text, 0, "the expression is empty")
    try:
        return _ToNodes().transform(_grammar().parse(code))
    except UnexpectedInput as error:
        raise _unexpected(code, error) from None
    except VisitError as error:
        meant = error.orig_exc
        if not isinstance(meant, _Meant):
            raise
        raise LogicSyntaxError(text, meant.position, meant.what, meant.hint) from None
