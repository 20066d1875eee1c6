"""The pages behind survey links: a form to fill in, and a record's queue of surveys.

Plain on purpose: one page, no scripts, nothing saved for later. Without scripts a question that an
answer on the same page opens comes when the page is sent: it is shown again, with that question, and
stored once nothing new is opened. What is stored is what a participant's answer stores in REDCap:
the values, the survey's time stamp and the form's status. The words are this sandbox's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from redcap_jobs.sandbox.survey_items import Item, checked, items_of, shown
from redcap_jobs.sandbox.survey_logic import SurveyView

NOBODY = "[survey respondent]"
"""The user under which an answer stands in the log."""
UNKNOWN = "This survey does not exist"
CHECK_ADDRESS = "Please check the address."
DONE = "You have already completed this survey."
LOCKED = "This survey is locked: its answers cannot be changed."
OFFLINE = "This survey is not open at present."
THANKS = "Thank you for taking the survey."
OPENED = "Nothing was stored yet: your answers opened more questions below."
ON_PAGE = "fields-on-page"
"""What no field can be called."""
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
    on_page: str | None = None,
) -> Response:
    """Return a page: its texts, then links or a form.

    ``on_page`` comes back with the answers: which fields the page had, if that may change.
    """
    about = {"title": title, "texts": texts, "problems": problems}
    form = {"items": items, "on_page": on_page, "on_page_name": ON_PAGE}
    text = HTML.render(**about, **form, links=links)
    return Response(text.encode(errors="replace"), status, HEADERS, mimetype="text/html")


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
            "title": SurveyView(project, one, stored, api.now()).piped(queue_title(project, one)),
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
    form = form_of(project, found.form)
    about = form.survey_attributes
    record = project.store.current.records.get(found.record, Record())
    view = SurveyView(project, found, record, api.now())
    title = view.piped(title_of(form))
    if about.get("survey_enabled", "1") == "0":
        return page(200, title, [OFFLINE])
    if response_status(record.rows.get(found.key, {}), form.name) == 2:
        return page(200, title, [DONE])
    if request.method != "POST":
        return questions(view, form, title)
    seen = request.form.get(ON_PAGE)
    names = frozenset(seen.split()) if seen is not None else None
    view.take(form.name, request.form, names)
    hidden = view.hide(form.name)
    opened = {
        field.name
        for field in shown(project.structure, form.name)
        if names is not None and field.name not in names | hidden
    }
    given, wrong = checked(project.structure, form.name, request.form, hidden | opened)
    if wrong or opened:
        return questions(view, form, title, wrong, opened=bool(opened))
    why_not = store(api, project, found, given)
    if why_not:
        return page(409, title, [why_not])
    thanks = [*map(view.piped, paragraphs(about.get("acknowledgement", "")))] or [THANKS]
    return page(200, title, thanks)


def questions(
    view: SurveyView,
    form: Form,
    title: str,
    wrong: Mapping[str, str] | None = None,
    *,
    opened: bool = False,
) -> Response:
    """Return the page with a survey's questions, as its record and what was posted show them."""
    items = items_of(
        view.structure, form.name, view.values, view.hide(form.name), wrong, view.piped
    )
    told = [*map(view.piped, paragraphs(form.survey_attributes.get("instructions", "")))]
    branching = any(field.branching for field in shown(view.structure, form.name))
    return page(
        400 if wrong else 200,
        title,
        [*told, OPENED] if opened else told,
        items=items,
        problems=len(wrong or {}),
        on_page=" ".join(item.name for item in items) if branching else None,
    )


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
