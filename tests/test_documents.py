"""What the documents link to is in the repository."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Entries of the log are never changed, so that a link of theirs may outlive its target.
DOCUMENTS = [
    *(path for path in ROOT.glob("*.md") if path.name != "LOG.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks").glob("*.md"),
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#([^)\s]+))?\)")


def anchors(document: Path) -> set[str]:
    """Names that headings have in a link, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    lost = []
    for target, anchor in LINK.findall(document.read_text()):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        found = document.parent / target
        if not found.exists() or (anchor and anchor not in anchors(found)):
            lost.append(f"{target}#{anchor}" if anchor else target)
    assert lost == []


def test_links_are_found_at_all() -> None:
    assert len(LINK.findall((ROOT / "README.md").read_text())) > 10
