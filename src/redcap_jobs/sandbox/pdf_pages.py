"""Draw lines of labels and values on the pages of a PDF.

fpdf2 draws them: every document is an object of its own, so threads need no lock. Its own fonts
know Latin letters only; DejaVu Sans, which has Cyrillic and Greek, is taken from where it mostly
is: Debian's ``fonts-dejavu-core``, or matplotlib. Without it other letters come out as ``?``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from redcap_jobs.sandbox.parameters import Refusal

if TYPE_CHECKING:
    from fpdf import FPDF

NO_FPDF = (
    "This sandbox was installed without what draws PDFs; type: pip install 'redcap-jobs[sandbox]'"
)
FONT_FOLDERS = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/dejavu-sans-fonts")
FONT_FILES = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
DEJAVU, LATIN = "DejaVu", "Helvetica"
SIZE, STEP = 9, 4.8
"""Points, and millimetres from line to line."""
LABELS = 0.55
"""The labels' share of a line."""
UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class Line(NamedTuple):
    """One line of a page; ``value`` stands in the right column."""

    label: str
    value: str = ""
    heading: bool = False


def drawn(lines: Iterable[Line], title: str, now: datetime) -> bytes:
    """Return a PDF of A4 pages; ``now`` is the naive server time that stands in its properties.

    Raises:
        Refusal: fpdf2 is not installed.

    """
    try:
        from fpdf import FPDF
    except ModuleNotFoundError:
        raise Refusal(501, NO_FPDF) from None
    paper = FPDF(format="A4")
    try:
        paper.set_title(title)
        paper.set_creation_date(now.replace(tzinfo=UTC))
        paper.set_auto_page_break(auto=True, margin=15)
        family, known = fonts(paper)
        paper.add_page()
        width = paper.epw * LABELS
        for line in [*lines] or [Line("(nothing to show)")]:
            paper.set_font(family, "B" if line.heading else "", SIZE)
            label, value = printable(line.label, known), printable(line.value, known)
            if line.heading:
                paper.ln(STEP / 2)
                paper.multi_cell(0, STEP, label, align="L", new_x="LMARGIN", new_y="NEXT")
            else:
                side_by_side(paper, wrapped(paper, label, width), wrapped(paper, value, 0))
        return bytes(paper.output())
    finally:
        close_fonts(paper)


def close_fonts(paper: FPDF) -> None:
    """Close the fonts' files, which fpdf2 leaves open."""
    from fpdf.fonts import TTFFont

    for font in paper.fonts.values():
        if isinstance(font, TTFFont):
            font.close()


def fonts(paper: FPDF) -> tuple[str, frozenset[int]]:
    """Take on the fonts; return their family and the signs that it can show."""
    from fpdf.fonts import TTFFont

    folder = font_folder()
    if folder is None:
        return LATIN, frozenset(ord(bytes([octet]).decode("latin-1")) for octet in range(256))
    for style, name in FONT_FILES.items():
        paper.add_font(DEJAVU, style, folder / name)
    tables = [font.cmap for font in paper.fonts.values() if isinstance(font, TTFFont)]
    return DEJAVU, frozenset.intersection(*map(frozenset, tables))


def font_folder() -> Path | None:
    """Return where DejaVu Sans lies on this machine; None if nowhere."""
    folders = [Path(one) for one in FONT_FOLDERS]
    matplotlib = find_spec("matplotlib")
    if matplotlib and matplotlib.origin:
        folders.append(Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf")
    fitting = (
        one for one in folders if all((one / name).is_file() for name in FONT_FILES.values())
    )
    return next(fitting, None)


def printable(text: str, known: frozenset[int]) -> str:
    """Return a text with a mark for each sign that the font lacks.

    fpdf2 would log such signs, and what is in a value belongs in no log.
    """
    mark = UNKNOWN if ord(UNKNOWN) in known else "?"
    lines = (
        "".join(sign if ord(sign) in known and sign.isprintable() else mark for sign in line)
        for line in text.replace("\t", " ").splitlines()
    )
    return "\n".join(lines)


def wrapped(paper: FPDF, text: str, width: float) -> list[str]:
    """Return the lines that a text takes in a column (0: what the labels leave)."""
    room = width or paper.epw * (1 - LABELS)
    if "\n" not in text and paper.get_string_width(text) < room - 2 * paper.c_margin:
        return [text]
    found = paper.multi_cell(room, STEP, text, align="L", dry_run=True, output="LINES")
    return cast("list[str]", found)


def side_by_side(paper: FPDF, labels: list[str], values: list[str]) -> None:
    """Draw a label and its value, both as many lines as they need."""
    width = paper.epw * LABELS
    for label, value in pairs(labels, values):
        paper.cell(width, STEP, label)
        paper.cell(0, STEP, value, new_x="LMARGIN", new_y="NEXT")


def pairs(labels: list[str], values: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines of both columns, blanks where one is shorter."""
    for place in range(max(len(labels), len(values))):
        yield (
            labels[place] if place < len(labels) else "",
            values[place] if place < len(values) else "",
        )
