"""A project's settings in its XML, both ways.

Settings that the sandbox has no use for are kept as they came and written again; a project that
did not come from a file has those that REDCap gives a new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from redcap_jobs.sandbox.project import Settings

SURVEY_LOGIN = {
    "SurveyAuthEnabled": "0",
    **{f"SurveyAuth{what}{number}": "" for number in (1, 2, 3) for what in ("Field", "Event")},
    "SurveyAuthMinFields": "",
    "SurveyAuthApplyAllSurveys": "1",
    "SurveyAuthCustomMessage": "",
    "SurveyAuthFailLimit": "",
    "SurveyAuthFailWindow": "",
}
"""Only in projects with surveys."""

OTHERS = {
    "SecondaryUniqueField": {
        "SecondaryUniqueFieldDisplayValue": "1",
        "SecondaryUniqueFieldDisplayLabel": "1",
    },
    "PreventBranchingEraseValues": {
        "RequireChangeReason": "0",
        "DataHistoryPopup": "1",
        "OrderRecordsByField": "",
        "taskCompleteStatus": "0",
        "MyCapEnabled": "0",
    },
    "ProjectNotes": SURVEY_LOGIN,
    "MissingDataCodes": {
        "ProtectedEmailMode": "0",
        "ProtectedEmailModeCustomText": "",
        "ProtectedEmailModeTrigger": "ALL",
        "ProtectedEmailModeLogo": "",
    },
}
"""Setting → those that follow it in the file and mean nothing here, with a new project's values."""


def settings_from(variables: Element) -> Settings:
    """Return the switches; a project made from a file starts in development."""

    def on(name: str) -> bool:
        return variables.findtext(name) == "1"

    def text(name: str) -> str:
        return variables.findtext(name) or ""

    return Settings(
        surveys_enabled=on("SurveysEnabled"),
        scheduling_enabled=on("SchedulingEnabled"),
        record_autonumbering_enabled=on("RecordAutonumberingEnabled"),
        randomization_enabled=on("RandomizationEnabled"),
        secondary_unique_field=text("SecondaryUniqueField"),
        custom_record_label=text("CustomRecordLabel"),
        purpose=text("Purpose") or "0",
        purpose_other=text("PurposeOther"),
        project_notes=text("ProjectNotes"),
        display_today_now_button=variables.findtext("DisplayTodayNowButton") != "0",
        bypass_branching_erase_field_prompt=on("PreventBranchingEraseValues"),
        survey_invitation_email_field=text("SurveyInvitationEmailField"),
        others={
            name: value
            for group in OTHERS.values()
            for name, usual in group.items()
            if (value := variables.findtext(name, usual)) != usual
        },
    )


def setting_texts(settings: Settings, missing_data_codes: str) -> Iterator[tuple[str, str]]:
    """Yield the settings' names and values in the file's order."""
    own: dict[str, str | bool] = {
        "RecordAutonumberingEnabled": settings.record_autonumbering_enabled,
        "CustomRecordLabel": settings.custom_record_label,
        "SecondaryUniqueField": settings.secondary_unique_field,
        "SchedulingEnabled": settings.scheduling_enabled,
        "SurveysEnabled": settings.surveys_enabled,
        "SurveyInvitationEmailField": settings.survey_invitation_email_field,
        "RandomizationEnabled": settings.randomization_enabled,
        "DisplayTodayNowButton": settings.display_today_now_button,
        "PreventBranchingEraseValues": settings.bypass_branching_erase_field_prompt,
        "Purpose": settings.purpose,
        "PurposeOther": settings.purpose_other,
        "ProjectNotes": settings.project_notes,
        "MissingDataCodes": missing_data_codes,
    }
    for name, value in own.items():
        yield name, str(int(value)) if isinstance(value, bool) else value
        others = OTHERS.get(name, {})
        if others is SURVEY_LOGIN and not settings.surveys_enabled:
            continue
        for other, usual in others.items():
            yield other, settings.others.get(other, usual)
