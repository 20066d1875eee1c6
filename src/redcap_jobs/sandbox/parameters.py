"""The form of one API call: plain parameters, arrays and comma lists, booleans as clients send them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from redcap_jobs.sandbox.stored_files import StoredFile

ARRAY_KEY = re.compile(r"(\w+)\[[^\]]*\]")
TRUE_WORDS = frozenset({"true", "1"})
FORMATS = ("csv", "json", "xml")


class Refusal(Exception):
    """An answer that is an error: HTTP status and REDCap's text."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


@dataclass(frozen=True)
class Parameters:
    """One call's parameters.

    ``strict_arrays`` answers as the one recorded release that refused comma lists (redcapAPI
    issue 59); without it they are split, as other clients do all the time.
    """

    plain: dict[str, str]
    arrays: dict[str, list[str]]
    strict_arrays: bool = False
    files: Mapping[str, StoredFile] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        pairs: Iterable[tuple[str, str]],
        files: Mapping[str, StoredFile] | None = None,
        *,
        strict_arrays: bool = False,
    ) -> Parameters:
        """Sort the posted pairs into plain parameters and arrays (``fields[0]``, ``fields[]``).

        ``files`` are the uploads of a multipart form by the name of their part.
        """
        plain: dict[str, str] = {}
        arrays: dict[str, list[str]] = {}
        for name, value in pairs:
            matched = ARRAY_KEY.fullmatch(name)
            if matched:
                arrays.setdefault(matched[1], []).append(value)
            else:
                plain[name] = value
        return cls(plain, arrays, strict_arrays, files or {})

    def text(self, name: str, default: str = "") -> str:
        """Return a plain parameter; a blank one counts as not given."""
        return self.plain.get(name) or default

    def given(self, name: str) -> bool:
        """Tell whether a parameter was sent at all, blank or not."""
        return name in self.plain or name in self.arrays

    def flag(self, name: str) -> bool:
        """Return a boolean: ``true``, ``True``, ``TRUE`` and ``1`` are true, all else is false."""
        return self.plain.get(name, "").strip().lower() in TRUE_WORDS

    def array(self, name: str) -> list[str]:
        """Return a list parameter, without blanks and repetitions, in the order given.

        Raises:
            Refusal: It came as text and this server insists on arrays.

        """
        values = list(self.arrays.get(name, ()))
        text = self.plain.get(name, "")
        if text:
            if self.strict_arrays:
                raise Refusal(
                    400,
                    f'The "{name}" parameter has been provided with a value, but the value is not '
                    f'an array. The "{name}" parameter must be provided as an array of one or '
                    "more values.",
                )
            values.extend(text.split(","))
        return list(dict.fromkeys(value.strip() for value in values if value.strip()))

    @property
    def format(self) -> str:
        """Return the format of the answer: csv, json or xml, which is the default."""
        return self._known(self.text("format"), "xml")

    @property
    def return_format(self) -> str:
        """Return the format of errors and counts: ``returnFormat``, else ``format``, else xml."""
        return self._known(self.text("returnFormat"), self.format)

    @staticmethod
    def _known(value: str, default: str) -> str:
        return value if value in FORMATS else default
