"""What is decided about a participant in the exchange with the partner, each word with its meaning."""

from __future__ import annotations

from collections.abc import Mapping

PARTNER_WORDS: Mapping[str, str] = {
    "enrol": "is enrolled by the run named, unless its journal row says otherwise",
    "adopt": "is with the partner already, under this study id; the member is taken over",
    "update": "changed in REDCap; the partner is told by the run named",
    "arm": "is assigned to the arm by the run named",
    "withdraw": "went off study; is withdrawn with the partner by the run named",
    "with_partner": "the partner was told everything that REDCap says; what it says itself, sync-agile compares",
    "withdrawn": "is off study, and withdrawn with the partner",
    "not_wanted": "is not to be with the partner, and is not",
    "waits": "is not told to the partner yet; looked at again by each run",
    "problem": "is left alone until a person has corrected what the problem names",
    "compared": "the partner has the member, under a status that the study file does not name",
    "missing_there": "has a member id, but the partner does not list that member",
}
