"""Who carries calls to the partner: caps, the member's id, one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redcap_jobs.couriers import Verdict
from redcap_jobs.jobs.partner_history import payload_text
from redcap_jobs.plan import Action, PartnerCall, Posted, Stands, Withhold
from redcap_jobs.state.journal_entry import Cap, Intent
from redcap_jobs.state.partner_calls import member_of

if TYPE_CHECKING:
    from redcap_jobs.partner.agile import PartnerClient
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store
    from redcap_jobs.study.partner_config import Partner

NOT_ENROLLED = "not enrolled yet, so there is nothing to change"


class PartnerCourier:
    """Carries calls for one run; ``client`` is None where the run may reach nobody."""

    def __init__(
        self,
        partner: Partner,
        project: ProjectKey,
        job: str,
        run_id: str,
        store: Store,
        client: PartnerClient | None,
        keyed: Callable[[str, str], str],
    ) -> None:
        self._partner = partner
        self._project = project
        self._job = job
        self._run_id = run_id
        self._store = store
        self._client = client
        self._keyed = keyed

    def intent(self, action: Action) -> tuple[Intent, Sequence[Cap]]:
        """Return what the journal is to claim, under the cap of calls per run."""
        call = partner_call(action)
        intent = Intent(
            key=call.key,
            kind="partner",
            project=self._project,
            job=self._job,
            record=call.record,
            message=call.call,
            occurrence=call.occurrence,
            sender=self._partner.who,
            body_hash=self._keyed(payload_text(call.payload), "partner"),
        )
        return intent, [Cap("partner.per_run", self._partner.per_run, ("run_id",))]

    @contextmanager
    def turn(self, action: Action) -> Iterator[Verdict]:
        """Let it go on at once, if there is a member to change and an address to reach."""
        call = partner_call(action)
        if self._client is None:
            yield Withhold("a development run, and the study file names no [partner.development]")
        elif call.call != "enrol" and not call.adopts and not self._member(call):
            yield Withhold(NOT_ENROLLED)
        else:
            yield Stands()

    def post(self, action: Action) -> Posted:
        """Make the call, once; what is taken over as it stands needs none."""
        call = partner_call(action)
        if call.adopts:
            return Posted("sent", reference=call.member, status="adopted")
        if self._client is None:
            raise ValueError("there is nobody to call")
        if call.call == "enrol":
            study_id = {self._client.adapter.study_id: call.record}
            return self._client.enrol({**call.payload, **study_id})
        member = self._member(call)
        if call.call == "arm":
            return self._client.assign_arm(member, call.payload["arm"])
        if call.call == "withdraw":
            withdrawn = {self._client.adapter.status: self._partner.withdrawn}
            return self._client.update(member, withdrawn)
        return self._client.update(member, call.payload)

    def _member(self, call: PartnerCall) -> str:
        return call.member or member_of(self._store, self._project, self._partner.who, call.record)


def partner_call(action: Action) -> PartnerCall:
    """Return an action as what this courier carries."""
    if not isinstance(action, PartnerCall):
        raise TypeError(f"a {action.kind} is no call to the partner")
    return action
