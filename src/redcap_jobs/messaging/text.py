"""The texts of the study file: checked when it is read, rendered for every recipient before any goes.

A text holds ``{{ name }}`` and ``{% if name %}``, with few filters; no loops, calls or arithmetic,
so that no text can grow without bounds or reach anything but its values. A value that would leave
a gap in a sentence on a phone is a problem, never a text.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import jinja2
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

from redcap_jobs.messaging.segments import segments
from redcap_jobs.study.nearest import did_you_mean

MAX_BODY = 1600
"""Characters; Twilio refuses longer ones (error 21617)."""
MOST_SEGMENTS = 10

POSSIBLE = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const),
    *(nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
    nodes.Filter,
)
FILTERS = ("capitalize", "lower", "title", "trim", "upper")
HOW = "a text may hold {{ name }}, {% if name %} ... {% endif %} and the filters " + ", ".join(
    FILTERS
)
PIPED = re.compile(r"\[[a-z][a-z0-9_-]*\]")
"""REDCap fills these in; here they would be texted as they stand."""
UNSENDABLE = ("Cc", "Cs")
"""Unicode's categories of control characters and of halves of characters."""


class FaultyTemplate(ValueError):
    """A text of the study file that cannot be rendered for anybody; the message says why."""


class _BlankPrinted(Exception):
    """Something that is to be printed is blank."""


@dataclass(frozen=True)
class TextProblem:
    """Why one recipient gets no text; names of values only, never the values."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Template:
    """A text, compiled once; ``names`` are the values that it uses."""

    text: str
    names: frozenset[str]
    _compiled: jinja2.Template = field(repr=False, compare=False)


def _print(value: object) -> object:
    if not str(value).strip():
        raise _BlankPrinted
    return value


ENVIRONMENT = SandboxedEnvironment(
    autoescape=False,  # a text message is no HTML: "Ann & Bo" is meant
    undefined=jinja2.StrictUndefined,
    finalize=_print,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals.clear()


@lru_cache(maxsize=256)
def compiled(text: str) -> Template:
    """Compile a text; the same text is compiled once.

    Raises:
        FaultyTemplate: It has a mistake that does not depend on which values there are.

    """
    tree = _parsed(text)
    faults = [tree] if isinstance(tree, str) else list(_faults(tree))
    if isinstance(tree, str) or faults:
        raise FaultyTemplate("; ".join(faults))
    names = {node.name for node in tree.find_all(nodes.Name)}
    return Template(text, frozenset(names), ENVIRONMENT.from_string(text))


def check_template(text: str, known: Collection[str]) -> list[str]:
    """Say what is wrong with a text of the study file, each with its line and how to mend it.

    ``known`` are the names that will have a value. An empty list: nothing is wrong.
    """
    tree = _parsed(text)
    if isinstance(tree, str):
        return [tree]
    faults = list(_faults(tree))
    unknown: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name not in known:
            unknown.setdefault(node.name, node.lineno)
    for name, line in unknown.items():
        hint = did_you_mean(name, known)
        faults.append(f"line {line}: nothing is called {name}" + (f"; {hint}" if hint else ""))
    return faults


def render(
    template: Template, values: Mapping[str, str], most_segments: int = MOST_SEGMENTS
) -> str | TextProblem:
    """Return one recipient's text, or why there is none.

    A value is taken without blanks at its ends, and line breaks in it become blanks: those of the
    text are the study's. Blank is a problem where it would be printed; ``{% if name %}`` may ask.
    """
    missing = sorted(template.names - values.keys())
    if missing:
        return TextProblem(f"there is no {' and no '.join(missing)}")
    used = {name: " ".join(values[name].split()) for name in sorted(template.names)}
    for name, value in used.items():
        if _unsendable(value):
            return TextProblem(f"{name} has a character in it that cannot be texted")
    try:
        body = template._compiled.render(used).strip()  # noqa: SLF001 - of this module
    except _BlankPrinted:
        blank = [name for name, value in used.items() if not value]
        return TextProblem(f"{' and '.join(blank) or 'what it prints'} is blank")
    except (jinja2.TemplateError, TypeError) as error:
        return TextProblem(f"the text cannot be put together ({type(error).__name__})")
    return _unfit(body, most_segments) or body


def variant_for(record: str, texts: Sequence[str]) -> str:
    """Choose one of several wordings, always the same for a record.

    The choice is by a hash of the record's id, so that each wording goes to about as many: many
    texts of one wording look like spam to carriers (Twilio's error page 30007).
    """
    digest = hashlib.sha256(record.encode()).digest()
    return texts[int.from_bytes(digest[:8], "big") % len(texts)]


def _unfit(body: str, most_segments: int) -> TextProblem | None:
    """Say why a finished text cannot go out as it is."""
    if not body:
        return TextProblem("the text is blank")
    characters = len(body.encode("utf-16-le")) // 2
    if characters > MAX_BODY:
        return TextProblem(f"the text has {characters:,} characters, more than {MAX_BODY:,}")
    count = segments(body).count
    if count > most_segments:
        return TextProblem(f"the text takes {count} segments, more than {most_segments}")
    return None


def _parsed(text: str) -> nodes.Template | str:
    """Parse a text, or say why it cannot be read."""
    try:
        return ENVIRONMENT.parse(text)
    except jinja2.TemplateSyntaxError as error:
        what = str(error.message).rstrip(".")
        return f"line {error.lineno}: it cannot be read: {what}; {HOW}"


def _faults(tree: nodes.Template) -> Iterator[str]:
    """Find the mistakes of a text that do not depend on which names are known."""
    words = [node.data for node in tree.find_all(nodes.TemplateData)]
    if not "".join(words).strip() and not any(tree.find_all(nodes.Name)):
        yield "it is blank"
    impossible: dict[int, str] = {}
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, POSSIBLE):
            impossible.setdefault(node.lineno, f'"{type(node).__name__.lower()}" is not possible')
        elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
            impossible.setdefault(node.lineno, f'the filter "{node.name}" is not possible')
        elif isinstance(node, nodes.TemplateData):
            yield from _faults_of_words(node)
    yield from (f"line {line}: {what}; {HOW}" for line, what in impossible.items())
    length = sum(map(len, words))
    if length > MAX_BODY:
        yield f"it has {length:,} characters without any value, more than {MAX_BODY:,}"


def _faults_of_words(node: nodes.TemplateData) -> Iterator[str]:
    """Find what in the plain words of a text is surely not meant to be texted."""
    for number, words in enumerate(node.data.split("\n")):
        line = f"line {node.lineno + number}"
        if "{" in words or "}" in words:
            yield f"{line}: a single brace; a name stands in two: {{{{ first_name }}}}"
        piped = PIPED.search(words)
        if piped:
            name = piped.group().strip("[]")
            yield f"{line}: {piped.group()} is not filled in here; write {{{{ {name} }}}}"
        if _unsendable(words):
            yield f"{line}: a character that cannot be texted"


def _unsendable(line: str) -> bool:
    return any(unicodedata.category(each) in UNSENDABLE for each in line)
