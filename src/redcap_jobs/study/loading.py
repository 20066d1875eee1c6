"""From a TOML file to a :class:`~redcap_jobs.study.config.Study`, or every mistake in it at once."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from redcap_jobs.errors import Finding, StudyFileError
from redcap_jobs.notify.logs import TOKEN
from redcap_jobs.study.config import FORMAT, Study
from redcap_jobs.study.flaws import Flaw, flaws_of, in_file_order
from redcap_jobs.study.key_lines import key_lines, place
from redcap_jobs.study.nearest import did_you_mean
from redcap_jobs.study.rules import broken_rules
from redcap_jobs.study.salvage import salvage

TOML_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")

TO_DO = re.compile(r"#\s*TO-?DO\b:?\s*(?P<what>.*?)\s*$")


def load_study(path: Path | str) -> Study:
    """Read a study file.

    Raises:
        StudyFileError: With all problems, in file order, each with its line, key path and the
            nearest right name: ``study.toml:41: visits[1].done_no: no such key; did you mean "done_on"?``

    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except IsADirectoryError as error:
        inside = f"give the path of the study file, such as {path / 'study.toml'}"
        raise StudyFileError([Finding(str(path), "is a directory", inside)]) from error
    except OSError as error:
        raise StudyFileError([Finding(str(path), f"cannot be read: {error.strerror}")]) from error
    return study_from_bytes(content, path)


def load_bundled_or_file(name_or_path: str) -> Study:
    """Read a study file, or the bundled study of that name where no such file exists.

    Raises:
        StudyFileError: Neither exists, or the file has mistakes.

    """
    path = Path(name_or_path)
    if not path.exists() and name_or_path in bundled_studies():
        text = bundled_study_text(name_or_path)
        return study_from_bytes(text.encode(), Path(f"{name_or_path}.toml"))
    if not path.exists():
        hint = did_you_mean(name_or_path, bundled_studies()) or "give the path of a study file"
        what = "no such file, and no bundled study of that name"
        raise StudyFileError([Finding(name_or_path, what, hint)])
    return load_study(path)


def study_from_bytes(content: bytes, path: Path) -> Study:
    """Make a study of a file's bytes; ``path`` names it in messages.

    Raises:
        StudyFileError: As :func:`load_study`.

    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = 'save it as "UTF-8"'
        raise StudyFileError([Finding(str(path), "is not UTF-8 text", hint)]) from error
    if not text.strip():
        hint = "for a first study file type: redcap-jobs init --help"
        raise StudyFileError([Finding(str(path), "is empty", hint)])
    secrets = [
        Finding(
            f"{path}:{line}",
            "holds what looks like a token; a study file names variables, never their values",
            "take it out, and have it regenerated (in REDCap, or with Twilio or the partner)",
        )
        for line in lines_with_secrets(text)
    ]
    study, findings = read_study(text, path)
    if secrets or study is None:
        raise StudyFileError([*secrets, *(without_secrets(each) for each in findings)])
    return with_origin(study, text, content, path)


def draft_study(text: str, path: Path) -> Study:
    """Make a study of a text that is well formed but may break rules between its tables.

    For a first file full of guesses, which is written all the same and left to ``check``.
    """
    study = Study.model_validate(with_defaults(tomllib.loads(text)))
    return with_origin(study, text, text.encode(), path)


def with_origin(study: Study, text: str, content: bytes, path: Path) -> Study:
    """Note in a study what it was read from."""
    digest = hashlib.sha256(content).hexdigest()
    return study.read_from(path, tomllib.loads(text), digest, tuple(lines_to_do(text)), text)


def read_study(text: str, path: Path) -> tuple[Study | None, list[Finding]]:
    """Parse and judge the text of a study file: a study, or what is wrong with it."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [syntax_finding(error, path)]
    version = raw.get("format")
    if isinstance(version, int) and version > FORMAT:
        what = f"format {version} is newer than this release, which knows format {FORMAT}"
        return None, [Finding(f"{path}: format", what, "update redcap-jobs")]
    study, flaws = judge(with_defaults(raw))
    lines = key_lines(text) if flaws else {}
    return study, [
        Finding(place(path, flaw.path, lines), flaw.what, flaw.hint)
        for flaw in in_file_order(flaws, raw)
    ]


def judge(raw: Mapping[str, Any]) -> tuple[Study | None, list[Flaw]]:
    """Validate a parsed file and its rules: a study, or every flaw."""
    flaws: list[Flaw] = []
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        flaws = flaws_of(error, Study)
        study = salvage(Study, dict(raw))
    flaws += broken_rules(study)
    return (None, flaws) if flaws else (study, [])


def syntax_finding(error: tomllib.TOMLDecodeError, path: Path) -> Finding:
    """Say where the TOML itself breaks off."""
    message = str(error)
    found = TOML_PLACE.search(message)
    if found is None:
        return Finding(str(path), f"is not TOML: {message}")
    where = f"{path}:{found['line']}: column {found['column']}"
    what = message[: found.start()]
    return Finding(
        where if found["line"] else f"{path}: end of the file",
        f"is not TOML: {what[:1].lower()}{what[1:]}",
    )


def with_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Lay ``[defaults.visits]`` under every visit and ``[defaults.surveys]`` under every survey.

    Of tables only ``write`` is merged by key: an offset, an anchor or a text by language is one
    value, though written as a table, and a visit's own replaces the default whole.
    """
    defaults = raw.get("defaults")
    laid = dict(raw)
    for name in ("visits", "surveys"):
        under = defaults.get(name) if isinstance(defaults, dict) else None
        each = raw.get(name)
        if isinstance(under, dict) and isinstance(each, list):
            laid[name] = [merge(under, one) if isinstance(one, dict) else one for one in each]
    return laid


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one visit or survey over the defaults, key by key."""
    merged = {**under, **over}
    if isinstance(under.get("write"), dict) and isinstance(over.get("write"), dict):
        merged["write"] = {**under["write"], **over["write"]}
    return merged


def lines_with_secrets(text: str) -> Iterator[int]:
    """Yield the numbers of the lines that hold 32 or 64 hexadecimal characters in a row."""
    for number, line in enumerate(text.split("\n"), start=1):
        if TOKEN.search(line):
            yield number


def lines_to_do(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and the words of every ``# TO-DO`` comment."""
    for number, line in enumerate(text.split("\n"), start=1):
        if found := TO_DO.search(line):
            yield number, found["what"]


def without_secrets(finding: Finding) -> Finding:
    """Take tokens out of a finding: a key path or a message may quote the file."""
    parts = (finding.where, finding.what, finding.hint)
    return Finding(*(TOKEN.sub("[token]", part) for part in parts))


def bundled_studies() -> list[str]:
    """Name the studies that come with the package."""
    folder = resources.files("redcap_jobs.study") / "bundled"
    return sorted(
        each.name.removesuffix(".toml") for each in folder.iterdir() if each.name.endswith(".toml")
    )


def bundled_study_text(name: str) -> str:
    """Return the text of a bundled study file.

    Raises:
        StudyFileError: No study of that name comes with the package.

    """
    if name not in bundled_studies():
        hint = did_you_mean(name, bundled_studies())
        raise StudyFileError([Finding(name, "no bundled study of that name", hint)])
    file = resources.files("redcap_jobs.study") / "bundled" / f"{name}.toml"
    return file.read_text(encoding="utf-8")
