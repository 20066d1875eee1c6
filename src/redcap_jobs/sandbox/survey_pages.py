"""The pages behind survey links: a form to fill in, and a record's queue of surveys.

Plain on purpose: no branching, no pages, no scripts. What is stored is what a participant's answer
stores in REDCap: the values, the survey's time stamp and the form's status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, make_response, render_template_string, request

from redcap_jobs.sandbox.activity_log import Activity
from redcap_jobs.sandbox.api import Api
from redcap_jobs.sandbox.dictionary import Column, Field, status_field
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.structure import Form
from redcap_jobs.sandbox.survey_calls import (
    PARTIAL,
    find_queue,
    find_response,
    link_of,
    queue_of,
)
from redcap_jobs.sandbox.survey_calls import Response as SurveyResponse
from redcap_jobs.sandbox.validation import BadValue, column_check

NOT_SHOWN = ("calc", "file", "sql")
HIDDEN = ("@HIDDEN", "@HIDDEN-SURVEY")
NOBODY = "[survey respondent]"
"""The user under which an answer stands in the log."""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{{ title }}</title>
<style>body{font:1rem/1.5 sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}
fieldset{border:0;padding:0;margin:1rem 0 0}label,legend{display:block;font-weight:bold;margin-top:1rem}
label.option{font-weight:normal;margin:0}input[type=text],textarea,select{width:100%;font:inherit}
.wrong{color:#a00}button{margin-top:1.5rem;font:inherit;padding:.5rem 1.5rem}</style></head>
<body><main><h1>{{ title }}</h1>
{% if done %}<p>{{ done }}</p>
{% elif links is defined %}<ul>{% for one in links %}<li>
{% if one.done %}{{ one.title }}: completed{% else %}<a href="{{ one.link }}">{{ one.title }}</a>
{% endif %}</li>{% else %}<li>There are no surveys.</li>{% endfor %}</ul>
{% else %}<form method="post">
{% for item in items %}
{% if item.options %}<fieldset><legend>{{ item.label }}</legend>
{% if item.wrong %}<p class="wrong">{{ item.wrong }}</p>{% endif %}
{% for option in item.options %}<label class="option"><input type="{{ item.kind }}"
 name="{{ option.name }}" value="{{ option.value }}"{% if option.on %} checked{% endif %}>
 {{ option.label }}</label>{% endfor %}</fieldset>
{% elif item.name %}<label for="{{ item.name }}">{{ item.label }}</label>
{% if item.wrong %}<p class="wrong" id="{{ item.name }}-wrong">{{ item.wrong }}</p>{% endif %}
{% if item.kind == "textarea" %}<textarea id="{{ item.name }}" name="{{ item.name }}" rows="4">
{{- item.value }}</textarea>
{% else %}<input type="text" id="{{ item.name }}" name="{{ item.name }}" value="{{ item.value }}"
{% if item.wrong %} aria-describedby="{{ item.name }}-wrong"{% endif %}>{% endif %}
{% else %}<p>{{ item.label }}</p>{% endif %}
{% endfor %}<button type="submit">Submit</button></form>{% endif %}
</main></body></html>
"""


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
        return page(404, title="This survey does not exist", done="Please check the address.")

    return pages


def page(status: int, **values: Any) -> Response:
    """Return a page."""
    return make_response(render_template_string(PAGE, **values), status)


def form_of(project: SandboxProject, name: str) -> Form:
    """Return a form by its name."""
    return next(form for form in project.structure.forms if form.name == name)


def title_of(form: Form) -> str:
    """Return a survey's title."""
    return form.survey_attributes.get("title") or form.label


def stamp_of(project: SandboxProject, found: SurveyResponse) -> str:
    """Return a response's time stamp as it is stored."""
    row = project.store.current.records[found.record].rows.get(found.key, {})
    return row.get(f"{found.form}_timestamp", "")


def queue_page(api: Api, project: SandboxProject, record: str) -> Response:
    """Return the list of a record's surveys."""
    links = [
        {
            "title": title_of(form_of(project, one.form)),
            "link": link_of(project, api.public_url, one),
            "done": stamp_of(project, one) not in ("", PARTIAL),
        }
        for one in queue_of(project, record)
    ]
    return page(200, title=f"Surveys of {project.title}", links=links)


def survey_page(api: Api, project: SandboxProject, found: SurveyResponse) -> Response:
    """Return a survey to be filled in; take its answers; or say that it is done."""
    form = form_of(project, found.form)
    title = title_of(form)
    if stamp_of(project, found) not in ("", PARTIAL):
        return page(200, title=title, done="You have already completed this survey.")
    if request.method == "GET":
        stored = project.store.current.records[found.record].rows.get(found.key, {})
        return page(200, title=title, items=items_of(project, form, stored, {}))
    given, wrong = checked(project, form, request.form)
    if wrong:
        return page(400, title=title, items=items_of(project, form, request.form, wrong))
    store(api, project, found, given)
    return page(200, title=title, done="Thank you for taking the survey.")


def shown(project: SandboxProject, form: Form) -> list[Field]:
    """Return the fields that the page has."""
    return [
        field
        for field in project.structure.fields
        if field.form == form.name
        and field.name != project.structure.record_id_field
        and field.type not in NOT_SHOWN
        and not any(tag in field.annotation.split() for tag in HIDDEN)
    ]


def items_of(
    project: SandboxProject, form: Form, values: Mapping[str, str], wrong: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return what the page shows of each field."""
    items: list[dict[str, Any]] = []
    for field in shown(project, form):
        item: dict[str, Any] = {"label": field.label, "wrong": wrong.get(field.name, "")}
        if field.type == "checkbox":
            item["kind"] = "checkbox"
            item["options"] = [
                {
                    "name": one.name,
                    "value": "1",
                    "label": field.labels[one.code],
                    "on": values.get(one.name) == "1",
                }
                for one in field.columns
            ]
        elif field.labels:
            item["kind"] = "radio"
            item["options"] = [
                {
                    "name": field.name,
                    "value": code,
                    "label": label,
                    "on": values.get(field.name) == code,
                }
                for code, label in field.labels.items()
            ]
        elif field.columns:
            item["name"], item["value"] = field.name, values.get(field.name, "")
            item["kind"] = "textarea" if field.type == "notes" else "text"
        items.append(item)
    return items


def checked(
    project: SandboxProject, form: Form, posted: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return column → value as it is stored ('' for nothing), and field → what is wrong."""
    given: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for field in shown(project, form):
        for column in field.columns:
            value = posted.get(column.name, "").strip()
            try:
                given[column.name] = stored_value(project, column, value)
            except BadValue as bad:
                wrong[field.name] = str(bad)
        if field.required and not any(given.get(column.name) for column in field.columns):
            wrong.setdefault(field.name, "Please give an answer.")
    return given, wrong


def stored_value(project: SandboxProject, column: Column, value: str) -> str:
    """Return a posted value as it is stored; BadValue if it is none."""
    if not value:
        return ""
    return column_check(column, project.structure, "YMD")(value)


def store(api: Api, project: SandboxProject, found: SurveyResponse, given: dict[str, str]) -> None:
    """Store the answers with the time stamp and the status *Complete*."""
    now = api.now()
    values = {
        **given,
        f"{found.form}_timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
        status_field(found.form): "2",
    }
    with project.store.writing(now) as draft:
        row = draft.row(found.record, found.key)
        for name, value in values.items():
            if value:
                row[name] = value
            else:
                row.pop(name, None)
        dag = draft.dag(found.record)
    action = f"Update survey response {found.record}"
    project.log.add(Activity(now, NOBODY, "record_edit", action, found.form, found.record, dag))
