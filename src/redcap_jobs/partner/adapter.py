"""How one partner's REST interface is laid out: paths, methods, and the names in its answers.

The partner may change in mid-study. Another one with the same four endpoints (enrolment, status
look-up, member update, arm assignment) is another :class:`Adapter` here and a word in the study
file; nothing else knows a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Adapter:
    """The layout of a partner's interface; ``{member}`` in a path is the partner's member id.

    ``study_id`` is the field that holds the study's own id of a participant, which is what a
    member is looked up by before its id is known.
    """

    name: str
    enrol: tuple[str, str]
    look_up: str
    listing: str
    update: tuple[str, str]
    assign: tuple[str, str]
    member_id: str
    study_id: str
    status: str
    arm: str
    members: str
    total: str
    next_page: str
    page_size: tuple[str, int]


AGILE = Adapter(
    name="agile",
    enrol=("POST", "/v1/members"),
    look_up="/v1/members/{member}",
    listing="/v1/members",
    update=("PUT", "/v1/members/{member}"),
    assign=("PUT", "/v1/members/{member}/arm"),
    member_id="memberId",
    study_id="studyId",
    status="status",
    arm="arm",
    members="members",
    total="total",
    next_page="next",
    page_size=("pageSize", 200),
)

ADAPTERS: Mapping[str, Adapter] = {AGILE.name: AGILE}
