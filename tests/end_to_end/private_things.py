"""Every token, phone, name, address, link, text and reply there is, in every form they may take."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from texting import Texting

NAMES = ("part_first_name", "part_last_name", "part_email", "child_name")
LONG = 9
"""Shorter things (first names) count where they stand as a word of their own only."""


def notations(digits: str) -> set[str]:
    """Give a phone of ten digits as people, programs and URLs write it, and its unkeyed hashes."""
    area, office, line = digits[:3], digits[3:6], digits[6:]
    e164 = f"+1{digits}"
    plain = {digits, f"1{digits}", e164, quote(e164), f"({area}) {office}-{line}"}
    plain |= {sign.join((area, office, line)) for sign in "-. "}
    return plain | hashes({digits, f"1{digits}", e164})


def hashes(texts: Iterable[str]) -> set[str]:
    """Give the hashes that anybody could make: a phone is found by trying them all."""
    kinds = (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.blake2b)
    return {kind(text.encode()).hexdigest() for kind in kinds for text in texts}


def private_things(study: Texting, replies: Iterable[str] = ()) -> set[str]:
    """Return all of them, of the participants and of the texts that Twilio has."""
    sandbox = study.home.sandbox
    tokens = sandbox.variables.items()
    private = {value for name, value in tokens if "TOKEN" in name or "API" in name}
    private = {value for value in private if not value.startswith("http")}
    private |= {"0f" * 20, *replies}
    private |= {word for reply in replies for word in reply.split() if len(word) >= LONG}
    for record in sandbox.project(3041).store.current.records.values():
        for row in record.rows.values():
            private |= {row.get(field, "") for field in NAMES}
            phone = row.get("part_mobile_number", "")
            digits = re.sub(r"\D", "", phone).removeprefix("1")
            private |= {phone} | (notations(digits) if len(digits) == 10 else set())
    for message in sandbox.twilio.messages():
        private |= {message.body, *re.findall(r"https?://\S+", message.body)}
        private |= {quote(message.body)} | hashes({message.body})
        private |= set(re.findall(r"\?s=(\w+)", message.body))
    return {each.strip() for each in private if len(each.strip()) > 2}


def found_in(artefacts: Mapping[str, str], private: set[str]) -> list[str]:
    """Name the artefacts that hold a private thing, and how many; never the thing itself."""
    found = []
    for name, text in artefacts.items():
        words = set(re.findall(r"[^\s'\"=&,;<>|()\[\]{}]+", text))
        there = {each for each in private if each in words or (len(each) > LONG and each in text)}
        if there:
            found.append(f"{name} holds {len(there)} private things")
    return found


def files_in(folder: Path, *, but: Iterable[Path] = ()) -> dict[str, str]:
    """Return every file below a folder but some, as text of one character for each byte."""
    return {
        str(path.relative_to(folder)): path.read_bytes().decode("latin-1")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in but
    }
