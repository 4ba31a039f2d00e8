import hashlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridir.data.published import download
from hybridir.data.published.catalogue import Declaration, Source
from hybridir.data.published.download import SourceFiles, collect, fetch, sha256_of
from hybridir.errors import InputError
from tests.support.miniatures import contents
from tests.support.serving import Site, serving

COMMIT = "c0ffee" + "0" * 34


def declaration(**sha256: str) -> Declaration:
    """Two repositories: one of two languages with a common file, another of English."""
    both = Source(
        "owner/both",
        COMMIT,
        {"rows": "data/{config}-*.txt", "shared": "shared.txt"},
        {"de": "german", "zh": "zh_cn"},
        sha256={f"data/{name}-0.txt": digest for name, digest in sha256.items()},
    )
    english = Source("owner/english", COMMIT, {"rows": "plain.txt"}, {"en": "english"})
    texts = ("kind", "squad", (both, english), "row", "licence", "citation", "relies", "notes")
    return Declaration("name", *texts)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name in ("data/german-0", "data/german-1", "data/zh_cn-0", "shared", "plain", "other"):
        (tmp_path / f"{name}.txt").write_text(name)
    return tmp_path


def test_each_language_gets_its_files_in_order_and_the_common_ones(folder: Path) -> None:
    files = collect(declaration(), ["de", "en", "zh"], folder).files
    assert files == {
        "de": {
            "rows": [folder / "data/german-0.txt", folder / "data/german-1.txt"],
            "shared": [folder / "shared.txt"],
        },
        "en": {"rows": [folder / "plain.txt"]},
        "zh": {"rows": [folder / "data/zh_cn-0.txt"], "shared": [folder / "shared.txt"]},
    }


def test_the_used_files_and_no_others_have_their_sha_256(folder: Path) -> None:
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
    digest = hashlib.sha256(b"data/german-0").hexdigest()
    assert problems == [
        f"  - data/german-0.txt has SHA-256 {digest}, expected {'0' * 64}; fetch it again",
        "  - no shared.txt",
        "  - no plain.txt",
    ]


def test_a_missing_folder_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        collect(declaration(), ["de"], tmp_path / "nowhere")


# More than the hub's client holds back before it writes, which is 10 MiB.
CONTENT = random.Random(1).randbytes(11 * 2**20)
SHA = hashlib.sha256(CONTENT).hexdigest()
NAME = "de/train-0.parquet"
ROOT = f"/datasets/owner/name/resolve/{COMMIT}"
SOURCE = Source("owner/name", COMMIT, {"rows": "{config}/train-*.parquet"}, {"de": "de"})
HUB = replace(declaration(), sources=(SOURCE,))
ON_GITHUB = replace(
    HUB,
    sources=(replace(SOURCE, host="github", sha256={NAME: SHA, "de/other.json": "1" * 64}),),
)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a proxy nor the clients' waits before they try again stand between the two ends."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serving({f"{ROOT}/{NAME}": CONTENT, f"/github/owner/name/{COMMIT}/{NAME}": CONTENT}) as s:
        monkeypatch.setenv("HF_ENDPOINT", s.url)
        monkeypatch.setattr(download, "GITHUB", f"{s.url}/github")
        yield s


def stored(folder: Path, path: str = NAME) -> Path:
    return folder / "owner/name" / COMMIT / path


@pytest.mark.parametrize("source", [HUB, ON_GITHUB], ids=["hub", "github"])
def test_a_file_arrives_whole_in_folders_made_for_it_and_is_not_fetched_again(
    source: Declaration, site: Site, tmp_path: Path
) -> None:
    lines: list[str] = []
    expected = SourceFiles({"de": {"rows": [stored(tmp_path)]}}, {NAME: SHA})
    for _ in range(2):
        assert fetch(source, ["de"], tmp_path, lines.append) == expected
    assert contents(tmp_path) == {f"owner/name/{COMMIT}/{NAME}": CONTENT}
    assert sha256_of(stored(tmp_path)) == SHA
    assert len(lines) == len(site.starts) == 1
    root = ROOT if source is HUB else f"/github/owner/name/{COMMIT}"
    assert lines == [f"fetching {site.url}{root}/{NAME}"]


@pytest.mark.parametrize("source", [HUB, ON_GITHUB], ids=["hub", "github"])
def test_a_damaged_file_is_fetched_again(source: Declaration, site: Site, tmp_path: Path) -> None:
    fetch(source, ["de"], tmp_path)
    stored(tmp_path).write_bytes(CONTENT[:-1])
    fetch(source, ["de"], tmp_path)
    assert stored(tmp_path).read_bytes() == CONTENT


def test_the_hubs_client_resumes_a_cut_transfer(site: Site, tmp_path: Path) -> None:
    site.cuts = [10 * 2**20 + 5, 1]
    fetch(HUB, ["de"], tmp_path)
    assert site.starts == [0, 10 * 2**20, 10 * 2**20]
    assert stored(tmp_path).read_bytes() == CONTENT


def test_a_cut_transfer_from_github_starts_again(site: Site, tmp_path: Path) -> None:
    site.cuts = [100_000]
    fetch(ON_GITHUB, ["de"], tmp_path)
    assert site.starts == [0, 0]
    assert stored(tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("source", [HUB, ON_GITHUB], ids=["hub", "github"])
def test_a_server_that_always_cuts_is_one_message_and_leaves_no_file(
    source: Declaration, site: Site, tmp_path: Path
) -> None:
    site.cuts = [100_000] * 10
    with pytest.raises(InputError, match=rf"{NAME}: .*--from FOLDER") as caught:
        fetch(source, ["de"], tmp_path)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == {}
    site.cuts = []
    fetch(source, ["de"], tmp_path)
    assert stored(tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("source", [HUB, ON_GITHUB], ids=["hub", "github"])
def test_wrong_content_names_the_expected_sha_256_and_leaves_no_file(
    source: Declaration, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "listing", Site(dict(site.files)).listing)
    site.files = {name: b"X" + content[1:] for name, content in site.files.items()}
    with pytest.raises(InputError, match=rf"{NAME}: SHA.?256 .*expected {SHA}.*--from FOLDER"):
        fetch(source, ["de"], tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("source", [HUB, ON_GITHUB], ids=["hub", "github"])
def test_an_unreachable_server_is_one_message(
    source: Declaration, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = "http://127.0.0.1:9"  # the discard port: nobody listens
    monkeypatch.setenv("HF_ENDPOINT", gone)
    monkeypatch.setattr(download, "GITHUB", gone)
    with pytest.raises(InputError, match=r"127.0.0.1:9/.*refused.*--from FOLDER") as caught:
        fetch(source, ["de"], tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [HUB, ON_GITHUB], ids=["hub", "github"])
def test_a_file_that_the_server_does_not_have_is_one_message(
    source: Declaration, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "listing", Site(dict(site.files)).listing)
    site.files = {}
    with pytest.raises(InputError, match=rf"{NAME}: the server answered 404 Not Found; run the"):
        fetch(source, ["de"], tmp_path)


def test_an_unknown_commit_is_named(site: Site, tmp_path: Path) -> None:
    changed = replace(HUB, sources=(replace(SOURCE, revision="main"),))
    with pytest.raises(InputError, match="owner/name has no commit or branch main; leave --revis"):
        fetch(changed, ["de"], tmp_path)


def test_a_branch_is_resolved_to_its_commit(site: Site, tmp_path: Path) -> None:
    site.branches = {"refs/convert/parquet": COMMIT}
    changed = replace(HUB, sources=(replace(SOURCE, revision="refs/convert/parquet"),))
    lines: list[str] = []
    files = fetch(changed, ["de"], tmp_path, lines.append)
    path = tmp_path / "owner/name/refs-convert-parquet" / NAME
    assert files.files == {"de": {"rows": [path]}}
    assert path.read_bytes() == CONTENT
    assert "/resolve/refs%2Fconvert%2Fparquet/de/train-0.parquet" in lines[0]


def test_files_are_those_of_the_very_folder(site: Site, tmp_path: Path) -> None:
    for name in ("de/train-1.parquet", "de/deeper/train-2.parquet", "es/train-0.parquet"):
        site.files[f"{ROOT}/{name}"] = name.encode()
    files = fetch(HUB, ["de"], tmp_path)
    assert list(files.sha256) == [NAME, "de/train-1.parquet"]
    fetch(ON_GITHUB, ["de"], tmp_path / "github")  # files without a SHA-256 are not asked for
    assert list(contents(tmp_path / "github")) == [f"owner/name/{COMMIT}/{NAME}"]


def test_content_without_a_published_sha_256_is_taken_as_it_is(site: Site, tmp_path: Path) -> None:
    site.files[f"{ROOT}/notes/de.txt"] = b"small"
    small = replace(HUB, sources=(replace(SOURCE, files={"rows": "notes/{config}.txt"}),))
    expected = {"notes/de.txt": hashlib.sha256(b"small").hexdigest()}
    for _ in range(2):
        assert fetch(small, ["de"], tmp_path).sha256 == expected
    assert site.starts == [0]


def test_a_pattern_without_files_is_named(site: Site, tmp_path: Path) -> None:
    changed = replace(HUB, sources=(replace(SOURCE, files={"rows": "{config}/test-*"}),))
    with pytest.raises(InputError, match=rf"has no de/test-\* at {COMMIT}; another --revision"):
        fetch(changed, ["de"], tmp_path)


def answering(answer: bytes, monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    """Let the hub give another answer than a listing."""
    site.files["/wrong"] = answer
    monkeypatch.setenv("HF_ENDPOINT", f"{site.url}/wrong?")


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"3",
        b'{"error": "x"}',
        b'{"id": "x", "siblings": [{"size": 3}]}',
        b"[3]",
        b"\xff",
    ],
)
def test_an_answer_that_is_no_listing_is_one_message(
    answer: bytes, monkeypatch: pytest.MonkeyPatch, site: Site, tmp_path: Path
) -> None:
    answering(answer, monkeypatch, site)
    with pytest.raises(InputError, match="the answer is no list of files"):
        fetch(HUB, ["de"], tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([COMMIT, "fr/a", "../x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "sha", "siblings", "rfilename", "lfs", "sha256"]), inner
        )
    ),
    max_leaves=12,
)


@given(answer=JSON | st.fixed_dictionaries({"id": JSON, "sha": JSON, "siblings": st.lists(JSON)}))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
def test_an_odd_answer_of_the_hub_is_one_message(
    answer: object, monkeypatch: pytest.MonkeyPatch, site: Site, tmp_path: Path
) -> None:
    answering(json.dumps(answer).encode(), monkeypatch, site)
    with pytest.raises(InputError, match=r"the answer is no list of files|has no de/train-"):
        fetch(HUB, ["de"], tmp_path)


def test_names_that_lead_out_of_the_folder_are_not_taken(
    monkeypatch: pytest.MonkeyPatch, site: Site, tmp_path: Path
) -> None:
    names = ["../../train-x.parquet", "de/../train-y.parquet", "/de/train-z.parquet"]
    siblings = [{"rfilename": name} for name in names]
    listing = {"id": "x", "sha": COMMIT, "siblings": siblings}
    answering(json.dumps(listing).encode(), monkeypatch, site)
    with pytest.raises(InputError, match="has no de/train-"):
        fetch(HUB, ["de"], tmp_path)
