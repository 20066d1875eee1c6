"""Reading imported data: csv, json or xml, flat or EAV, into rows of text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter

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

EAV_NAMES = ("record", *KEY_NAMES, "field_name", "value")

Row = dict[str, str]
EavLine = tuple[str, ...]
"""The cells of one line in the order of :data:`EAV_NAMES`."""


class NothingImported(Exception):
    """A JSON object instead of a list: real servers answer 200 and a count of 0."""


def read_rows(parameters: Parameters, record_id_field: str) -> tuple[list[Row], Sequence[str]]:
    """Return the posted data as flat rows under export column names, and the names in them.

    A csv header names columns even where no rows follow.

    Raises:
        Refusal: The data are not in the format the call names.
        NothingImported: A single JSON object was sent.

    """
    data, delimiter = parameters.text("data"), parameters.text("csvDelimiter", ",")
    eav = parameters.text("type") == "eav"
    if parameters.format == "csv":
        header, lines = csv_table(data, delimiter)
        if not eav:
            return [dict(zip(header, line, strict=True)) for line in lines], header
        rows = gathered(eav_lines(header, lines), record_id_field)
    else:
        rows = json_rows(data) if parameters.format == "json" else xml_rows(data)
        if eav:
            rows = gathered(map(eav_line, rows), record_id_field)
    return rows, list(dict.fromkeys(chain.from_iterable(rows)))


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


def csv_table(data: str, delimiter: str) -> tuple[list[str], Iterator[list[str]]]:
    """Read csv into its header and, one by one, its lines.

    The delimiters are those of the API help; what is none of them counts as a comma (own answer).

    Raises:
        Refusal: A line has another number of cells than the header: then it is no csv.

    """
    text = io.StringIO(data.removeprefix("\ufeff"), newline="")
    lines = csv_lines(csv.reader(text, delimiter=DELIMITERS.get(delimiter, ",")))
    return next(lines, []), lines


def csv_lines(reader: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the lines that are not blank; all are as long as the first, or are refused."""
    length = 0
    try:
        for line in reader:
            if line:
                length = length or len(line)
                if len(line) != length:
                    raise Refusal(400, NOT_THAT_FORMAT)
                yield line
    except csv.Error:
        raise Refusal(400, NOT_THAT_FORMAT) from None


def xml_rows(data: str) -> list[Row]:
    """Read ``<records><item><field>value</field>…</item>…</records>``."""
    try:
        return read_items(data)
    except NotRows:
        raise Refusal(400, NOT_THAT_FORMAT) from None


def eav_lines(header: Sequence[str], lines: Iterable[list[str]]) -> Iterator[EavLine]:
    """Yield the lines of EAV csv; columns that are missing are blank.

    Millions of lines come at once, so that no line becomes a dictionary.
    """
    if header and not {"record", "field_name"} <= set(header):
        raise Refusal(400, NOT_THAT_FORMAT)
    places = {name: place for place, name in enumerate(header)}
    at_the_end = len(header)
    cells = itemgetter(*(places.get(name, at_the_end) for name in EAV_NAMES))
    for line in lines:
        line.append("")
        yield cells(line)


def eav_line(row: Row) -> EavLine:
    """Return the cells of a line from JSON or XML."""
    if "record" not in row or "field_name" not in row:
        raise Refusal(400, NOT_THAT_FORMAT)
    return tuple(row.get(name, "") for name in EAV_NAMES)


def gathered(lines: Iterable[EavLine], record_id_field: str) -> list[Row]:
    """Gather EAV lines into one row per record, event and instance, in order of appearance."""
    rows: dict[tuple[str, ...], Row] = {}
    keys, row = (record_id_field, *KEY_NAMES), Row()
    last: tuple[str, ...] = ()
    for line in lines:
        here, name = line[:4], line[4]
        if here != last:  # the lines of one row mostly stand together
            last = here
            row = rows.setdefault(here, dict(zip(keys, here, strict=True)))
        if name != record_id_field:
            row[name] = line[5]
    return list(rows.values())
