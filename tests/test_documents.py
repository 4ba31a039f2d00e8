"""What the documents link to is in the repository."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridir import names

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


def _leaves(nav: Any) -> Iterator[str]:
    """The pages of a navigation."""
    for entry in nav.values() if isinstance(nav, dict) else nav:
        if isinstance(entry, str):
            yield entry
        else:
            yield from _leaves(entry)


def test_the_site_s_navigation_has_every_page_once() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(_leaves(site["nav"])) == sorted(pages - set(site["not_in_nav"].split()))


def test_the_site_s_reference_names_what_exists() -> None:
    named = [
        name
        for page in (ROOT / "docs" / "api").glob("*.md")
        for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
    ]
    assert len(named) > 20
    assert [name for name in named if not _exists(name)] == []


# A dotted name of the code in backticks, such as `hybridir.data.pairs.Pairs`.
_NAME = re.compile(r"`((?:hybridir|tune|analysis|benchmarks)(?:\.\w+)+)`")
# Tags of MLflow have the form of a module's name.
_TAGS = {name for name in vars(names).values() if str(name).startswith("hybridir.")}


def _exists(name: str) -> bool:
    """Whether the longest path of modules in a dotted name defines the rest of it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if source.is_file():
            rest = parts[length:]
            return not rest or re.search(rf"\b{rest[-1]}\b", source.read_text()) is not None
    return False


def test_names_of_the_code_in_documents_and_docstrings_exist() -> None:
    sources = [path for path in ROOT.rglob("*.py") if ".venv" not in path.parts]
    documents = [path for path in DOCUMENTS if path.name not in ("LOG.md", "CHANGELOG.md")]
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in [*sources, *documents]
        for name in _NAME.findall(path.read_text())
        if name not in _TAGS and not _exists(name)
    }
    assert not missing, "\n".join(sorted(missing))
