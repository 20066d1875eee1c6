"""A REDCap project XML written by hand, as small as it can be with one of everything."""

from __future__ import annotations

HEAD = (
    '<?xml version="1.0" encoding="UTF-8" ?>\n'
    '<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" xmlns:redcap="https://projectredcap.org" '
    'ODMVersion="1.3.1" FileType="Snapshot" Description="Hand Made">\n'
)


def item(name: str, kind: str, more: str = "", inside: str = "", variable: str = "") -> str:
    """Return an ItemDef with its label ``About NAME``."""
    return (
        f'<ItemDef OID="{name}" Name="{name}" DataType="text" Length="999" '
        f'redcap:Variable="{variable or name}" redcap:FieldType="{kind}" {more}>'
        f"<Question><TranslatedText>About {variable or name}</TranslatedText></Question>{inside}"
        "</ItemDef>"
    )


def codes(name: str, choices: dict[str, str], more: str = "") -> str:
    """Return a CodeList."""
    items = "".join(
        f'<CodeListItem CodedValue="{code}"><Decode><TranslatedText>{label}</TranslatedText>'
        "</Decode></CodeListItem>"
        for code, label in choices.items()
    )
    return f'<CodeList OID="{name}.choices" Name="{name}" DataType="text" {more}>{items}</CodeList>'


def status(form: str) -> str:
    """Return the ItemDef of a form's status."""
    return item(f"{form}_complete", "select", 'redcap:SectionHeader="Form Status"')


def form(name: str, items: list[str], variables: dict[str, str] | None = None) -> str:
    """Return FormDef and ItemGroupDef of a form with these items, its status included."""
    refs = "".join(
        f'<ItemRef ItemOID="{one}" redcap:Variable="{(variables or {}).get(one, one)}"/>'
        for one in [*items, f"{name}_complete"]
    )
    return (
        f'<FormDef OID="Form.{name}" Name="The {name}" redcap:FormName="{name}">'
        f'<ItemGroupRef ItemGroupOID="{name}.all"/></FormDef>'
        f'<ItemGroupDef OID="{name}.all" Name="{name}">{refs}</ItemGroupDef>'
    )


def values(pairs: dict[str, str]) -> str:
    """Return one ItemGroupData."""
    items = "".join(f'<ItemData ItemOID="{name}" Value="{text}"/>' for name, text in pairs.items())
    return f'<ItemGroupData ItemGroupOID="g" ItemGroupRepeatKey="1">{items}</ItemGroupData>'


def form_data(name: str, pairs: dict[str, str], repeat: int = 1) -> str:
    """Return one FormData."""
    return f'<FormData FormOID="Form.{name}" FormRepeatKey="{repeat}">{values(pairs)}</FormData>'


def event_data(event: str, inside: str, repeat: int = 1) -> str:
    """Return one StudyEventData."""
    return (
        f'<StudyEventData StudyEventOID="Event.{event}" StudyEventRepeatKey="{repeat}" '
        f'redcap:UniqueEventName="{event}">{inside}</StudyEventData>'
    )


ITEMS = "".join(
    [
        item("sid", "text"),
        item("notes", "textarea", 'redcap:Identifier="y"'),
        item(
            "weight",
            "text",
            'redcap:TextValidationType="float" redcap:RequiredField="y"',
            '<RangeCheck Comparator="GE" SoftHard="Soft"><CheckValue>30</CheckValue></RangeCheck>'
            '<RangeCheck Comparator="LE" SoftHard="Soft"><CheckValue>200</CheckValue></RangeCheck>',
        ),
        item("age", "calc", 'redcap:Calculation="[weight] &gt; 1"'),
        item("race", "select", "", '<CodeListRef CodeListOID="race.choices"/>'),
        item("gym___0", "checkbox", "", '<CodeListRef CodeListOID="gym.choices"/>', "gym"),
        item("gym____1", "checkbox", "", '<CodeListRef CodeListOID="gym.choices"/>', "gym"),
        item("mood", "slider", 'redcap:SliderLabels="bad | | good"'),
        item("scan", "file"),
        item("heading", "descriptive"),
        item("seen", "text", 'redcap:TextValidationType="datetime_ymd" redcap:BranchingLogic="x"'),
        item("dose", "text", 'redcap:TextValidationType="int" redcap:FieldAnnotation="@HIDDEN"'),
        item("redcap_data_access_group", "").replace('redcap:FieldType=""', ""),
    ]
)
FIRST_ITEMS = [
    *("sid", "redcap_data_access_group", "notes", "weight", "age", "race", "gym___0", "gym____1"),
    *("mood", "scan", "heading"),
]
FORMS = (
    form("first", FIRST_ITEMS, {"gym___0": "gym", "gym____1": "gym"})
    + form("visit", ["seen"])
    + form("drugs", ["dose"])
)
CODES = codes("race", {"0": "White", "5": "Other"}) + codes(
    "gym",
    {"1": "Checked", "0": "Unchecked"},
    'redcap:CheckboxChoices="0, Monday | -1, Never, ever"',
)
SETTINGS = (
    "<StudyName>Hand Made</StudyName>"
    "<redcap:SchedulingEnabled>1</redcap:SchedulingEnabled>"
    "<redcap:Purpose>2</redcap:Purpose>"
    "<redcap:MissingDataCodes>-99, Unknown | NA, Not asked</redcap:MissingDataCodes>"
    "{repeating}"
    "<redcap:DataAccessGroupsGroup>"
    '<redcap:DataAccessGroups group_name="North Clinic"/>'
    '<redcap:DataAccessGroups group_name="dag-b"/>'
    "</redcap:DataAccessGroupsGroup>"
)


def study(repeating: str, events: str, data: str) -> str:
    """Return the whole file."""
    settings = SETTINGS.format(repeating=repeating)
    dictionary = FORMS + ITEMS + status("first") + status("visit") + status("drugs") + CODES
    return (
        f'{HEAD}<Study OID="Project.X"><GlobalVariables>{settings}</GlobalVariables>'
        f'<MetaDataVersion OID="M.X" Name="X" redcap:RecordIdField="sid">{events}{dictionary}'
        f"</MetaDataVersion></Study><ClinicalData>{data}</ClinicalData></ODM>"
    )


def event(name: str, arm: int, offset: int, *forms: str) -> str:
    """Return one StudyEventDef."""
    refs = "".join(f'<FormRef FormOID="Form.{one}" redcap:FormName="{one}"/>' for one in forms)
    return (
        f'<StudyEventDef OID="Event.{name}" Name="{name} (Arm {arm}: x)" Repeating="No" '
        f'redcap:EventName="{name.split("_")[0]}" redcap:UniqueEventName="{name}" '
        f'redcap:ArmNum="{arm}" redcap:ArmName="Drug {arm}" redcap:DayOffset="{offset}" '
        f'redcap:OffsetMin="2" redcap:OffsetMax="3">{refs}</StudyEventDef>'
    )


LONGITUDINAL = study(
    "<redcap:RepeatingInstrumentsAndEvents><redcap:RepeatingInstruments>"
    '<redcap:RepeatingInstrument redcap:UniqueEventName="start_arm_1" '
    'redcap:RepeatInstrument="drugs" redcap:CustomLabel="[dose]"/></redcap:RepeatingInstruments>'
    '<redcap:RepeatingEvent redcap:UniqueEventName="week_arm_2"/>'
    "</redcap:RepeatingInstrumentsAndEvents>",
    '<Protocol><StudyEventRef StudyEventOID="Event.start_arm_1" OrderNumber="1"/>'
    '<StudyEventRef StudyEventOID="Event.week_arm_2" OrderNumber="2"/></Protocol>'
    + event("week_arm_2", 2, 7, "visit")
    + event("start_arm_1", 1, 0, "first", "drugs"),
    '<SubjectData SubjectKey="7" redcap:RecordIdField="sid">'
    + event_data(
        "start_arm_1",
        form_data(
            "first",
            {
                "sid": "7",
                "redcap_data_access_group": "dagb",
                "notes": "one\ntwo &amp; &quot;three&quot;",
                "gym___0": "0",
                "gym____1": "1",
                "age": "12",
                "first_complete": "0",
            },
        ).replace(
            "</FormData>",
            '<ItemGroupData ItemGroupOID="f"><ItemDataBase64Binary ItemOID="scan" '
            'redcap:DocName="a.txt" redcap:MimeType="text/plain">YQ==</ItemDataBase64Binary>'
            "</ItemGroupData></FormData>",
        )
        + form_data("drugs", {"dose": "3"}, 1)
        + form_data("drugs", {"dose": "4"}, 2),
    )
    + event_data("week_arm_2", form_data("visit", {"seen": "2026-01-02 10:00"}), 2)
    + "</SubjectData>",
)

CLASSIC = study(
    "<redcap:RepeatingInstrumentsAndEvents><redcap:RepeatingInstruments>"
    '<redcap:RepeatingInstrument redcap:UniqueEventName="event_1_arm_1" '
    'redcap:RepeatInstrument="drugs" redcap:CustomLabel=""/></redcap:RepeatingInstruments>'
    "</redcap:RepeatingInstrumentsAndEvents>",
    "",
    '<SubjectData SubjectKey="Ж-1">'
    + form_data("first", {"sid": "Ж-1", "notes": "Привет"})
    + form_data("drugs", {"dose": "3"}, 1)
    + form_data("drugs", {"dose": "4"}, 2)
    + "</SubjectData>",
)
