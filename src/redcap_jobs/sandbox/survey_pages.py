"""The pages behind survey links: a form to fill in, and a record's queue of surveys.

Plain on purpose: no branching, no piping, no pages, no scripts, nothing saved for later. What is
stored is what a participant's answer stores in REDCap: the values, the survey's time stamp and the
form's status. The words are this sandbox's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, request
from jinja2 import Environment

from redcap_jobs.sandbox.activity_log import Activity
from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.dictionary import status_field
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.rich_text import one_line, paragraphs
from redcap_jobs.sandbox.store import Draft, Record
from redcap_jobs.sandbox.structure import Form
from redcap_jobs.sandbox.survey_calls import (
    COMPLETE,
    find_queue,
    find_response,
    link_of,
    queue_of,
    response_status,
)
from redcap_jobs.sandbox.survey_calls import Response as SurveyResponse
from redcap_jobs.sandbox.survey_html import TEMPLATE
from redcap_jobs.sandbox.survey_items import Item, checked, items_of

NOBODY = "[survey respondent]"
"""The user under which an answer stands in the log."""
UNKNOWN = "This survey does not exist"
CHECK_ADDRESS = "Please check the address."
DONE = "You have already completed this survey."
LOCKED = "This survey is locked: its answers cannot be changed."
OFFLINE = "This survey is not open at present."
THANKS = "Thank you for taking the survey."
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The address is the key to a participant's answers: no page passes it on."""
HTML = Environment(autoescape=True).from_string(TEMPLATE)


def survey_blueprint(api: Api) -> Blueprint:
    """Return the route ``/surveys/``: ``?s=`` a survey, ``?sq=`` a queue."""
    pages = Blueprint("surveys", __name__)

    @pages.route("/surveys/", methods=["GET", "POST"])
    def survey() -> Response:
        code, queue = request.args.get("s", ""), request.args.get("sq", "")
        for project in list(api.projects):
            if code and (found := find_response(project, code)):
                return survey_page(api, project, found)
            if queue and (record := find_queue(project, queue)):
                return queue_page(api, project, record)
        return page(404, UNKNOWN, [CHECK_ADDRESS])

    return pages


def page(
    status: int,
    title: str,
    texts: Sequence[str] = (),
    *,
    links: Sequence[dict[str, object]] | None = None,
    items: Sequence[Item] | None = None,
    problems: int = 0,
) -> Response:
    """Return a page: its texts, then links or a form."""
    text = HTML.render(title=title, texts=texts, links=links, items=items, problems=problems)
    return Response(text, status, HEADERS, mimetype="text/html")


def form_of(project: SandboxProject, name: str) -> Form:
    """Return a form by its name."""
    return next(form for form in project.structure.forms if form.name == name)


def title_of(form: Form) -> str:
    """Return a survey's title."""
    return one_line(form.survey_attributes.get("title", "")) or form.label


def queue_page(api: Api, project: SandboxProject, record: str) -> Response:
    """Return the list of a record's surveys."""
    stored = project.store.current.records.get(record, Record())
    links: list[dict[str, object]] = [
        {
            "title": queue_title(project, one),
            "link": link_of(project, api.public_url, one),
            "done": response_status(stored.rows.get(one.key, {}), one.form) == 2,
        }
        for one in queue_of(project, record)
    ]
    return page(200, f"Surveys of {project.title}", links=links)


def queue_title(project: SandboxProject, one: SurveyResponse) -> str:
    """Return a survey's title with its event and instance, as far as there are any."""
    title = title_of(form_of(project, one.form))
    if one.key.event:
        title += f", {project.structure.event_label(one.key.event)}"
    return f"{title} #{one.key.instance}" if one.key.instance else title


def survey_page(api: Api, project: SandboxProject, found: SurveyResponse) -> Response:
    """Return a survey to be filled in; take its answers; or say why not."""
    structure, form = project.structure, form_of(project, found.form)
    title, about = title_of(form), form.survey_attributes
    record = project.store.current.records.get(found.record, Record())
    stored = record.rows.get(found.key, {})
    if about.get("survey_enabled", "1") == "0":
        return page(200, title, [OFFLINE])
    if response_status(stored, form.name) == 2:
        return page(200, title, [DONE])
    told = paragraphs(about.get("instructions", ""))
    if request.method != "POST":
        return page(200, title, told, items=items_of(structure, form, stored))
    given, wrong = checked(structure, form, request.form)
    if wrong:
        items = items_of(structure, form, stored, request.form, wrong)
        return page(400, title, told, items=items, problems=len(wrong))
    why_not = store(api, project, found, given)
    if why_not:
        return page(409, title, [why_not])
    return page(200, title, paragraphs(about.get("acknowledgement", "")) or [THANKS])


def store(api: Api, project: SandboxProject, found: SurveyResponse, given: dict[str, str]) -> str:
    """Store the answers with the time stamp and the status *Complete*; return why not, or ''."""
    now = api.now()
    values = {
        **given,
        f"{found.form}_timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
        status_field(found.form): COMPLETE,
    }
    with project.store.writing(now) as draft:
        why_not = refused(draft, found)
        if why_not:
            return why_not
        row = draft.row(found.record, found.key)
        for name, value in values.items():
            if value:
                row[name] = value
            else:
                row.pop(name, None)
        dag = draft.dag(found.record)
    action = f"Update survey response {found.record}"
    project.log.add(Activity(now, NOBODY, "record_edit", action, found.form, found.record, dag))
    return ""


def refused(draft: Draft, found: SurveyResponse) -> str:
    """Return why a response cannot be stored any more: somebody may have been faster."""
    if not draft.exists(found.record):
        return UNKNOWN
    if response_status(draft.rows(found.record).get(found.key, {}), found.form) == 2:
        return DONE
    locks = draft.locks(found.record)
    locked = (found.key, found.form) in locks or any(form == "" for _, form in locks)
    return LOCKED if locked else ""
