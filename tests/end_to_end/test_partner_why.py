"""``why`` about a participant who is with the partner: what was decided, what left the house."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from partnering import SYNC, Partnering, partnering
from rich.console import Console

import redcap_jobs.jobs
from redcap_jobs.state.store import Store
from redcap_jobs.study.loading import load_study
from redcap_jobs.study.partner_words import PARTNER_WORDS
from redcap_jobs.why import show_why


def why(study: Partnering, record: str) -> str:
    """Return what a person reads."""
    out = StringIO()
    with Store.open(study.home.state_url) as store:
        show_why(store, load_study(study.home.study), record, Console(file=out, width=200))
    return out.getvalue()


def test_why_says_how_a_member_stands_and_what_differs(tmp_path: Path) -> None:
    """Both jobs' decisions, the member id, the partner's status, the calls; words explained."""
    with partnering(tmp_path, participants=30) as study:
        study.run()
        study.run()
        member = study.sandbox.partner.all()[0]
        other = "en" if member["language"] == "es" else "es"
        study.sandbox.partner.set(
            study.sandbox.partner.found(member["memberId"]),
            {"status": "active", "language": other, "firstName": "Robin"},
        )
        study.run(SYNC)
        told = why(study, member["studyId"])
        assert re.search(r"poll-participants +│ partner +│ with_partner", told), told
        assert re.search(
            rf"sync-agile +│ partner +│ active +│ member {member['memberId']}; "
            r"differs: language, firstName",
            told,
        ), told
        assert re.search(rf"partner +│ enrol .*│ sent +│ enrolled +│ {member['memberId']}", told)
        assert "with_partner: the partner was told everything that REDCap says" in told
        assert "Robin" not in told
        study.sandbox.partner.remove(member["memberId"])
        study.run(SYNC)
        told = why(study, member["studyId"])
        assert "missing_there: has a member id, but the partner does not list" in told


def test_every_word_of_a_decision_is_explained() -> None:
    """What the exchange decides in its own words has a sentence."""
    folder = Path(redcap_jobs.jobs.__file__).parent
    text = "".join(
        (folder / name).read_text(encoding="utf-8")
        for name in ("partner_judged.py", "poll_participants.py", "sync_agile.py")
    )
    used = set(re.findall(r'(?:Judgement\(\s*|decision = |word = )"([a-z_]+)"', text))
    assert len(used) > 8
    assert used <= set(PARTNER_WORDS), used - set(PARTNER_WORDS)
