"""Projects of every kind, loaded from XML and exported flat: what recorded servers write.

The structures are made up; order of rows and columns, blanks, zeros and quotes are those of raw
exports recorded in REDCapTidieR's, REDCapR's, phpcap's and PyCap's tests (servers 11 to 17).
"""

from __future__ import annotations

from datetime import datetime

import pytest
from odm_texts import HEAD, event_data, form_data, item
from sandbox_projects import Caller

from redcap_jobs.sandbox.odm import project_from_xml
from redcap_jobs.sandbox.project import SandboxProject
from redcap_jobs.sandbox.server import Sandbox

NOW = datetime(2026, 11, 22, 12)  # noqa: DTZ001 - the server's own time


def form(name: str, items: dict[str, str]) -> tuple[str, str, str]:
    """Return FormDef, ItemGroupDef and ItemDefs; ``items`` maps names to kinds.

    A checkbox is written ``name: checkbox 1,-4``.
    """
    refs, definitions, lists = [], [], []
    for one, kind in {**items, f"{name}_complete": "select"}.items():
        kind_name, _, codes = kind.partition(" ")
        columns = [one]
        if kind_name == "checkbox":
            columns = [f"{one}___{code.replace('-', '_').lower()}" for code in codes.split(",")]
            listed = "|".join(f"{code}, Option {code}" for code in codes.split(","))
            lists += [
                f'<CodeList OID="{column}.choices" redcap:CheckboxChoices="{listed}"/>'
                for column in columns
            ]
        for column in columns:
            inside = (
                f'<CodeListRef CodeListOID="{column}.choices"/>' if kind_name == "checkbox" else ""
            )
            refs.append(f'<ItemRef ItemOID="{column}" redcap:Variable="{one}"/>')
            definitions.append(item(column, kind_name, "", inside, one))
    definition = (
        f'<FormDef OID="Form.{name}" Name="{name.title()}" redcap:FormName="{name}">'
        f'<ItemGroupRef ItemGroupOID="{name}.all"/></FormDef>'
    )
    group = f'<ItemGroupDef OID="{name}.all" Name="{name}">{"".join(refs)}</ItemGroupDef>'
    return definition, group, "".join([*definitions, *lists])


def events(**forms_on: str) -> str:
    """Return protocol and events; ``screening_arm_1="one two"`` names the forms of each."""
    references = "".join(f'<StudyEventRef StudyEventOID="Event.{name}"/>' for name in forms_on)
    definitions = ""
    for name, forms in forms_on.items():
        refs = "".join(f'<FormRef redcap:FormName="{one}"/>' for one in forms.split())
        definitions += (
            f'<StudyEventDef OID="Event.{name}" Name="{name}" redcap:EventName="{name}" '
            f'redcap:UniqueEventName="{name}" redcap:ArmNum="{name[-1]}" '
            f'redcap:ArmName="Arm {name[-1]}">{refs}</StudyEventDef>'
        )
    return f"<Protocol>{references}</Protocol>{definitions}"


def repeating(*pairs: str) -> str:
    """Return the repeating set-up: ``event/form``, or ``event/`` for a whole event."""
    written = ""
    for pair in pairs:
        event, _, name = pair.partition("/")
        written += (
            f'<redcap:RepeatingInstrument redcap:UniqueEventName="{event}" '
            f'redcap:RepeatInstrument="{name}"/>'
            if name
            else f'<redcap:RepeatingEvent redcap:UniqueEventName="{event}"/>'
        )
    return f"<redcap:RepeatingInstrumentsAndEvents>{written}</redcap:RepeatingInstrumentsAndEvents>"


def project(
    forms: list[tuple[str, str, str]],
    subjects: dict[str, str],
    *,
    calendar: str = "",
    settings: str = "",
) -> SandboxProject:
    """Return the project that the whole text describes."""
    parts = "".join("".join(part) for part in zip(*forms, strict=True))
    data = "".join(
        f'<SubjectData SubjectKey="{name}">{inside}</SubjectData>'
        for name, inside in subjects.items()
    )
    text = (
        f'{HEAD}<Study OID="Project.X"><GlobalVariables><StudyName>Kind</StudyName>{settings}'
        f'</GlobalVariables><MetaDataVersion OID="M" Name="X">{calendar}{parts}</MetaDataVersion>'
        f"</Study><ClinicalData>{data}</ClinicalData></ODM>"
    )
    return project_from_xml(text.encode(), 3101, NOW, "kind.xml")


def exported(one: SandboxProject, **parameters: str) -> list[str]:
    """Return the lines of a flat csv export."""
    with Sandbox([one]) as sandbox:
        answer = Caller(sandbox.url, one.token).post(content="record", format="csv", **parameters)
    assert answer.status_code == 200
    assert answer.text.endswith("\n") or answer.text == ""
    return answer.text.split("\n")[:-1]


def test_a_classic_project() -> None:
    """Columns form by form, each form's status last; text as stored; cells with blanks quoted."""
    forms = [
        form("first", {"sid": "text", "name": "text", "age": "calc", "intro": "descriptive"}),
        form("second", {"notes": "textarea", "score": "slider"}),
    ]
    subjects = {
        "1": form_data("first", {"sid": "1", "name": "one two", "age": "8.9"})
        + form_data("second", {"notes": "a&#10;b, &quot;c&quot;", "second_complete": "2"}),
        "2": form_data("first", {"sid": "2", "name": "00123456", "first_complete": "0"}),
    }
    assert exported(project(forms, subjects)) == [
        "sid,name,age,first_complete,notes,score,second_complete",
        '1,"one two",8.9,0,"a',
        'b, ""c""",,2',
        "2,00123456,,0,,,0",
    ]


def test_a_classic_project_with_a_repeating_form() -> None:
    """The base row first, its repeating columns blank; then the instances, their base blank."""
    forms = [
        form("first", {"sid": "text", "dob": "text"}),
        form("bp", {"bp_date": "text", "race": "checkbox 1,-4"}),
    ]
    subjects = {
        "1": form_data("first", {"sid": "1", "dob": "2010-10-14", "first_complete": "2"})
        + form_data("bp", {"bp_date": "2019-10-15", "race____4": "1", "race___1": "0"}, 2)
        + form_data("bp", {"bp_date": "2019-10-14", "bp_complete": "2"}, 1),
        "2": form_data("first", {"sid": "2"}),
    }
    setup = repeating("event_1_arm_1/bp")
    one = project(forms, subjects, settings=setup)
    assert exported(one) == [
        (
            "sid,redcap_repeat_instrument,redcap_repeat_instance,dob,first_complete,"
            "bp_date,race___1,race____4,bp_complete"
        ),
        "1,,,2010-10-14,2,,,,",
        "1,bp,1,,,2019-10-14,0,0,2",
        "1,bp,2,,,2019-10-15,0,1,0",
        "2,,,,0,,,,",
    ]
    assert exported(project(forms, subjects, settings=setup), fields="bp_date") == [
        "bp_date",
        "2019-10-14",
        "2019-10-15",
    ]


CALENDAR = events(
    screening_arm_1="first visit",
    month_1_arm_1="visit bp",
    daily_arm_1="diary",
    screening_arm_2="first",
)
LONGITUDINAL = [
    form("first", {"sid": "text", "sex": "text"}),
    form("visit", {"seen": "text"}),
    form("bp", {"bp_date": "text"}),
    form("diary", {"slept": "text"}),
]
SUBJECTS = {
    "10": event_data("screening_arm_2", form_data("first", {"sid": "10", "sex": "2"})),
    "9": event_data(
        "screening_arm_1",
        form_data("first", {"sid": "9", "sex": "1"}) + form_data("visit", {"seen": "2026-01-02"}),
    )
    + event_data("daily_arm_1", form_data("diary", {"slept": "7"}), 1)
    + event_data("daily_arm_1", form_data("diary", {"slept": "8", "diary_complete": "1"}), 2)
    + event_data(
        "month_1_arm_1",
        form_data("visit", {"seen": "2026-02-01"})
        + form_data("bp", {"bp_date": "2026-02-02"}, 1)
        + form_data("bp", {"bp_date": "2026-02-03"}, 2),
    ),
}
SETUP = repeating("month_1_arm_1/bp", "daily_arm_1/")


def longitudinal() -> SandboxProject:
    return project(LONGITUDINAL, SUBJECTS, calendar=CALENDAR, settings=SETUP)


def test_events_arms_repeating_forms_and_repeating_events() -> None:
    """All rows that do not repeat come first, event by event; then all that do, event by event."""
    assert exported(longitudinal()) == [
        (
            "sid,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,"
            "sex,first_complete,seen,visit_complete,bp_date,bp_complete,slept,diary_complete"
        ),
        "9,screening_arm_1,,,1,0,2026-01-02,0,,,,",
        "9,month_1_arm_1,,,,,2026-02-01,0,,,,",
        "9,month_1_arm_1,bp,1,,,,,2026-02-02,0,,",
        "9,month_1_arm_1,bp,2,,,,,2026-02-03,0,,",
        "9,daily_arm_1,,1,,,,,,,7,0",
        "9,daily_arm_1,,2,,,,,,,8,1",
        "10,screening_arm_2,,,2,0,,,,,,",
    ]


def test_a_field_alone_keeps_all_rows_of_a_longitudinal_project() -> None:
    """No record ID, no event: a single column, blank where the field does not live."""
    assert exported(longitudinal(), fields="bp_date") == [
        "bp_date",
        *("", "", "2026-02-02", "2026-02-03", "", "", ""),
    ]


def test_events_choose_rows_and_forms_choose_columns() -> None:
    """Rows of the named events only; the form's status comes with its fields."""
    found = exported(longitudinal(), fields="sid", forms="visit", events="screening_arm_1")
    assert found == [
        "sid,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,seen,visit_complete",
        "9,screening_arm_1,,,2026-01-02,0",
    ]


def test_untouched_statuses_are_zero_or_blank() -> None:
    """exportBlankForGrayFormStatus: blank where the form was never saved, 0 where it was."""
    forms = [
        form("first", {"sid": "text", "pets": "checkbox 1,2"}),
        form("second", {"notes": "textarea"}),
    ]
    subjects = {"6": form_data("first", {"sid": "6", "pets___1": "0", "first_complete": "0"})}
    header = "sid,pets___1,pets___2,first_complete,notes,second_complete"
    assert exported(project(forms, subjects)) == [header, "6,0,0,0,,0"]
    gray = exported(project(forms, subjects), exportBlankForGrayFormStatus="true")
    assert gray == [header, "6,0,0,0,,"]


def test_a_file_is_shown_by_its_name() -> None:
    """As servers since 2022 do; its bytes are not lost on loading."""
    forms = [form("first", {"sid": "text", "scan": "file"})]
    attached = (
        '<ItemGroupData><ItemDataBase64Binary ItemOID="scan" redcap:DocName="mug shot.jpg" '
        'redcap:MimeType="image/jpeg"><![CDATA[aGk=]]></ItemDataBase64Binary></ItemGroupData>'
    )
    inside = form_data("first", {"sid": "1"}).replace("</FormData>", f"{attached}</FormData>")
    one = project(forms, {"1": inside})
    assert exported(one) == ["sid,scan,first_complete", '1,"mug shot.jpg",0']
    assert [file.content for file in one.files.all().values()] == [b"hi"]


def test_record_names_that_are_no_numbers_and_other_scripts() -> None:
    """Numbers by value, then letters; labels and values in Cyrillic come as they are."""
    forms = [form("first", {"sid": "text", "name": "text"})]
    names = ["b", "10", "2", "a", "331-2", "331-1", "Ж"]
    subjects = {name: form_data("first", {"sid": name, "name": "Анна"}) for name in names}
    found = exported(project(forms, subjects))
    assert [line.partition(",")[0] for line in found] == [
        *("sid", "2", "10", "331-1", "331-2", "a", "b", "Ж"),
    ]
    assert found[1] == "2,Анна,0"


def test_broken_bytes_and_control_characters_do_not_stop_a_file() -> None:
    """Recorded files hold half letters where a text was cut, and signs that XML forbids."""
    forms = [form("first", {"sid": "text", "name": "text"})]
    parts = "".join("".join(part) for part in zip(*forms, strict=True))
    text = (
        f'{HEAD}<Study OID="P"><GlobalVariables/><MetaDataVersion OID="M">{parts}'
        "</MetaDataVersion></Study><ClinicalData>"
        f'<SubjectData SubjectKey="1">{form_data("first", {"sid": "1", "name": "NAME"})}'
        "</SubjectData></ClinicalData></ODM>"
    )
    broken = text.encode().replace(b"NAME", b"a\x0b\xd0")
    assert exported(project_from_xml(broken, 7, NOW, "x"))[1] == "1,a\N{REPLACEMENT CHARACTER},0"


@pytest.mark.parametrize("count", [500])
def test_five_hundred_subjects(count: int) -> None:
    """Every one comes, in the order of their numbers."""
    forms = [form("first", {"sid": "text", "name": "text"})]
    names = [str(number) for number in range(count, 0, -1)]
    subjects = {name: form_data("first", {"sid": name, "name": f"n{name}"}) for name in names}
    assert exported(project(forms, subjects))[1:] == [
        f"{number},n{number},0" for number in range(1, count + 1)
    ]
