"""Reading imported data: csv, json or xml, flat or EAV, into rows of text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain

from redcap_jobs.sandbox.import_xml import NotRows, read_items
from redcap_jobs.sandbox.parameters import Parameters, Refusal

JSON_MALFORMED = (
    "The data being imported is not formatted correctly. PHP error from JSON decoder: Syntax "
    "error. The JSON must be in an array, as in [{ ... }]."
)
NOT_THAT_FORMAT = "The data is not in the specified format."

KEY_NAMES = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")

DELIMITERS = {",": ",", "tab": "\t", "\t": "\t", ";": ";", "|": "|", "^": "^"}
LONGEST_CELL = 2**27
"""In characters; Python's own limit would refuse a long note."""
csv.field_size_limit(LONGEST_CELL)

HALF_A_LETTER = re.compile(r"\\u[dD][89a-fA-F]")

Row = dict[str, str]


class NothingImported(Exception):
    """A JSON object instead of a list: real servers answer 200 and a count of 0."""


def read_rows(parameters: Parameters, record_id_field: str) -> tuple[list[Row], Sequence[str]]:
    """Return the posted data as flat rows under export column names, and the names in them.

    A csv header names columns even where no rows follow.

    Raises:
        Refusal: The data are not in the format the call names.
        NothingImported: A single JSON object was sent.

    """
    data, header = parameters.text("data"), None
    if parameters.format == "json":
        rows = json_rows(data)
    elif parameters.format == "csv":
        header, lines = csv_table(data, parameters.text("csvDelimiter", ","))
        rows = [dict(zip(header, line, strict=True)) for line in lines]
    else:
        rows = xml_rows(data)
    if parameters.text("type") == "eav":
        if header and not {"record", "field_name"} <= set(header):
            raise Refusal(400, NOT_THAT_FORMAT)
        rows, header = gathered(rows, record_id_field), None
    return rows, list(dict.fromkeys(chain.from_iterable(rows))) if header is None else header


def json_rows(data: str) -> list[Row]:
    """Read a JSON list of objects."""
    try:
        parsed = json.loads(data, parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, JSON_MALFORMED) from None
    if isinstance(parsed, dict):
        raise NothingImported
    if HALF_A_LETTER.search(data) and not encodable(parsed):
        raise Refusal(400, JSON_MALFORMED)  # as PHP's decoder does
    if not isinstance(parsed, list) or not all(isinstance(row, dict) for row in parsed):
        raise Refusal(400, JSON_MALFORMED)
    return [row if all_text(row) else texts_of(row) for row in parsed]


def no_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)


def all_text(row: Mapping[str, object]) -> bool:
    """Tell whether all values are texts, as most clients send them."""
    return set(map(type, row.values())) <= {str}


def texts_of(row: Mapping[str, object]) -> Row:
    """Return a row with its values as the texts that are stored."""
    return {name: json_text(value) for name, value in row.items()}


def encodable(parsed: object) -> bool:
    """Tell whether all of it can be written: half a surrogate pair cannot."""
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def json_text(value: object) -> str:
    """Return a JSON value as the text that is stored: null is blank, true is 1, 71.0 is 71.

    Numbers are written as PHP writes them, with 14 digits.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.14G}"
    return value if isinstance(value, str) else str(value)


def csv_rows(data: str, delimiter: str) -> list[Row]:
    """Read csv with a header line into a row per line."""
    header, lines = csv_table(data, delimiter)
    return [dict(zip(header, line, strict=True)) for line in lines]


def csv_table(data: str, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """Read csv into its header and its lines; one with another number of cells is no csv.

    The delimiters are those of the API help; what is none of them counts as a comma (own answer).
    """
    text = io.StringIO(data.removeprefix("\ufeff"), newline="")
    reader = csv.reader(text, delimiter=DELIMITERS.get(delimiter, ","))
    try:
        lines = [line for line in reader if line]
    except csv.Error:
        raise Refusal(400, NOT_THAT_FORMAT) from None
    if not lines:
        return [], []
    header, *body = lines
    if any(len(line) != len(header) for line in body):
        raise Refusal(400, NOT_THAT_FORMAT)
    return header, body


def xml_rows(data: str) -> list[Row]:
    """Read ``<records><item><field>value</field>…</item>…</records>``."""
    try:
        return read_items(data)
    except NotRows:
        raise Refusal(400, NOT_THAT_FORMAT) from None


def gathered(lines: Sequence[Row], record_id_field: str) -> list[Row]:
    """Gather EAV lines into one row per record, event and instance, in order of appearance."""
    rows: dict[tuple[str, ...], Row] = {}
    for line in lines:
        if "record" not in line or "field_name" not in line:
            raise Refusal(400, NOT_THAT_FORMAT)
        keys = {name: line.get(name, "") for name in KEY_NAMES if name in line}
        place = (line["record"], *(line.get(name, "") for name in KEY_NAMES))
        row = rows.setdefault(place, {record_id_field: line["record"], **keys})
        if line["field_name"] != record_id_field:
            row[line["field_name"]] = line.get("value", "")
    return list(rows.values())
