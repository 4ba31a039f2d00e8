import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridir.data.published.catalogue import Declaration, Part
from hybridir.data.published.download import Remote, collect, download, remote_files, sha256_of
from hybridir.errors import InputError
from tests.support.serving import Site, serving


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


CONTENT = random.Random(1).randbytes(300_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the environment stands between a test and its own server."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving({"/file": CONTENT}) as site:
        yield site


def remote(site: Site, sha256: str | None = SHA, path: str = "/file") -> Remote:
    return Remote("file", f"{site.url}{path}", sha256)


def everything_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_arrives_whole_in_folders_made_for_it(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    assert download(remote(site), path) == SHA == sha256_of(path)
    assert path.read_bytes() == CONTENT
    assert everything_in(tmp_path) == ["file"]


def test_a_connection_that_is_cut_is_taken_up_where_it_broke_off(
    site: Site, tmp_path: Path
) -> None:
    site.cuts = [100_000, 50_000, 1]
    told: list[tuple[int, int | None]] = []
    download(remote(site), tmp_path / "file", lambda *here: told.append(here))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert site.starts == [0, 100_000, 150_000, 150_001]
    assert told == sorted(told)
    assert set(site.starts) <= {arrived for arrived, _ in told}
    assert told[-1] == (300_000, 300_000)


def test_a_server_that_brings_nothing_more_ends_with_what_is_there_kept_for_the_next_call(
    site: Site, tmp_path: Path
) -> None:
    site.cuts = [100_000, 0]
    with pytest.raises(InputError, match=r"/file: the connection was cut off; 100000 bytes are"):
        download(remote(site), tmp_path / "file")
    assert everything_in(tmp_path) == ["file.partial"]
    download(remote(site), tmp_path / "file")
    assert site.starts == [0, 100_000, 100_000]
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert everything_in(tmp_path) == ["file"]


def test_a_file_that_was_moved_is_taken_up_at_its_new_place(site: Site, tmp_path: Path) -> None:
    site.moved = {"/old": "/file"}
    site.cuts = [1000]
    download(remote(site, path="/old"), tmp_path / "file")
    assert site.starts == [0, 1000]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_without_ranges_is_asked_for_everything_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT[:1000])
    site.ranges = False
    download(remote(site), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_what_is_whole_but_was_not_renamed_is_not_fetched_again(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT)
    download(remote(site), tmp_path / "file")
    assert site.starts == [300_000]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_more_than_the_file_has_is_thrown_away(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(CONTENT + b"more")
    download(remote(site), tmp_path / "file")
    assert site.starts == [300_004, 0]
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("begun", [b"", b"something else of an earlier day"])
def test_wrong_content_says_what_was_expected_and_leaves_nothing(
    begun: bytes, site: Site, tmp_path: Path
) -> None:
    if begun:
        (tmp_path / "file.partial").write_bytes(begun)
    expected = SHA if begun else "0" * 64
    with pytest.raises(InputError, match=f"SHA-256 .*, expected {expected}.* --from FOLDER"):
        download(remote(site, expected), tmp_path / "file")
    assert everything_in(tmp_path) == []


def test_content_that_nobody_vouches_for_is_taken_as_it_is(site: Site, tmp_path: Path) -> None:
    assert download(remote(site, None), tmp_path / "file") == SHA


def test_an_earlier_file_stays_until_the_new_one_is_whole(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("earlier")
    with pytest.raises(InputError):
        download(remote(site, "0" * 64), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "earlier"


def test_a_file_that_the_server_does_not_have_is_one_message(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="/nothing: the server answered 404 Not Found; 0 bytes"):
        download(remote(site, path="/nothing"), tmp_path / "file")


def test_a_server_that_is_not_there_is_one_message(site: Site, tmp_path: Path) -> None:
    gone = Remote("file", "http://127.0.0.1:9/file", None)  # the discard port: nobody listens
    with pytest.raises(InputError, match=r"127.0.0.1:9/file: .*refused"):
        download(gone, tmp_path / "file")


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(1, 80_000), max_size=6), begun=st.integers(0, 300_000))
def test_however_often_it_is_cut_the_content_is_the_same(
    cuts: list[int], begun: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("download")
    (folder / "file.partial").write_bytes(CONTENT[:begun])
    with serving({"/file": CONTENT}) as site:
        site.cuts = cuts
        download(remote(site), folder / "file")
    assert (folder / "file").read_bytes() == CONTENT


HUB = Part(
    "owner/name", "refs/convert/parquet", {"rows": "{config}/train-*.parquet"}, {"de": "de"}
)


def test_the_hub_tells_the_files_of_one_folder_with_their_sha_256(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = "/datasets/owner/name/resolve/refs/convert/parquet"
    files = {
        f"{root}/de/train-1.parquet": b"second",
        f"{root}/de/train-0.parquet": b"first",
        f"{root}/de/deeper/train-2.parquet": b"third",
        f"{root}/es/train-0.parquet": b"fourth",
    }
    with serving(files) as site:
        monkeypatch.setenv("HF_ENDPOINT", f"{site.url}/")
        found = remote_files(HUB, "de")
        assert [file.path for file in found] == ["de/train-0.parquet", "de/train-1.parquet"]
        assert found[0].sha256 == hashlib.sha256(b"first").hexdigest()
        assert "/resolve/refs%2Fconvert%2Fparquet/de/train-0.parquet" in found[0].url
        download(found[1], tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"second"
        with pytest.raises(InputError, match="fr: the server answered 404"):
            remote_files(HUB, "fr")


@pytest.mark.parametrize(
    "answer", [b"<html>", b"3", b'{"error": "x"}', b'[{"type": "file"}]', b"[3]", b"\xff"]
)
def test_an_answer_that_is_no_listing_is_one_message(
    answer: bytes, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    site.files["/wrong"] = answer
    monkeypatch.setenv("HF_ENDPOINT", f"{site.url}/wrong?")
    with pytest.raises(InputError, match="the answer is no list of files"):
        remote_files(HUB, "de")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["file", "de/a", "../x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "path", "lfs", "oid"]), inner)
    ),
    max_leaves=12,
)


@given(answer=JSON | st.lists(JSON))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_hub_answers_gives_files_of_the_folder_or_one_message(
    answer: object, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    site.files["/listing"] = json.dumps(answer).encode()
    monkeypatch.setenv("HF_ENDPOINT", f"{site.url}/listing?")
    try:
        found = remote_files(HUB, "de")
    except InputError as error:
        assert "the answer is no list of files" in str(error)
    else:
        assert {file.path for file in found} <= {"de/a"}


def test_names_that_lead_out_of_the_folder_are_not_taken(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    entries = b'[{"type": "file", "path": "../../x"}, {"type": "file", "path": "de/y"}]'
    site.files["/listing"] = entries
    monkeypatch.setenv("HF_ENDPOINT", f"{site.url}/listing?")
    assert [file.path for file in remote_files(HUB, "de")] == ["de/y"]


def test_files_on_github_are_those_with_a_sha_256() -> None:
    part = Part(
        "owner/name",
        "c0ffee",
        {"rows": "data/{config}.json"},
        {"de": "de"},
        host="github",
        sha256={"data/de.json": "1" * 64, "other/de.json": "2" * 64},
    )
    url = "https://raw.githubusercontent.com/owner/name/c0ffee/data/de.json"
    assert remote_files(part, "data") == [Remote("data/de.json", url, "1" * 64)]
