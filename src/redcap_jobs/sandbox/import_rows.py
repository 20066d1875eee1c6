"""The rows of an import that is about no records: structure, people, settings.

Here a single JSON object counts as one row (own answer; for records it is recorded as a count of 0).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from redcap_jobs.sandbox.import_formats import Row, csv_rows, json_rows, xml_rows
from redcap_jobs.sandbox.parameters import Parameters, Refusal


def posted_rows(parameters: Parameters) -> list[Row]:
    """Return the posted rows in whatever format they came.

    Raises:
        Refusal: They are not in the format the call names.

    """
    data = parameters.text("data")
    if parameters.format == "json":
        return json_rows(as_list(data))
    if parameters.format == "csv":
        return csv_rows(data, parameters.text("csvDelimiter", ","))
    return xml_rows(data)


def as_list(data: str) -> str:
    """Return JSON text with a single object made a list of one."""
    try:
        parsed = json.loads(data)
    except ValueError:
        return data
    return json.dumps([parsed]) if isinstance(parsed, dict) else data


def named(parameters: Parameters, name: str, known: Iterable[str]) -> list[str]:
    """Return the values of a list parameter, all of which must exist and one of which must be given.

    The text is that of unknown fields in an export; its use here is this sandbox's own answer.
    """
    values = parameters.array(name)
    if not values:
        raise Refusal(400, f'The parameter "{name}" is missing')
    refuse_unknown(name, values, known)
    return values


def refuse_unknown(name: str, values: Sequence[str], known: Iterable[str]) -> None:
    """Refuse values that do not exist."""
    there = set(known)
    unknown = [value for value in dict.fromkeys(values) if value not in there]
    if unknown:
        listed = ", ".join(f"'{value}'" for value in unknown)
        raise Refusal(
            400, f'The following values in the parameter "{name}" are not valid: {listed}'
        )
