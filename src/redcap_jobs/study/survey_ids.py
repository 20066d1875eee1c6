"""Ids of surveys that texts went out under, and that the study file names no more.

An id is part of the key under which a text is sent at most once: renamed without a word, or left
out and given again later, it would text everybody a second time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from redcap_jobs.plan import NOTHING_HAPPENED
from redcap_jobs.study.check import CheckFinding, findings
from redcap_jobs.study.flaws import Flaw

if TYPE_CHECKING:
    import pandas as pd

    from redcap_jobs.study.config import Study


def vanished_ids(study: Study, texted: Iterable[str]) -> list[str]:
    """Return which of the ids that were ``texted`` no survey has, or had (``formerly``), sorted."""
    known = {name for survey in study.surveys for name in survey.ids}
    return sorted(set(texted) - known)


def check_ids(study: Study, texted: Iterable[str]) -> list[CheckFinding]:
    """Report every id that was texted and is neither a survey's nor among its ``formerly``."""
    hint = (
        'write formerly = ["{name}"] in the survey it became; if it has ended, leave its table in '
        "the file: nothing is sent after its latest"
    )
    flaws = [
        Flaw(
            ("surveys",),
            f'"{name}" was texted before, and no survey of the file has that id',
            hint.format(name=name),
        )
        for name in vanished_ids(study, texted)
    ]
    return findings(study, flaws)


def texted_ids(study: Study, token: str, url: str) -> set[str]:
    """Return the ids under which something went out, or may have, by what a state knows.

    ``token`` is the name of the project's token; raises what opening the state at ``url`` raises.
    """
    from redcap_jobs.state.messages import message_history
    from redcap_jobs.state.scope import ProjectKey
    from redcap_jobs.state.store import Store

    identity = study.redcap.projects[token]
    with Store.open(url) as store:
        project = ProjectKey(study.redcap.url, identity.project_id, identity.mode)
        return ids_that_went_out(message_history(store, project))


def ids_that_went_out(messages: pd.DataFrame) -> set[str]:
    """Return the ids in a messages frame under which something went out, or may have."""
    return set(messages.loc[~messages["state"].isin(NOTHING_HAPPENED), "message"])
