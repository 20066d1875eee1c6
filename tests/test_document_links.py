"""Links between the documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "src").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"(?m)^#+ (.+)$")


def links(text: str) -> list[tuple[str, str]]:
    """Return the file ('' for the same one) and the heading ('' for none) of each local link."""
    return LINK.findall(text)


def anchors(text: str) -> set[str]:
    """Return what a link may name of a document: its headings, as GitHub spells them."""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(text)
    }


def broken(document: Path, text: str) -> list[str]:
    """Return the links of a document that lead nowhere."""
    found = []
    for name, heading in links(text):
        target = document.parent / name if name else document
        if not target.is_file():
            found.append(name)
        elif heading and heading not in anchors(target.read_text(encoding="utf-8")):
            found.append(f"{name}#{heading}")
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    """A file that moved or a heading that was renamed takes its links along."""
    assert broken(document, document.read_text(encoding="utf-8")) == []


def test_links_that_lead_nowhere_are_noticed() -> None:
    """A check that finds nothing proves nothing."""
    text = "[a](tests/none.md) [b](CHANGELOG.md#nowhere) [c](CHANGELOG.md) [d](https://x.y/z)"
    assert broken(ROOT / "README.md", text) == ["tests/none.md", "CHANGELOG.md#nowhere"]
    assert any(links(document.read_text(encoding="utf-8")) for document in DOCUMENTS)
