"""One call from its form to its answer: token, rights, the call itself, faults, the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Event, Lock

from redcap_jobs.sandbox.answers import CONTENT_TYPES, Answer, Table, error_body
from redcap_jobs.sandbox.calls import action_of, find_call, find_user
from redcap_jobs.sandbox.context import Context
from redcap_jobs.sandbox.faults import FaultBoard, FaultRule
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.project_create import answer_super_token
from redcap_jobs.sandbox.request_log import RequestEntry, RequestLog
from redcap_jobs.sandbox.stored_files import StoredFile


@dataclass(frozen=True)
class Behaviour:
    """Where recorded servers differ: the switches of this one.

    ``strict_arrays`` refuses comma lists; ``refusals_name_event`` puts ``record (event)`` into the
    first cell of a refused value.
    """

    strict_arrays: bool = False
    refusals_name_event: bool = False


@dataclass(frozen=True)
class Reply:
    """What goes over the wire. ``cut`` sends only half of the body and closes the connection."""

    status: int
    body: bytes
    content_type: str
    cut: bool = False


@dataclass
class Api:
    """All projects of one server, behind the one address that every call goes to."""

    projects: list[SandboxProject]
    now: Callable[[], datetime]
    behaviour: Behaviour = field(default_factory=Behaviour)
    log: RequestLog = field(default_factory=RequestLog)
    faults: FaultBoard = field(default_factory=FaultBoard)
    stopping: Event = field(default_factory=Event)
    super_token: str = ""
    public_url: str = ""
    creating: Lock = field(default_factory=Lock)

    def reply(
        self, pairs: Iterable[tuple[str, str]], files: Mapping[str, StoredFile] | None = None
    ) -> Reply:
        """Answer one posted form with its uploads, and note it in the log."""
        parameters = Parameters.read(pairs, files, strict_arrays=self.behaviour.strict_arrays)
        content, action = parameters.text("content"), action_of(parameters)
        entry = RequestEntry(
            number=self.log.next_number(),
            at=self.now(),
            content=content,
            action=action,
            pid=0,
            user="",
            status=0,
            format=parameters.text("format"),
            overwrite=parameters.text("overwriteBehavior") == "overwrite",
        )
        fault = self.faults.draw(content, action)
        if fault:
            entry = replace(entry, fault=fault.name)
        slow = fault.seconds if fault and fault.name == "slow" else 0.0
        if slow and fault and not fault.after:
            self.stopping.wait(slow)
        reply, entry = self._reply(parameters, entry, fault)
        self.log.add(replace(entry, status=reply.status))
        if slow and fault and fault.after:
            self.stopping.wait(slow)
        return reply

    def _reply(
        self, parameters: Parameters, entry: RequestEntry, fault: FaultRule | None
    ) -> tuple[Reply, RequestEntry]:
        try:
            if self.super_token and parameters.text("token") == self.super_token:
                with self.creating:
                    answer = answer_super_token(parameters, self.projects, self.now())
                return written(answer, parameters, entry.action, fault), entry
            project, user = find_user(self.projects, parameters.text("token"), self.now().date())
            entry = asked_for(replace(entry, pid=project.pid, user=user.username), parameters)
            call = find_call(parameters, project.members.rights(user.username))
            if fault and fault.replacement and not fault.after:
                return replaced(fault), entry
            context = Context(
                parameters,
                project,
                user,
                self.now(),
                self.public_url,
                self.behaviour.refusals_name_event,
            )
            answer = call.answer(context)
            counts = context.counts
            entry = replace(entry, rows=counts.rows, cells=counts.cells)
            reply = written(answer, parameters, entry.action, fault)
        except Refusal as refusal:
            body, content_type = error_body(refusal.message, parameters.return_format)
            reply = Reply(refusal.status, body.encode(), content_type)
        if fault and fault.replacement:
            return replaced(fault), entry
        if fault and fault.name == "cut-json":
            reply = replace(reply, body=reply.body[: len(reply.body) // 2])
        if fault and fault.name == "cut-connection":
            reply = replace(reply, cut=True)
        return reply, entry


def asked_for(entry: RequestEntry, parameters: Parameters) -> RequestEntry:
    """Return the entry with how many fields, forms, events and records the call names."""
    try:
        return replace(
            entry,
            fields=len(parameters.array("fields")),
            forms=len(parameters.array("forms")),
            events=len(parameters.array("events")),
            records=len(parameters.array("records")),
        )
    except Refusal:
        return entry


def written(answer: Answer, parameters: Parameters, action: str, fault: FaultRule | None) -> Reply:
    """Write an answer in the format asked for; counts and ids follow ``returnFormat``."""
    if isinstance(answer, Table) and fault and fault.name == "missing-rows":
        kept = [row for place, row in enumerate(answer.rows) if place % 10 != 9]
        answer = replace(answer, rows=kept if len(kept) < len(answer.rows) else answer.rows[:-1])
    format_ = parameters.format if action == "export" else parameters.return_format
    body, content_type = answer.body(format_)
    return Reply(200, body.encode() if isinstance(body, str) else body, content_type)


def replaced(fault: FaultRule) -> Reply:
    """Return the answer that a fault sends instead."""
    replacement = fault.replacement
    if replacement is None:
        raise ValueError(f"{fault.name} replaces no answer")
    return Reply(replacement.status, replacement.body.encode(), replacement.content_type)


def not_implemented() -> Reply:
    """Return what a request other than a POST gets (recorded with status 501)."""
    body, content_type = error_body("The requested method is not implemented.", "xml")
    return Reply(501, body.encode(), content_type)


def not_found() -> Reply:
    """Return what any other address gets."""
    return Reply(404, b"Not Found", CONTENT_TYPES["text"])
