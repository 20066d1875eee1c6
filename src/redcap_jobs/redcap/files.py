"""Files of file fields: a file may hold anything, so only its content type tells it from an error.

An exported file comes with its name in the content type (observed by PyCap); an error or a page
never does. Imports and deletions are answered with nothing at all, which is also what a server
that gave up answers: so both are looked at again before they count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redcap_jobs.redcap.answers import Answer, Call
from redcap_jobs.redcap.errors import FileTooLarge, RequestRefused, UnusableAnswer
from redcap_jobs.redcap.plain_text import read_text
from redcap_jobs.redcap.surveys import at

if TYPE_CHECKING:
    from redcap_jobs.redcap.transport import Transport

MOST_BYTES = 128 << 20
"""What REDCap is usually set to take; a file is held in memory as a whole."""
TRIES = 3
NO_FILE = re.compile(r"There is no file to (?:delete|download)", re.IGNORECASE)
"""Recorded by several clients that compare with it."""
DISALLOWED = re.compile(r"[\x00-\x1f\"\\/]")


@dataclass(frozen=True)
class RedcapFile:
    """A file: its bytes, its name without any folder, its MIME type, e.g. ``image/jpeg``."""

    name: str = field(repr=False)
    mime: str
    content: bytes = field(repr=False)


class Files:
    """The files in one project's file fields; ``most_bytes`` is the largest that is handled."""

    def __init__(self, transport: Transport, most_bytes: int = MOST_BYTES) -> None:
        self._transport = transport
        self.most_bytes = most_bytes

    def export(self, place: dict[str, str]) -> RedcapFile | None:
        """Return a place's file; None if there is none."""

        def read(answer: Answer) -> RedcapFile:
            if answer.file_name is None:
                raise answer.call.unusable("the answer is no file: its content type has no name")
            content = answer.body(self.most_bytes + 1)
            if len(content) > self.most_bytes:
                raise self.too_large(answer.call, "more than")
            name = plain_name(answer.file_name)
            return RedcapFile(name, answer.content_type, content)

        try:
            return self._transport.post(
                "file", {"action": "export", **place}, read, repeatable=True
            )
        except RequestRefused as error:
            if NO_FILE.search(error.reason):
                return None
            raise

    def import_(self, place: dict[str, str], file: RedcapFile) -> None:
        """Put a file into a place, and see that it is there; another one is replaced."""
        call = Call(self._transport.label, "file")
        if len(file.content) > self.most_bytes:
            raise self.too_large(call, f"{len(file.content)} bytes, more than")
        for _ in range(TRIES):
            self._transport.post(
                "file",
                {"action": "import", **place},
                nothing,
                repeatable=True,
                private=(file.name,),
                upload=(plain_name(file.name), file.content, file.mime),
            )
            stored = self.export(place)
            if stored and stored.content == file.content:
                return
        raise call.unusable("the file was accepted, but is not there when read back")

    def delete(self, place: dict[str, str]) -> bool:
        """Delete a place's file; False if there was none.

        It counts as gone when the server says that there is none to delete.
        """
        for number in range(TRIES):
            try:
                self._transport.post(
                    "file", {"action": "delete", **place}, nothing, repeatable=True
                )
            except RequestRefused as error:
                if NO_FILE.search(error.reason):
                    return number > 0
                raise
        raise UnusableAnswer(
            f"after {TRIES} deletions the server still has a file to delete",
            label=self._transport.label,
            content="file",
        )

    def too_large(self, call: Call, how: str) -> FileTooLarge:
        """Return the error for a file over the limit."""
        what = f"the file has {how} {self.most_bytes} bytes, which this client does not handle"
        return FileTooLarge(what, label=call.label, content=call.content)


def place_of(record: str, field: str, event: str, repeat_instance: str) -> dict[str, str]:
    """Return the form variables of one file's place."""
    return at(record, event=event, repeat_instance=repeat_instance) | {"field": field}


def nothing(answer: Answer) -> None:
    """Read the empty body of success."""
    if read_text(answer):
        raise answer.call.unusable("an answer came where none must be")


def plain_name(name: str) -> str:
    """Return a file's name as a name only: no folders, quotes or control characters."""
    last = re.split(r"[\\/]", name)[-1]
    return DISALLOWED.sub("_", last).strip() or "file"
