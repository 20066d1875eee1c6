"""Made-up projects of every kind, for round trips through the project XML (hypothesis)."""

from __future__ import annotations

from datetime import datetime

from hypothesis import strategies as st

from redcap_jobs.sandbox.dictionary import Choice, Column, Field
from redcap_jobs.sandbox.members import Members, Rights, Role
from redcap_jobs.sandbox.project import SandboxProject, Settings
from redcap_jobs.sandbox.report import Report
from redcap_jobs.sandbox.store import Record, RowKey, Snapshot, Store
from redcap_jobs.sandbox.stored_files import FileStore, StoredFile
from redcap_jobs.sandbox.structure import Arm, Dag, Event, Form, Structure

NOW = datetime(2026, 11, 22, 12)  # noqa: DTZ001 - the server's own time

SIGNS = "ab Z9.,;:-_'\"<>&|/\\=()[]{}@#%+ñéЖя中\n"
LABELS = st.text(SIGNS.replace("\n", "").replace("|", ""), max_size=12).map(str.strip)
VALUES = st.text(SIGNS, min_size=1, max_size=12).filter(lambda text: text.strip() != "")
CODES = st.sampled_from(["0", "1", "2", "-9", "-1", "a", "Yes", "10"])
KINDS = st.sampled_from(
    [
        ("text", ""),
        ("text", "integer"),
        ("text", "number"),
        ("text", "date_dmy"),
        ("text", "datetime_seconds_ymd"),
        ("notes", ""),
        ("radio", ""),
        ("dropdown", ""),
        ("checkbox", ""),
        ("yesno", ""),
        ("truefalse", ""),
        ("calc", ""),
        ("slider", ""),
        ("file", ""),
        ("file", "signature"),
        ("descriptive", ""),
    ]
)


@st.composite
def fields(draw: st.DrawFn, form: str, number: int) -> Field:
    """Draw one field of a form."""
    kind, validation = draw(KINDS)
    choices: tuple[Choice, ...] = ()
    if kind in ("radio", "dropdown", "checkbox"):
        codes = draw(st.lists(CODES, min_size=1, max_size=4, unique_by=str.lower))
        choices = tuple(Choice(code, draw(LABELS)) for code in codes)
    limited = validation in ("integer", "number")
    return Field(
        f"{form}_f{number}",
        form,
        kind,
        label=draw(LABELS),
        choices=choices,
        calculation=draw(VALUES) if kind == "calc" else "",
        validation=validation,
        minimum=draw(st.sampled_from(["", "0", "-3"])) if limited else "",
        maximum=draw(st.sampled_from(["", "99"])) if limited else "",
        note=draw(LABELS),
        section_header=draw(st.sampled_from(["", "", "About <b>you</b>", "Раздел"])),
        slider_labels="low | | high" if kind == "slider" and draw(st.booleans()) else "",
        identifier=draw(st.booleans()),
        branching=draw(st.sampled_from(["", "[one_f1] = '1' and [x] <> \"\""])),
        required=draw(st.booleans()),
        alignment=draw(st.sampled_from(["", "RH"])),
        annotation=draw(st.sampled_from(["", "@HIDDEN"])),
    )


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    """Draw a classic or longitudinal structure, with or without repeats and groups."""
    names = ["one", "two", "three"][: draw(st.integers(1, 3))]
    forms = tuple(Form(name, draw(LABELS) or name, draw(st.booleans())) for name in names)
    listed = [Field("sid", "one", "text", "Study ID")]
    for name in names:
        listed += [draw(fields(name, number)) for number in range(draw(st.integers(0, 4)))]
    if draw(st.booleans()):
        events, arms, mapping = draw(calendars(names))
        places = sorted(mapping)
    else:
        events, arms, mapping = (), (), frozenset()
        places = [("", name) for name in names]
    repeating: dict[tuple[str, str], str] = {}
    for event, form in places:
        if form != "one" and draw(st.booleans()):
            repeating[event, form] = draw(st.sampled_from(["", "[sid]"]))
    if events and draw(st.booleans()):
        last = events[-1].unique_name
        repeating = {place: label for place, label in repeating.items() if place[0] != last}
        repeating[last, ""] = ""
    groups = draw(st.sampled_from([(), ("North Clinic",), ("North Clinic", "south")]))
    return Structure(
        fields=tuple(listed),
        forms=forms,
        arms=arms,
        events=events,
        mapping=mapping,
        repeating=repeating,
        dags=tuple(
            Dag(name, name.lower().replace(" ", "_"), 20 + place)
            for place, name in enumerate(groups)
        ),
        missing_data_codes=draw(st.sampled_from([{}, {"-99": "Unknown", "NA": "Not asked, ever"}])),
    )


@st.composite
def calendars(
    draw: st.DrawFn, forms: list[str]
) -> tuple[tuple[Event, ...], tuple[Arm, ...], frozenset[tuple[str, str]]]:
    """Draw arms, their events, and which forms are on them."""
    arms = tuple(
        Arm(number, draw(LABELS) or f"Arm {number}") for number in range(1, draw(st.integers(2, 3)))
    )
    events = []
    for arm in arms:
        for number in range(draw(st.integers(1, 3))):
            name = f"v{number}_arm_{arm.number}"
            day = draw(st.integers(0, 400))
            place = 10 + len(events)
            events.append(Event(name, f"V{number}", arm.number, day, 1, 2, "", place))
    mapping = {(event.unique_name, form) for event in events for form in forms if form != "one"}
    kept = {pair for pair in sorted(mapping) if draw(st.booleans())}
    return tuple(events), arms, frozenset(kept | {(event.unique_name, "one") for event in events})


@st.composite
def cells(draw: st.DrawFn, column: Column, structure: Structure, files: FileStore) -> str:
    """Draw one stored value."""
    if column.kind == "status":
        return draw(st.sampled_from(["0", "1", "2"]))
    if column.kind == "checkbox":
        return "1"
    field = structure.field_by_name[column.field]
    if field.type == "file":
        content = draw(st.binary(max_size=20))
        return files.put(StoredFile(draw(LABELS) or "x.txt", "text/plain", content))
    if field.labels:
        return draw(st.sampled_from(sorted(field.labels)))
    return draw(VALUES)


@st.composite
def projects(draw: st.DrawFn) -> SandboxProject:
    """Draw a project with data in every kind of place."""
    structure, files = draw(structures()), FileStore()
    records = {}
    for name in draw(st.lists(st.sampled_from(["1", "2", "10", "A-7", "Ж 1", "0x"]), unique=True)):
        rows: dict[RowKey, dict[str, str]] = {}
        for key in draw(st.lists(st.sampled_from(places_of(structure)), unique=True, max_size=6)):
            living = structure.forms_on_row(key.event, key.instrument)
            columns = [
                one for one in structure.columns if one.form in living and one.field != "sid"
            ]
            chosen = draw(
                st.lists(
                    st.sampled_from(columns), min_size=1, max_size=6, unique_by=lambda one: one.name
                )
            )
            rows[key] = {one.name: draw(cells(one, structure, files)) for one in chosen}
        if rows:
            group = draw(st.sampled_from(["", *(dag.unique_name for dag in structure.dags)]))
            first_here = any("one" in structure.forms_on_row(*key[:2]) for key in rows)
            records[name] = Record(rows, group if first_here else "", (NOW,))
    form_names = tuple(form.name for form in structure.forms)
    rights = Rights(forms=dict.fromkeys(form_names, 2), forms_export=dict.fromkeys(form_names, 1))
    role = Role("U-1234567890", draw(LABELS), rights)
    project = SandboxProject(
        7,
        draw(LABELS) or "Round trip",
        structure,
        Settings(
            surveys_enabled=draw(st.booleans()),
            scheduling_enabled=draw(st.booleans()),
            record_autonumbering_enabled=draw(st.booleans()),
            project_notes=draw(LABELS),
            purpose=draw(st.sampled_from(["0", "2"])),
        ),
        created=NOW,
        members=Members(roles={role.unique_name: role} if draw(st.booleans()) else {}),
        files=files,
        reports={70: Report(70, draw(LABELS), ("sid",), "[sid] <> ''")},
    )
    project.store = Store(Snapshot(records))
    return project


def places_of(structure: Structure) -> list[RowKey]:
    """Return row keys of every kind that the structure has."""
    found: list[RowKey] = []
    for event in structure.event_order:
        if structure.event_repeats(event):
            found += [RowKey(event, "", 1), RowKey(event, "", 3)]
            continue
        found.append(RowKey(event))
        for form in structure.forms_on(event):
            if structure.repeats(event, form):
                found += [RowKey(event, form, 1), RowKey(event, form, 2)]
    return found
