import hashlib
from pathlib import Path

import pytest

from hybridir.data.declaration import Declaration, Part
from hybridir.data.gather import collect
from hybridir.errors import InputError


def declaration(**sha256: str) -> Declaration:
    """Two repositories: one for two languages with a file of all of them, another for English."""
    both = Part(
        "owner/both",
        "c0ffee",
        {"rows": "data/{config}-*.txt", "shared": "shared.txt"},
        {"de": "german", "zh": "zh_cn"},
        sha256={f"data/{name}-0.txt": digest for name, digest in sha256.items()},
    )
    english = Part("owner/english", "c0ffee", {"rows": "plain.txt"}, {"en": "english"})
    texts = ("kind", "squad", (both, english), "row", "licence", "citation", "relies", "notes")
    return Declaration("name", *texts)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name in ("data/german-0", "data/german-1", "data/zh_cn-0", "shared", "plain", "other"):
        (tmp_path / f"{name}.txt").write_text(name)
    return tmp_path


def test_each_language_gets_its_files_in_order_and_those_of_all(folder: Path) -> None:
    files = collect(declaration(), ["de", "en", "zh"], folder).files
    assert files == {
        "de": {
            "rows": [folder / "data/german-0.txt", folder / "data/german-1.txt"],
            "shared": [folder / "shared.txt"],
        },
        "en": {"rows": [folder / "plain.txt"]},
        "zh": {"rows": [folder / "data/zh_cn-0.txt"], "shared": [folder / "shared.txt"]},
    }


def test_every_file_that_is_used_has_its_sha_256_and_no_other(folder: Path) -> None:
    names = ["data/german-0", "data/german-1", "shared"]
    assert collect(declaration(), ["de"], folder).sha256 == {
        f"{name}.txt": hashlib.sha256(name.encode()).hexdigest() for name in names
    }


def test_missing_and_changed_files_are_named_together(folder: Path) -> None:
    (folder / "plain.txt").unlink()
    (folder / "shared.txt").unlink()
    with pytest.raises(InputError) as caught:
        collect(declaration(german="0" * 64), ["de", "en", "zh"], folder)
    heading, *problems = str(caught.value).split("\n")
    assert heading == f"{folder} does not hold name as owner/both lays it out:"
    found = hashlib.sha256(b"data/german-0").hexdigest()
    assert problems == [
        f"  - data/german-0.txt has SHA-256 {found}, expected {'0' * 64}; fetch it again",
        "  - no shared.txt",
        "  - no plain.txt",
    ]


def test_a_folder_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        collect(declaration(), ["de"], tmp_path / "nowhere")
