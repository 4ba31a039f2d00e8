import re

import pytest

from hybridir.data.published.catalogue import DECLARED, MKQA, SQUAD, XQUAD_R, Declaration
from hybridir.data.published.convert import READERS
from hybridir.errors import InputError
from hybridir.languages import tag_of


@pytest.mark.parametrize("declaration", DECLARED.values(), ids=DECLARED)
def test_every_file_is_pinned_by_a_commit(declaration: Declaration) -> None:
    for source in declaration.sources:
        assert re.fullmatch("[0-9a-f]{40}", source.revision)
        assert re.fullmatch("[^/]+/[^/]+", source.repository)


@pytest.mark.parametrize("declaration", DECLARED.values(), ids=DECLARED)
def test_languages_are_known_and_each_has_one_source(declaration: Declaration) -> None:
    codes = [code for source in declaration.sources for code in source.configs]
    assert sorted(codes) == list(declaration.languages)
    assert list(codes) == [tag_of(code) for code in codes]


@pytest.mark.parametrize("declaration", DECLARED.values(), ids=DECLARED)
def test_no_text_for_the_user_is_empty(declaration: Declaration) -> None:
    for field in ("kind", "row", "licence", "citation", "relies_on", "notes"):
        assert getattr(declaration, field)
    assert declaration.layout in READERS


def test_declarations_stand_under_their_names() -> None:
    assert all(name == declaration.name for name, declaration in DECLARED.items())


def test_files_on_github_have_a_checksum_for_every_language() -> None:
    for declaration in (XQUAD_R, DECLARED["mlqa-r"]):
        (source,) = declaration.sources
        paths = {source.files["rows"].replace("{config}", code) for code in declaration.languages}
        assert source.sha256.keys() == paths
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in source.sha256.values())


def test_at_replaces_the_commit_of_the_first_repository() -> None:
    first, second = SQUAD.at("main").sources
    assert (first.revision, second.revision) == ("main", SQUAD.sources[1].revision)
    assert MKQA.at("main").languages == MKQA.languages


def test_a_declaration_with_checksums_has_no_other_commit() -> None:
    with pytest.raises(InputError, match=r"files are checked .* leave --revision out"):
        XQUAD_R.at("main")
