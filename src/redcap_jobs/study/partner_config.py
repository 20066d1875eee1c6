"""What a study file says about the texting partner: address, credentials, who, and the fields.

One owner per field: what REDCap owns goes to the partner, what the partner owns comes back. A
value without a translation is a problem of its record and never passes through.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, model_validator

from redcap_jobs.study.addresses import is_loopback_url, service_address
from redcap_jobs.study.texts_config import Variable
from redcap_jobs.study.values import Fields, Flag, Output, Part, Text, When, WholeFromOne, problem

ISO_DAY = "%Y-%m-%d"
DATE_PARTS = ("%Y", "%m", "%d")


def to_values(written: object) -> dict[str, str]:
    """Parse a table from REDCap's codes to the partner's words; each word stands for one code."""
    if not isinstance(written, dict) or not written:
        raise problem("must be a table from REDCap's codes to the partner's: { 1 = \"OHT\" }")
    table: dict[str, str] = {}
    for code, word in written.items():
        if isinstance(word, bool) or not isinstance(word, str | int) or str(word) == "":
            raise problem(f'the partner\'s word for "{code}" must be a text in quotes')
        if str(word) in table.values():
            raise problem(f'two codes are translated to "{word}"; the way back would be a guess')
        table[str(code)] = str(word)
    return table


def to_date_format(written: object) -> str:
    """Let a date format pass that says day, month and year, each once."""
    parts = isinstance(written, str) and [written.count(part) for part in (*DATE_PARTS, "%")]
    if isinstance(written, str) and parts == [1, 1, 1, len(DATE_PARTS)]:
        return written
    raise problem('must be a date format such as "%m/%d/%Y", with %Y, %m and %d once each')


Values = Annotated[dict[str, str], PlainValidator(to_values), PlainSerializer(dict)]
DateFormat = Annotated[str, PlainValidator(to_date_format)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class PartnerAccess(Part):
    """An address of the partner's, and the names of the variables that open it.

    ``token`` (bearer), or ``user`` with ``password`` (basic).
    """

    url: Annotated[str, AfterValidator(service_address)]
    token: Variable | None = None
    user: Variable | None = None
    password: Variable | None = None

    @model_validator(mode="after")
    def whole(self) -> PartnerAccess:
        """Refuse half a credential, and two of them."""
        if (self.token is None) == (self.user is None):
            raise problem("needs token, or user with password")
        if (self.user is None) != (self.password is None):
            raise problem("user and password belong together")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """Name every variable that must be set."""
        return tuple(each for each in (self.token, self.user, self.password) if each)

    @property
    def is_loopback(self) -> bool:
        """Tell whether this is a sandbox on this machine."""
        return is_loopback_url(self.url)


class PartnerWrite(Part):
    """``[partner.write]``: where REDCap keeps what the partner says.

    ``member_id`` is the key of the exchange and is read back; ``opted_out`` is set to '1' where
    the partner's status says so, and people may set it, too.
    """

    member_id: Output
    status: Output = ()
    opted_out: Output = ()
    synced_at: Output = ()
    error: Output = ()


class PartnerField(Part):
    """``[[partner.fields]]``: one field of the partner's, and where REDCap has it.

    ``owner`` says whose value counts; the other side's is only compared, or (the partner's)
    copied into REDCap. ``role = "arm"`` marks the treatment arm, which has a call of its own;
    ``urgent`` differences are told first. Where ``values`` is given the value is a choice.
    """

    partner: Name
    redcap: Fields
    owner: Literal["redcap", "partner"] = "redcap"
    kind: Literal["text", "choice", "date", "phone", "whole"] = "text"
    values: Values | None = None
    date: DateFormat = ISO_DAY
    required: Flag = False
    urgent: Flag = False
    role: Literal["arm"] | None = None

    @model_validator(mode="before")
    @classmethod
    def choice_by_values(cls, written: Any) -> Any:
        """Let a table of values say that the field is a choice."""
        if isinstance(written, dict) and "values" in written and "kind" not in written:
            return {**written, "kind": "choice"}
        return written

    @model_validator(mode="after")
    def whole(self) -> PartnerField:
        """Refuse what contradicts itself."""
        if (self.kind == "choice") != (self.values is not None):
            raise problem('values and kind = "choice" belong together')
        if self.date != ISO_DAY and self.kind != "date":
            raise problem('date = "…" needs kind = "date"')
        if self.role == "arm" and (self.owner != "redcap" or self.kind != "choice"):
            raise problem("the arm is owned by REDCap and needs values")
        if self.owner == "partner" and (self.required or len(self.redcap) > 1):
            raise problem("what the partner owns is written to one field, and is never required")
        if self.owner == "partner" and self.redcap[0].code is not None:
            raise problem("a value cannot be written to a checkbox")
        return self

    @property
    def back(self) -> dict[str, str]:
        """The partner's words and REDCap's codes."""
        return {word: code for code, word in (self.values or {}).items()}


class Partner(PartnerAccess):
    """``[partner]``: who is enrolled with the texting partner, where, and what is exchanged.

    ``name`` says whom the members are with, if not the adapter: a study that changes its partner
    changes it, and its participants are enrolled anew. ``enrol_when`` holds besides
    ``participants.who``. ``settle_minutes`` is how long a call whose answer was lost may still take
    effect: only then is it looked up. ``per_run`` limits all calls that change something, the rest
    waits; a plan with more withdrawals or updates than theirs is refused. ``withdrawn`` is the
    partner's status for who left, ``opted_out`` those of who wants no texts any more.
    """

    adapter: Literal["agile"]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")] | None = None
    enrol_when: When | None = None
    withdrawn: Text = "withdrawn"
    opted_out: tuple[Text, ...] = ("opted_out",)
    settle_minutes: WholeFromOne = 15
    per_run: WholeFromOne = 2000
    withdrawals_per_run: WholeFromOne = 10
    updates_per_run: WholeFromOne = 100
    requests_per_minute: Annotated[int, Field(strict=True, ge=1)] = 120
    development: PartnerAccess | None = None
    write: PartnerWrite
    statuses: dict[Text, Text] = Field(default_factory=dict)
    fields: tuple[PartnerField, ...]

    @property
    def who(self) -> str:
        """Whom the members are with; under another name nobody counts as enrolled."""
        return self.name or self.adapter

    @property
    def arm(self) -> PartnerField | None:
        """The field that holds the arm; None where the partner has no arms."""
        return next((each for each in self.fields if each.role == "arm"), None)

    @property
    def sent(self) -> tuple[PartnerField, ...]:
        """The fields that go to the partner with the member, all but the arm."""
        return tuple(e for e in self.fields if e.owner == "redcap" and e.role is None)

    @property
    def copied(self) -> tuple[PartnerField, ...]:
        """The fields that the partner owns and REDCap gets a copy of."""
        return tuple(each for each in self.fields if each.owner == "partner")
