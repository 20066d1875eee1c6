"""Files of file fields: any bytes may be a file, and nothing at all may be a failure."""

from __future__ import annotations

import email
import json
from typing import Any

import pytest
import requests
import responses
from client_doubles import URL, HandClock, Reply, answer_always, form_of, json_reply, new_client

from redcap_jobs.redcap.client import RedcapClient
from redcap_jobs.redcap.errors import (
    FileTooLarge,
    RedcapError,
    RequestRefused,
    ServerOverloaded,
    TokenRefused,
    UnusableAnswer,
)
from redcap_jobs.redcap.files import RedcapFile, plain_name

HTML = {"Content-Type": "text/html; charset=UTF-8"}
NONE_TO_EXPORT = json_reply({"error": "There is no file to download for this record"}, 400)
NONE_TO_DELETE = json_reply({"error": "There is no file to delete for this record"}, 400)


def file_reply(content: bytes, name: str = "x.jpg", mime: str = "image/jpeg") -> Reply:
    return 200, {"Content-Type": f'{mime}; name="{name}";charset=UTF-8'}, content


def parts_of(request: requests.PreparedRequest) -> dict[str, Any]:
    """Return the parts of a multipart request by name: text, or a file's message."""
    body: Any = request.body
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    found: dict[str, Any] = {}
    for part in email.message_from_bytes(head + body).get_payload():
        assert not isinstance(part, str)
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        found[name] = part if part.get_filename() else bytes(content).decode()
    return found


class Server:
    """One file field; faults are answers that come instead, first come, first sent."""

    def __init__(self, *faults: Reply, stored: RedcapFile | None = None) -> None:
        self.faults, self.stored = list(faults), stored
        self.actions: list[str] = []
        responses.add_callback(responses.POST, URL, callback=self.answer, content_type=None)

    def answer(self, request: requests.PreparedRequest) -> Reply:
        upload = "multipart" in request.headers["Content-Type"]
        form: dict[str, Any] = {**(parts_of(request) if upload else form_of(request))}
        self.form = form
        self.actions.append(form["action"])
        if self.faults:
            return self.faults.pop(0)
        if form["action"] == "import":
            part = form["file"]
            self.stored = RedcapFile(
                part.get_filename(), part.get_content_type(), part.get_payload(decode=True)
            )
            return 200, HTML, ""
        if self.stored is None:
            return NONE_TO_EXPORT if form["action"] == "export" else NONE_TO_DELETE
        stored = self.stored
        if form["action"] == "delete":
            self.stored = None
            return 200, HTML, ""
        return file_reply(stored.content, stored.name, stored.mime)


CONTENTS = [
    b"",
    b"\x00\xff\xfe\x89PNG",
    b"<!DOCTYPE html><html>login <input type=password></html>",
    b'{"error":"REDCap ran out of server memory."}',
    b"ERROR: something",
    b"Your IP address has been banned due to suspected abuse.",
    b"REDCap ran out of server memory",
]


@responses.activate
@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_may_hold_anything(content: bytes) -> None:
    """The content type's name makes it a file, though it reads like a page, an error or a ban."""
    answer_always(file_reply(content, "x.html", "text/html"))
    found = new_client().export_file("1", "photo", "baseline_arm_1", "2")
    assert found == RedcapFile("x.html", "text/html", content)
    form = form_of(responses.calls[0].request)
    assert {name: form[name] for name in ("content", "action", "record", "field", "event")} == {
        "content": "file",
        "action": "export",
        "record": "1",
        "field": "photo",
        "event": "baseline_arm_1",
    }
    assert form["repeat_instance"] == "2"
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("content", CONTENTS[2:])
def test_the_same_bytes_without_a_name_are_no_file(content: bytes) -> None:
    """An error, a page or a text of trouble is what it is."""
    answer_always((200, HTML, content))
    with pytest.raises(RedcapError):
        new_client().export_file("1", "photo")


@responses.activate
@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('image/jpeg; name="x.jpg";charset=UTF-8', "x.jpg"),
        ('image/jpeg; name="a b; c.jpg"; charset="UTF-8"', "a b; c.jpg"),
        ("image/jpeg; name=x.jpg", "x.jpg"),
        ('application/octet-stream; name="../../etc/passwd"', "passwd"),
        (r'text/plain; name="C:\folder\x.txt"', "x.txt"),
        ('text/plain; name="Фото.jpg"'.encode().decode("latin-1"), "Фото.jpg"),
        ('text/plain; name="M\xfcller.txt"', "Müller.txt"),
        ('text/plain; name=""', "file"),
    ],
)
def test_the_name_comes_from_the_content_type(header: str, name: str) -> None:
    """Quoted or not, UTF-8 or Latin-1; never a folder."""
    answer_always((200, {"Content-Type": header}, b"abc"))
    found = new_client().export_file("1", "photo")
    assert found is not None
    assert (found.name, found.content) == (name, b"abc")


@responses.activate
def test_no_file_is_none() -> None:
    """REDCap refuses where there is none; other refusals are errors in its words."""
    answer_always(NONE_TO_EXPORT)
    assert new_client().export_file("1", "photo") is None
    responses.reset()
    answer_always(
        json_reply({"error": "The field 'mug' does not exist or is not a 'file' field"}, 400)
    )
    with pytest.raises(RequestRefused, match="is not a 'file' field"):
        new_client().export_file("1", "mug")
    with pytest.raises(RequestRefused, match="is not a 'file' field"):
        new_client().delete_file("1", "mug")


@responses.activate
def test_a_file_over_the_limit_is_refused() -> None:
    """Neither kept in memory nor sent: the message names the limit, not the file."""
    client: RedcapClient = new_client()
    client._files.most_bytes = 10
    server = Server(stored=RedcapFile("scan of Ms Example.pdf", "application/pdf", b"x" * 11))
    with pytest.raises(FileTooLarge, match="more than 10 bytes") as failed:
        client.export_file("1", "photo")
    assert "Example" not in str(failed.value)
    with pytest.raises(FileTooLarge, match="11 bytes, more than 10 bytes"):
        client.import_file("1", "photo", RedcapFile("x", "text/plain", b"x" * 11))
    assert server.actions == ["export"]
    client.import_file("1", "photo", RedcapFile("x", "text/plain", b"x" * 10))


@responses.activate
def test_an_import_is_one_upload_that_is_read_back() -> None:
    """Multipart: the fields of the form, then the file with its name and type; bytes unchanged."""
    server = Server()
    file = RedcapFile("Фото 1.jpg", "image/jpeg", bytes(range(256)))
    new_client().import_file("1", "photo", file, event="baseline_arm_1")
    assert server.actions == ["import", "export"]
    assert server.stored is not None
    assert (server.stored.content, server.stored.mime) == (file.content, file.mime)
    parts = parts_of(responses.calls[0].request)
    assert (parts["content"], parts["field"], parts["event"]) == ("file", "photo", "baseline_arm_1")
    assert parts["returnFormat"] == "json"
    assert "repeat_instance" not in parts


@responses.activate
def test_an_import_that_was_answered_with_nothing_but_did_nothing_is_sent_again() -> None:
    """Success is an empty body, and so is a server that gave up: only reading back tells."""
    server = Server((200, HTML, ""))
    file = RedcapFile("x.jpg", "image/jpeg", b"new")
    new_client().import_file("1", "photo", file)
    assert server.actions == ["import", "export", "import", "export"]
    assert server.stored == file


@responses.activate
def test_an_import_that_never_takes_is_an_error() -> None:
    """Three uploads, each read back: then it is told."""

    def answer(request: requests.PreparedRequest) -> Reply:
        upload = "multipart" in request.headers["Content-Type"]
        return (200, HTML, "") if upload else file_reply(b"old")

    responses.add_callback(responses.POST, URL, callback=answer, content_type=None)
    with pytest.raises(UnusableAnswer, match="not there when read back"):
        new_client().import_file("1", "photo", RedcapFile("x.jpg", "image/jpeg", b"new"))
    assert len(responses.calls) == 6


@responses.activate
@pytest.mark.parametrize(
    "fault",
    [
        (200, HTML, "<html>unknown error, multiple browser tabs</html>"),
        (500, HTML, ""),
        (504, HTML, "<html>time-out</html>"),
        (200, HTML, "<br />\n<b>Fatal error</b>: Allowed memory size of 1000 bytes exhausted"),
        (200, HTML, "something that nobody expected"),
    ],
)
def test_a_passing_fault_is_waited_out(fault: Reply) -> None:
    """An upload, its confirmation, an export and a deletion are all safe to repeat."""
    clock = HandClock()
    file = RedcapFile("x.jpg", "image/jpeg", b"abc")
    server = Server(fault)
    client = new_client(clock=clock)
    client.import_file("1", "photo", file)
    server.faults = [fault]
    assert client.export_file("1", "photo") == file
    server.faults = [fault]
    assert client.delete_file("1", "photo") is True
    assert clock.pauses == [2, 2, 2]
    assert server.stored is None


@responses.activate
def test_a_deletion_counts_when_there_is_nothing_left_to_delete() -> None:
    """False where there was none; an empty answer alone proves nothing."""
    file = RedcapFile("x.jpg", "image/jpeg", b"abc")
    server = Server(stored=file)
    assert new_client().delete_file("1", "photo") is True
    assert server.actions == ["delete", "delete"]
    assert new_client().delete_file("1", "photo") is False
    server.stored, server.faults = file, [(200, HTML, "")]
    assert new_client().delete_file("1", "photo") is True
    assert server.stored is None
    responses.reset()
    answer_always((200, HTML, ""))
    with pytest.raises(UnusableAnswer, match="still has a file to delete"):
        new_client().delete_file("1", "photo")


@responses.activate
def test_a_lacking_right_is_told_at_once() -> None:
    """HTTP 403: once, with the server's words."""
    answer_always(json_reply({"error": "You do not have API Export privileges"}, 403))
    with pytest.raises(TokenRefused, match="API Export"):
        new_client().export_file("1", "photo")
    assert len(responses.calls) == 1


@responses.activate
def test_a_file_s_name_gets_into_no_message() -> None:
    """A name may say whose picture it is: neither errors nor repr hold it."""
    said = json.dumps({"error": "Ms Example.jpg is of a type that is not allowed"})
    responses.add(responses.POST, URL, body=said, status=400)
    file = RedcapFile("Ms Example.jpg", "image/jpeg", b"Ms Example")
    with pytest.raises(RequestRefused, match="not allowed") as failed:
        new_client().import_file("1", "photo", file)
    assert "Example" not in f"{failed.value!s} {failed.value!r} {file!r}"


@responses.activate
def test_an_answer_that_stays_empty_is_no_file() -> None:
    """No name, no bytes: HTTP 500 without a word is the server's trouble, 200 is no file."""
    answer_always((500, HTML, ""))
    with pytest.raises(ServerOverloaded):
        new_client().export_file("1", "photo")
    responses.reset()
    answer_always((200, HTML, ""))
    with pytest.raises(UnusableAnswer, match="no file"):
        new_client().export_file("1", "photo")


@pytest.mark.parametrize(
    ("name", "plain"),
    [("x.jpg", "x.jpg"), ("a/b.txt", "b.txt"), ('a"b\r\n.txt', "a_b__.txt"), ("", "file")],
)
def test_a_name_is_a_name_only(name: str, plain: str) -> None:
    """No folders, no quotes and no line breaks, in what is received and in what is sent."""
    assert plain_name(name) == plain
