"""On which line of a study file a key stands; for messages only.

tomllib tells no lines. A text that it has accepted needs no judging, only to be followed: headers,
keys, and the ends of values.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from redcap_jobs.study.flaws import KeyPath, written_path

TOKEN = re.compile(
    r'(?P<text>"""(?:\\.|[^\\])*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<skipped>[ \t\r]+|\#[^\n]*)|(?P<mark>[\[\]{}=,.\n])|(?P<word>[^\s\[\]{}=,.#\"']+)",
    re.DOTALL,
)
ENDS_OF_VALUE = {"\n", ",", "]", "}"}


@dataclass(frozen=True)
class Token:
    """One word, string or mark, and the line it begins on, from 1."""

    text: str
    line: int


@dataclass
class Follower:
    """Walks over the tokens of a valid TOML text and notes the line of every key and item."""

    tokens: list[Token]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    lengths: dict[KeyPath, int] = field(default_factory=dict)
    at: int = 0

    def follow(self) -> dict[KeyPath, int]:
        """Return the line of every key path; of a table, that of its first header."""
        table: KeyPath = ()
        while self.at < len(self.tokens):
            if self.now() == "\n":
                self.at += 1
            elif self.now() == "[":
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def now(self) -> str:
        """Return the token that is next; an end of line behind the last."""
        return self.tokens[self.at].text if self.at < len(self.tokens) else "\n"

    def header(self) -> KeyPath:
        """Pass ``[a.b]`` or ``[[a.b]]`` and return the key path of its table."""
        line, of_array = self.tokens[self.at].line, self.tokens[self.at + 1].text == "["
        self.at += 2 if of_array else 1
        *parents, last = self.key()
        self.at += 2 if of_array else 1
        table: KeyPath = ()
        for step in parents:
            table = self.last_item((*table, step))
        table = (*table, last)
        self.note(table, line)
        if of_array:
            self.lengths[table] = self.lengths.get(table, 0) + 1
            table = self.last_item(table)
            self.note(table, line)
        return table

    def last_item(self, path: KeyPath) -> KeyPath:
        """Return the newest item of an array of tables; any other path as it is."""
        return (*path, self.lengths[path] - 1) if path in self.lengths else path

    def key(self) -> list[str]:
        """Pass a key, dotted or not, and return its parts."""
        parts = []
        while True:
            text = self.now()
            quoted = text[0] in "\"'"
            parts.append(tomllib.loads(f"key = {text}")["key"] if quoted else text)
            self.at += 1
            if self.now() != ".":
                return parts
            self.at += 1

    def pair(self, table: KeyPath) -> None:
        """Pass ``key = value``."""
        line = self.tokens[self.at].line
        for part in self.key():
            table = (*table, part)
            self.note(table, line)
        self.at += 1
        self.value(table)

    def value(self, path: KeyPath) -> None:
        """Pass a value, and note what stands in it."""
        if self.now() == "[":
            self.items(path)
        elif self.now() == "{":
            self.at += 1
            while self.now() != "}":
                if self.now() in {",", "\n"}:
                    self.at += 1
                else:
                    self.pair(path)
            self.at += 1
        else:
            while self.now() not in ENDS_OF_VALUE:
                self.at += 1

    def items(self, path: KeyPath) -> None:
        """Pass an array."""
        self.at += 1
        number = 0
        while self.now() != "]":
            if self.now() in {",", "\n"}:
                self.at += 1
                continue
            self.note((*path, number), self.tokens[self.at].line)
            self.value((*path, number))
            number += 1
        self.at += 1

    def note(self, path: KeyPath, line: int) -> None:
        """Keep the first line that a path is met on, and that of the tables above it."""
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every key path in a text that tomllib accepts."""
    tokens, line = [], 1
    for found in TOKEN.finditer(text):
        if found.lastgroup != "skipped":
            tokens.append(Token(found[0], line))
        line += found[0].count("\n")
    return Follower(tokens).follow()


def place(file: Path, path: KeyPath, lines: Mapping[KeyPath, int]) -> str:
    """Write where a key path stands: ``study.toml:12: visits[1].done_on``.

    A key that is missing stands where its table begins; one whose table is missing too, nowhere.
    """
    known = (path[:length] for length in range(len(path), 0, -1))
    line = next((lines[each] for each in known if each in lines), None)
    return f"{file}{f':{line}' if line else ''}: {written_path(path)}"
