"""Two small projects that have one of everything, and a caller that knows no client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import requests

from redcap_jobs.sandbox.dictionary import Choice, Field
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot
from redcap_jobs.sandbox.stored_files import StoredFile
from redcap_jobs.sandbox.structure import Arm, Dag, Event, Form, Structure

TIMEOUT = 20


@dataclass
class Caller:
    """Posts forms with one token, the way a shell script would."""

    url: str
    token: str

    def post(self, **parameters: Any) -> requests.Response:
        """Post a call; lists go as ``name[0]=…``, all else as it is."""
        form = {"token": self.token}
        for name, value in parameters.items():
            if isinstance(value, list):
                form.update({f"{name}[{place}]": one for place, one in enumerate(value)})
            else:
                form[name] = value
        return requests.post(self.url, data=form, timeout=TIMEOUT)

    def export(self, **parameters: Any) -> list[dict[str, Any]]:
        """Export records as JSON rows."""
        response = self.post(content="record", format="json", **parameters)
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()
        return rows

    def send(self, rows: Any, **parameters: Any) -> requests.Response:
        """Import JSON rows."""
        return self.post(content="record", format="json", data=json.dumps(rows), **parameters)

    def refusal(self, rows: Any, **parameters: Any) -> str:
        """Import JSON rows that must be refused with status 400, and return the text."""
        response = self.send(rows, **parameters)
        assert response.status_code == 400, response.text
        return str(response.json()["error"])


CONSENT = (Choice("1", "Study"), Choice("-4", "Not asked"))
FIELDS = (
    Field("record_id", "enrolment", "text", "Record ID"),
    Field("born", "enrolment", "text", "Date of birth", validation="date_ymd"),
    Field("consent", "enrolment", "checkbox", "Consent", CONSENT),
    Field("sex", "enrolment", "radio", "Sex", (Choice("1", "Female"), Choice("2", "Male"))),
    Field("weight", "enrolment", "text", "Weight", validation="number", minimum="1", maximum="200"),
    Field("bmi", "enrolment", "calc", "BMI", calculation="[weight]/4"),
    Field("photo", "enrolment", "file", "Photo"),
    Field("heading", "enrolment", "descriptive", "About you"),
    Field("phone", "enrolment", "text", "Phone", validation="phone", identifier=True),
    Field("seen", "visit", "text", "Seen on", validation="date_ymd"),
    Field("felt", "visit", "yesno", "Felt well?"),
    Field("drug", "drugs", "text", "Drug"),
    Field("dose", "drugs", "text", "Dose", validation="integer"),
    Field("slept", "diary", "text", "Hours slept", validation="integer"),
)
FORMS = (
    Form("enrolment", "Enrolment"),
    Form("visit", "Visit"),
    Form("drugs", "Drugs taken"),
    Form("diary", "Diary"),
)
EVENTS = (
    Event("start_arm_1", "Start", 1, 0, 0, 0, event_id=901),
    Event("week_1_arm_1", "Week 1", 1, 7, 2, 3, event_id=902),
    Event("diary_arm_1", "Diary", 1, 8, 0, 0, event_id=903),
    Event("start_arm_2", "Start", 2, 0, 0, 0, event_id=904),
    Event("week_1_arm_2", "Week 1", 2, 7, 2, 3, event_id=905),
)
MAPPING = frozenset(
    {
        ("start_arm_1", "enrolment"),
        ("start_arm_1", "visit"),
        ("week_1_arm_1", "visit"),
        ("week_1_arm_1", "drugs"),
        ("diary_arm_1", "diary"),
        ("start_arm_2", "enrolment"),
        ("week_1_arm_2", "visit"),
    }
)


def trial(*, scheduling: bool = False, dags: bool = True) -> SandboxProject:
    """Return a longitudinal project: two arms, a repeating form, a repeating event, two groups."""
    groups = (Dag("North Clinic", "north_clinic", 20), Dag("South Clinic", "south_clinic", 21))
    structure = Structure(
        FIELDS,
        FORMS,
        (Arm(1, "Drug A"), Arm(2, "Drug B"), Arm(3, "Never used")),
        EVENTS,
        MAPPING,
        {("week_1_arm_1", "drugs"): "[drug]", ("diary_arm_1", ""): ""},
        groups if dags else (),
        {"-99": "Unknown"},
    )
    project = SandboxProject(901, "Small Trial", structure, Settings(scheduling_enabled=scheduling))
    photo = project.files.put(StoredFile("me.jpg", "image/jpeg", b"a photo"))
    project.store.current = Snapshot(
        {
            "10": Record(
                {
                    RowKey("start_arm_1"): {"born": "1990-01-31", "consent____4": "1", "sex": "1"},
                    RowKey("week_1_arm_1"): {"seen": "2026-02-01", "felt": "0"},
                    RowKey("week_1_arm_1", "drugs", 2): {"drug": "B", "drugs_complete": "2"},
                    RowKey("week_1_arm_1", "drugs", 1): {"drug": "A", "dose": "5"},
                    RowKey("diary_arm_1", "", 1): {"slept": "7"},
                },
                "north_clinic" if dags else "",
            ),
            "2": Record(
                {RowKey("start_arm_2"): {"sex": "2", "weight": "70.5", "photo": photo}},
                "south_clinic" if dags else "",
            ),
        }
    )
    return project


def registry() -> SandboxProject:
    """Return a classic project of one form, without data."""
    fields = (
        Field("id", "people", "text", "ID"),
        Field("name", "people", "text", "Name"),
        Field("sex", "people", "radio", "Sex", (Choice("1", "Female"), Choice("2", "Male"))),
        Field("langs", "people", "checkbox", "Languages", (Choice("en", "English"),)),
    )
    return SandboxProject(902, "Small Registry", Structure(fields, (Form("people", "People"),)))
