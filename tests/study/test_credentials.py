"""Credentials are found where they are said to be, refused when open to others, never shown."""

import os
from pathlib import Path

import pytest

from redcap_jobs.errors import CredentialsError
from redcap_jobs.study.credentials import (
    Credentials,
    load_credentials,
    token_name_is_literal,
)

TOKEN = "0123456789ABCDEF" * 2


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.touch(0o600)
    return path


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("REDCAP_")]:
        monkeypatch.delenv(name)


def test_the_explicit_file_wins_over_the_environment(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name in the file is taken from the file; a name it lacks or leaves blank, from outside."""
    env_file.write_text("REDCAP_A=file\nREDCAP_B=\n")
    for name in "ABC":
        monkeypatch.setenv(f"REDCAP_{name}", "environment")
    credentials = load_credentials(env_file)
    assert [credentials.get(f"REDCAP_{name}") for name in "ABCD"] == [
        "file",
        "environment",
        "environment",
        None,
    ]


def test_values_are_taken_literally(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No interpolation: a password may hold ``${HOME}``; a byte-order mark is no part of a name."""
    env_file.write_bytes("\ufeffREDCAP_P=a${HOME}$b\r\nexport REDCAP_Q='x # y'\n".encode())
    credentials = load_credentials(env_file)
    assert credentials.get("REDCAP_P") == "a${HOME}$b"
    assert credentials.get("REDCAP_Q") == "x # y"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_file_open_to_others_is_refused(env_file: Path, mode: int) -> None:
    """Any read or write bit for group or others is refused, with the command to type."""
    env_file.chmod(mode)
    with pytest.raises(CredentialsError) as caught:
        load_credentials(env_file)
    assert str(caught.value).endswith(f"type: chmod 600 {env_file}")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_is_read(env_file: Path, mode: int) -> None:
    """Only what others may do counts."""
    env_file.write_text("REDCAP_A=1\n")
    env_file.chmod(mode)
    assert load_credentials(env_file).get("REDCAP_A") == "1"


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    """A folder, a pipe (without waiting for its other end) and a missing file each say so."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path, words in [
        (tmp_path, "is not a regular file"),
        (pipe, "is not a regular file"),
        (tmp_path / "none", "No such file"),
    ]:
        with pytest.raises(CredentialsError, match=words):
            load_credentials(path)


def test_a_broken_line_is_named_by_its_number_only(env_file: Path) -> None:
    """A line that is not NAME=value may be half a secret: it is not shown."""
    env_file.write_text(f"# comment\n\nREDCAP_A=1\n{TOKEN}\n")
    with pytest.raises(CredentialsError) as caught:
        load_credentials(env_file)
    assert str(caught.value) == f"{env_file}: line 4 is not NAME=value"


def test_a_missing_variable_names_itself_the_places_and_the_nearest_name(env_file: Path) -> None:
    """The message says what to correct and where."""
    env_file.write_text(f"REDCAP_API_ISMILE_PROD={TOKEN}\nREDCAP_API_BLANK=\n")
    credentials = load_credentials(env_file)
    with pytest.raises(CredentialsError) as caught:
        credentials.require("REDCAP_API_ISMILE_PORD")
    assert str(caught.value) == (
        f"REDCAP_API_ISMILE_PORD is not set (looked in {env_file}, then the environment); "
        "did you mean REDCAP_API_ISMILE_PROD?"
    )
    with pytest.raises(CredentialsError, match="REDCAP_API_BLANK is blank"):
        credentials.require("REDCAP_API_BLANK")


def test_the_nearest_name_is_never_one_of_strangers() -> None:
    """Of the environment only REDCAP_ names are offered: others are nobody's business."""
    credentials = Credentials(in_environment={"REDCAT_API_ISMILE": "1", "REDCAP_API_SMILE": "1"})
    with pytest.raises(CredentialsError, match=r"did you mean REDCAP_API_SMILE\?"):
        credentials.require("REDCAT_API_ISMILES")


def test_a_name_that_is_only_a_little_alike_is_not_offered() -> None:
    """All variables of a sender begin alike: TWILIO_API_URL is not what TWILIO_NUMBER was to be."""
    credentials = Credentials(in_file={"TWILIO_API_URL": "1", "TWILIO_ACCOUNT_SID": "1"})
    with pytest.raises(CredentialsError) as caught:
        credentials.require("TWILIO_NUMBER")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("token", [TOKEN, TOKEN.lower(), TOKEN * 2])
def test_a_token_is_32_or_64_hexadecimal_characters(token: str) -> None:
    """Project tokens have 32, super tokens 64."""
    assert Credentials(in_file={"REDCAP_T": token}).token("REDCAP_T") == token


@pytest.mark.parametrize("value", [TOKEN[:-1], TOKEN + "A", "G" * 32, "my secret pass phrase"])
def test_what_is_no_token_is_refused_without_showing_it(value: str) -> None:
    """The message says how many characters were found, never which."""
    with pytest.raises(CredentialsError) as caught:
        Credentials(in_file={"REDCAP_T": value}).token("REDCAP_T")
    assert value not in str(caught.value)
    assert f"it holds {len(value)} characters" in str(caught.value)


def test_credentials_never_show_their_values() -> None:
    """Neither repr nor str holds a value; a literal token given as a name is not echoed."""
    credentials = Credentials(in_file={"REDCAP_T": TOKEN}, in_environment={"REDCAP_U": TOKEN})
    assert TOKEN not in repr(credentials) + str(credentials)
    with pytest.raises(CredentialsError) as caught:
        credentials.token(TOKEN)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        (TOKEN, True),
        (f"REDCAP={TOKEN.lower()}", True),
        (TOKEN * 2, True),
        ("REDCAP_API_ISMILE_PROD", False),
        (TOKEN[:-1], False),
    ],
)
def test_a_literal_token_is_told_from_a_name(text: str, literal: bool) -> None:
    """The command line takes the name of a variable, never the token."""
    assert token_name_is_literal(text) is literal
