import re

import pytest

from hybridir.data.published.catalogue import DECLARED, MKQA, SQUAD, XQUAD_R, Declaration
from hybridir.data.published.convert import READERS
from hybridir.errors import InputError
from hybridir.languages import LANGUAGES


@pytest.mark.parametrize("declaration", DECLARED.values(), ids=DECLARED)
def test_every_file_is_pinned_by_a_commit(declaration: Declaration) -> None:
    for part in declaration.parts:
        assert re.fullmatch("[0-9a-f]{40}", part.revision)
        assert re.fullmatch("[^/]+/[^/]+", part.repository)


@pytest.mark.parametrize("declaration", DECLARED.values(), ids=DECLARED)
def test_languages_are_known_and_each_in_one_part(declaration: Declaration) -> None:
    codes = [code for part in declaration.parts for code in part.configs]
    assert sorted(codes) == list(declaration.languages)
    assert set(codes) <= LANGUAGES.keys()


@pytest.mark.parametrize("declaration", DECLARED.values(), ids=DECLARED)
def test_everything_that_a_user_must_know_is_said(declaration: Declaration) -> None:
    for field in ("kind", "row", "licence", "citation", "relies_on", "notes"):
        assert getattr(declaration, field)
    assert declaration.layout in READERS


def test_names_are_those_that_are_looked_up() -> None:
    assert all(name == declaration.name for name, declaration in DECLARED.items())


def test_files_on_github_have_a_checksum_for_every_language() -> None:
    for declaration in (XQUAD_R, DECLARED["mlqa-r"]):
        (part,) = declaration.parts
        named = {part.files["rows"].replace("{config}", code) for code in declaration.languages}
        assert part.sha256.keys() == named
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in part.sha256.values())


def test_another_commit_replaces_that_of_the_first_repository() -> None:
    first, second = SQUAD.at("main").parts
    assert (first.revision, second.revision) == ("main", SQUAD.parts[1].revision)
    assert MKQA.at("main").languages == MKQA.languages


def test_files_with_checksums_are_of_one_commit_alone() -> None:
    with pytest.raises(InputError, match=r"files are checked .* leave --revision out"):
        XQUAD_R.at("main")
