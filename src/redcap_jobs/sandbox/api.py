"""One call from its form to its answer: token, rights, the call itself, faults, the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Event, Lock

from redcap_jobs.errors import StateError
from redcap_jobs.sandbox.answers import Answer
from redcap_jobs.sandbox.behaviour import Behaviour
from redcap_jobs.sandbox.calls import action_of, find_call, find_user
from redcap_jobs.sandbox.context import Context, Counts
from redcap_jobs.sandbox.faults import BAN, BANNED, FaultBoard, FaultRule
from redcap_jobs.sandbox.parameters import Parameters, Refusal
from redcap_jobs.sandbox.partner_calls import PartnerCalls
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.project_create import answer_super_token
from redcap_jobs.sandbox.replies import Reply, altered, refused, replaced, written
from redcap_jobs.sandbox.request_log import RequestEntry, RequestLog
from redcap_jobs.sandbox.stored_files import StoredFile
from redcap_jobs.sandbox.twilio_calls import TwilioCalls

__all__ = ["Api", "Behaviour"]


ANSWERED_IN_FORMAT = frozenset({"export", "list", "createFolder"})
"""Actions whose answer follows ``format``; that of the others follows ``returnFormat``."""


@dataclass
class Api:
    """All projects of one server, behind the one address that every call goes to.

    ``created`` is told of each project made with the super token, before its token is handed out.
    ``twilio`` and ``partner`` are the accounts served beside them, None for none.
    """

    projects: list[SandboxProject]
    now: Callable[[], datetime]
    behaviour: Behaviour = field(default_factory=Behaviour)
    log: RequestLog = field(default_factory=RequestLog)
    faults: FaultBoard = field(default_factory=FaultBoard)
    stopping: Event = field(default_factory=Event)
    super_token: str = ""
    public_url: str = ""
    created: Callable[[SandboxProject], None] | None = None
    creating: Lock = field(default_factory=Lock)
    twilio: TwilioCalls | None = None
    partner: PartnerCalls | None = None

    def reply(
        self, pairs: Iterable[tuple[str, str]], files: Mapping[str, StoredFile] | None = None
    ) -> Reply:
        """Answer one posted form with its uploads, and note it in the log once all is sent."""
        parameters = Parameters.read(pairs, files, strict_arrays=self.behaviour.strict_arrays)
        content, action = parameters.text("content"), action_of(parameters)
        fault = self.faults.draw(content, action)
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
            fault=fault.name if fault else "",
        )
        counts = Counts()
        self._wait(fault, after=False)
        reply, entry = self._reply(parameters, entry, fault, counts)
        self._wait(fault, after=True)
        entry = replace(entry, status=reply.status)

        def sent() -> None:
            self.log.add(replace(entry, rows=counts.rows, cells=counts.cells))

        if reply.rest is None:
            sent()
            return reply
        return replace(reply, ended=sent)

    def banned(self, address: str) -> Reply | None:
        """Count a request from an address; what it gets if it is banned, else None."""
        if not self.faults.bans.strikes(address):
            return None
        number, now = self.log.next_number(), self.now()
        self.log.add(RequestEntry(number, now, "", "", 0, "", BANNED.status, fault=BAN))
        return Reply(BANNED.status, BANNED.body.encode(), BANNED.content_type)

    def _wait(self, fault: FaultRule | None, *, after: bool) -> None:
        if fault and fault.name == "slow" and fault.after == after:
            self.stopping.wait(fault.seconds)

    def _reply(
        self,
        parameters: Parameters,
        entry: RequestEntry,
        fault: FaultRule | None,
        counts: Counts,
    ) -> tuple[Reply, RequestEntry]:
        try:
            if self.super_token and parameters.text("token") == self.super_token:
                if fault and fault.replacement and not fault.after:
                    return replaced(fault), entry
                answer = self._create(parameters)
            else:
                project, user = find_user(
                    self.projects, parameters.text("token"), self.now().date()
                )
                entry = asked_for(replace(entry, pid=project.pid, user=user.username), parameters)
                call = find_call(parameters, project.members.rights(user.username))
                if fault and fault.replacement and not fault.after:
                    return replaced(fault), entry
                answer = call.answer(
                    Context(
                        parameters,
                        project,
                        user,
                        self.now(),
                        self.public_url,
                        self.behaviour,
                        counts,
                    )
                )
            exported = entry.action in ANSWERED_IN_FORMAT
            format_ = parameters.format if exported else parameters.return_format
            reply = written(answer, format_, counts, fault)
        except Refusal as refusal:
            reply = refused(refusal.status, refusal.message, parameters.return_format)
        except StateError as error:  # the disk under --data is full, or gone
            reply = refused(500, f"{error}; nothing was stored", parameters.return_format)
        return altered(reply, fault), entry

    def _create(self, parameters: Parameters) -> Answer:
        with self.creating:
            before = len(self.projects)
            answer = answer_super_token(parameters, self.projects, self.now())
            try:
                for project in self.projects[before:]:
                    if self.created is not None:
                        self.created(project)
            except StateError:
                del self.projects[before:]
                raise
        return answer


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
