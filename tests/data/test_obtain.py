import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridir.data import download
from hybridir.data.declaration import Declaration
from hybridir.data.declared import DECLARED, MKQA, MR_TYDI, SQUAD, SWIM_IR, XQUAD_R
from hybridir.data.gather import collect
from hybridir.data.lareqa import load_lareqa_pairs
from hybridir.data.obtain import prepare
from hybridir.data.published import READERS
from hybridir.data.tabular import load_table
from hybridir.errors import InputError
from tests.data.miniatures import MINIATURES, parquet, write, xquad_r
from tests.serving import Site, serving


def contents(folder: Path) -> dict[str, bytes]:
    """All files but locks, which stay behind empty."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def changed(folder: Path, before: dict[str, bytes]) -> list[str]:
    after = contents(folder)
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def lareqa(tmp_path: Path) -> Declaration:
    """XQuAD-R's declaration with the SHA-256 of two miniature files in ``tmp_path / "raw"``."""
    xquad_r(tmp_path / "raw")
    names = ["xquad-r/de.json", "xquad-r/en.json"]
    part = dataclasses.replace(
        XQUAD_R.parts[0],
        configs={"de": "de", "en": "en"},
        sha256={name: sha256((tmp_path / "raw" / name).read_bytes()) for name in names},
    )
    return dataclasses.replace(XQUAD_R, parts=(part,))


@pytest.mark.parametrize("name", MINIATURES)
def test_what_is_written_is_what_training_reads_and_the_manifest_says_of_what_it_was_made(
    name: str, tmp_path: Path
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    declaration, languages = write(name, raw)
    manifest = prepare(declaration, out, languages=languages, source=raw)
    table = load_table(out / f"{declaration.name}.parquet")
    pairs = READERS[declaration.layout](collect(declaration, languages, raw).files)
    assert table.digest == pairs.digest

    said = json.loads(manifest.read_text("utf-8"))
    assert manifest == out / f"{declaration.name}.manifest.json"
    assert said["digest"] == table.digest
    assert said["rows"] == {code: list(table.language).count(code) for code in table.languages}
    assert said["inputs"] == {key: sha256(body) for key, body in contents(raw).items()}
    assert said["outputs"] == {
        f"{declaration.name}.parquet": sha256((out / f"{declaration.name}.parquet").read_bytes())
    }
    assert said["licence"] == declaration.licence
    assert said["citation"] == declaration.citation
    assert [source["revision"] for source in said["source"]] == [
        part.revision for part in declaration.parts
    ]
    assert said["dropped"] == {"rows": 0, "examples": []}


def test_rows_without_text_are_dropped_and_counted(tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    rows = [
        {"_id": key, "query": query, "title": "", "text": "."}
        for key, query in (("a", "?"), ("b", " "), ("c", "?"))
    ]
    parquet(tmp_path / "raw/de/train-00000-of-00001.parquet", rows)
    said: list[str] = []
    manifest = prepare(
        SWIM_IR, tmp_path, languages=["de"], source=tmp_path / "raw", say=said.append
    )
    assert json.loads(manifest.read_text())["dropped"] == {
        "rows": 1,
        "examples": ["de 'de-b': empty question"],
    }
    assert "1 of 3 rows dropped, e.g. de 'de-b': empty question" in said
    assert len(load_table(tmp_path / "swim-ir-monolingual.parquet")) == 2


def test_what_is_there_already_is_left_alone_until_something_differs(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    write("swim-ir", raw)
    name = "swim-ir-monolingual"

    def again(**options: Any) -> list[str]:
        before = contents(out)
        prepare(SWIM_IR, out, **{"languages": ["de", "yo"], "source": raw, **options})
        return changed(out, before)

    both = [f"{name}.manifest.json", f"{name}.parquet"]
    assert again() == both
    assert again() == []
    assert again(languages=["de"]) == both
    assert again() == both
    (out / f"{name}.parquet").write_bytes(b"damaged")
    assert again() == [f"{name}.parquet"]  # as it was: the manifest says the same
    (out / f"{name}.manifest.json").write_text("{")
    assert again() == [f"{name}.manifest.json"]
    parquet(
        raw / "yo/train-00000-of-00001.parquet",
        [{"_id": "1", "query": "?", "title": "", "text": "."}],
    )
    assert again() == both


def test_a_run_that_fails_leaves_an_earlier_result_as_it_was(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    write("swim-ir", raw)
    prepare(SWIM_IR, out, languages=["de"], source=raw)
    before = contents(out)
    (raw / "de/train-00000-of-00001.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="no readable Parquet file"):
        prepare(SWIM_IR, out, languages=["de"], source=raw)
    assert changed(out, before) == []


def test_all_missing_files_are_named_at_once(tmp_path: Path) -> None:
    write("mr-tydi", tmp_path / "raw")
    for path in (tmp_path / "raw").glob("telugu-*/*"):
        path.unlink()
    with pytest.raises(InputError) as caught:
        prepare(MR_TYDI, tmp_path / "out", languages=["te", "ar"], source=tmp_path / "raw")
    assert "does not hold mr-tydi as mteb/mrtidy lays it out" in str(caught.value)
    for holds in ("queries", "qrels", "corpus"):
        assert f"no telugu-{holds}/train-*.parquet" in str(caught.value)
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"languages": ["tlh", "xx", "ko"]}, "mkqa: not in tlh, xx; languages that are there: ar"),
        ({"languages": []}, "mkqa: not in an empty list of languages"),
        ({"source": Path("nowhere")}, "nowhere: there is no such folder"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_writes_nothing(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        prepare(MKQA, tmp_path, **options)
    assert contents(tmp_path) == {}


def test_an_output_folder_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file.*: .*--out a folder that can be written"):
        prepare(SWIM_IR, tmp_path / "file", languages=["de"], source=tmp_path / "raw")


def test_the_cross_lingual_section_of_swim_ir_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not offered: its passages are English"):
        prepare(DECLARED["swim-ir-cross-lingual"], tmp_path)


def test_lareqas_own_files_are_copied_and_can_be_loaded(
    lareqa: Declaration, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "xquad-r").mkdir(parents=True)
    (out / "xquad-r" / "README").write_text("mine")
    manifest = prepare(lareqa, out, source=tmp_path / "raw")
    for name in ("de.json", "en.json"):
        copied = (out / "xquad-r" / name).read_bytes()
        assert copied == (tmp_path / "raw" / "xquad-r" / name).read_bytes()
    assert (out / "xquad-r" / "README").read_text() == "mine"
    said = json.loads(manifest.read_text())
    assert said["rows"] == {"de": 1, "en": 1}
    assert said["digest"] == load_lareqa_pairs(out / "xquad-r").digest
    # The folder may be its own source: nothing is lost.
    assert prepare(lareqa, out, languages=["de"], source=out) == manifest
    assert {path.name for path in (out / "xquad-r").iterdir()} == {"de.json", "en.json", "README"}


def test_a_wrong_checksum_names_file_and_both_sums_and_copies_nothing(
    lareqa: Declaration, tmp_path: Path
) -> None:
    file = tmp_path / "raw" / "xquad-r" / "en.json"
    file.write_bytes(file.read_bytes().replace(b"Ann", b"Eve"))
    found, expected = sha256(file.read_bytes()), lareqa.parts[0].sha256["xquad-r/en.json"]
    with pytest.raises(
        InputError, match=f"xquad-r/en.json has SHA-256 {found}, expected {expected}; fetch it"
    ):
        prepare(lareqa, tmp_path / "out", source=tmp_path / "raw")
    assert contents(tmp_path / "out") == {}


def test_the_published_files_have_the_declared_checksums(data_root: Path, tmp_path: Path) -> None:
    for name, questions in (("xquad-r", 11 * 1190), ("mlqa-r", 4199)):
        manifest = prepare(DECLARED[name], tmp_path, source=data_root)
        assert sum(json.loads(manifest.read_text())["rows"].values()) == questions
        assert contents(tmp_path / name) == contents(data_root / name)


# From here on files come from a server.


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "*")
    with serving({}) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        monkeypatch.setattr(download, "GITHUB", f"{site.url}/github")
        yield site


def publish(site: Site, declaration: Declaration, raw: Path) -> None:
    """Serve the files of a folder as those of every repository of a declaration."""
    for part in declaration.parts:
        root = f"/datasets/{part.repository}/resolve/{part.revision}"
        if part.host == "github":
            root = f"/github/{part.repository}/{part.revision}"
        site.files |= {f"{root}/{name}": body for name, body in contents(raw).items()}


@pytest.mark.parametrize("name", MINIATURES)
def test_downloaded_files_give_the_table_of_local_ones(
    name: str, hub: Site, tmp_path: Path
) -> None:
    declaration, languages = write(name, tmp_path / "raw")
    publish(hub, declaration, tmp_path / "raw")
    fetched, local = (
        prepare(declaration, tmp_path / out, languages=languages, source=source)
        for out, source in (("a", None), ("b", tmp_path / "raw"))
    )
    assert fetched.read_text() == local.read_text()


def test_an_interrupted_download_goes_on_and_a_finished_one_is_not_repeated(
    hub: Site, tmp_path: Path
) -> None:
    write("squad", tmp_path / "raw")
    publish(hub, SQUAD, tmp_path / "raw")
    out = tmp_path / "out"
    hub.cuts = [10**6, 500, 0]  # the second file breaks off twice
    with pytest.raises(InputError, match=r"zh/.*: the connection was cut off; 500 bytes are kept"):
        prepare(SQUAD, out, languages=["de", "zh"])
    assert not list(out.glob("*.parquet")) + list(out.glob("*.json"))
    assert hub.starts == [0, 0, 500]
    prepare(SQUAD, out, languages=["de", "zh"])
    assert hub.starts == [0, 0, 500, 500]
    prepare(SQUAD, out, languages=["de", "zh"])
    prepare(SQUAD, out, languages=["de"])
    assert hub.starts == [0, 0, 500, 500]


def test_a_file_that_changed_on_disk_is_fetched_again(hub: Site, tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    publish(hub, SWIM_IR, tmp_path / "raw")
    prepare(SWIM_IR, tmp_path / "out", languages=["de"])
    (file,) = (tmp_path / "out" / "downloads").rglob("*.parquet")
    content = file.read_bytes()
    file.write_bytes(b"damaged")
    prepare(SWIM_IR, tmp_path / "out", languages=["de", "yo"])
    assert file.read_bytes() == content


def test_a_file_that_the_hub_serves_otherwise_than_it_says_leaves_no_table(
    hub: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("swim-ir", tmp_path / "raw")
    publish(hub, SWIM_IR, tmp_path / "raw")
    honest = dict(hub.files)
    monkeypatch.setattr(hub, "listing", Site(honest).listing)
    hub.files |= {name: body + b"\0" for name, body in honest.items()}
    with pytest.raises(InputError, match=r"de/train-00000-of-00001.parquet: SHA-256 .* expected"):
        prepare(SWIM_IR, tmp_path / "out", languages=["de"])
    assert contents(tmp_path / "out") == {}


def test_another_commit_can_be_asked_for(hub: Site, tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    publish(hub, SWIM_IR.at("refs/convert/parquet"), tmp_path / "raw")
    with pytest.raises(InputError, match="the server answered 404"):
        prepare(SWIM_IR, tmp_path / "out", languages=["de"])
    manifest = prepare(SWIM_IR.at("refs/convert/parquet"), tmp_path / "out", languages=["de"])
    assert json.loads(manifest.read_text())["source"][0]["revision"] == "refs/convert/parquet"


def test_a_folder_without_such_files_says_so(hub: Site, tmp_path: Path) -> None:
    (tmp_path / "raw" / "de").mkdir(parents=True)
    (tmp_path / "raw" / "de" / "test-0.parquet").touch()
    publish(hub, SWIM_IR, tmp_path / "raw")
    with pytest.raises(InputError, match=r"has no de/train-\*.parquet at 834c20f0.*--revision"):
        prepare(SWIM_IR, tmp_path / "out", languages=["de"])


def test_lareqas_files_come_from_github_and_are_checked(
    lareqa: Declaration, hub: Site, tmp_path: Path
) -> None:
    publish(hub, lareqa, tmp_path / "raw")
    hub.cuts = [7]
    prepare(lareqa, tmp_path / "out")
    assert hub.starts == [0, 7, 0]
    copied = contents(tmp_path / "out" / "xquad-r")
    assert copied == contents(tmp_path / "raw" / "xquad-r")

    hub.files = {name: body.replace(b"Bob", b"Eve") for name, body in hub.files.items()}
    with pytest.raises(InputError, match=r"xquad-r/de.json: SHA-256 .*, expected .*deleted"):
        prepare(lareqa, tmp_path / "other")
    assert contents(tmp_path / "other") == {}


# Damage of every kind: a table or a message, never a traceback, never half a table.


@st.composite
def damage(draw: st.DrawFn) -> tuple[str, int, int]:
    """What is done to which of the files, and where, in thousandths of it."""
    kind = draw(st.sampled_from(["cut", "flip", "drop a line", "empty", "gone", "swap"]))
    return kind, draw(st.integers(0, 99)), draw(st.integers(0, 999))


def harm(folder: Path, kind: str, which: int, where: int) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    file = files[which % len(files)]
    body = bytearray(file.read_bytes())
    place = where * len(body) // 1000
    if kind == "cut":
        file.write_bytes(body[:place])
    elif kind == "flip" and body:
        body[place] ^= 1 + where % 255
        file.write_bytes(body)
    elif kind == "drop a line":
        rows = body.split(b"\n")
        file.write_bytes(b"\n".join(rows[: where % len(rows)] + rows[where % len(rows) + 1 :]))
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "gone":
        file.unlink()
    elif kind == "swap":
        file.write_bytes(files[(which + 1) % len(files)].read_bytes())


@pytest.mark.parametrize("name", [*MINIATURES, "xquad-r"])
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wounds=st.lists(damage(), min_size=1, max_size=3))
def test_damaged_files_give_a_table_or_a_message_and_never_half_an_output(
    name: str,
    wounds: list[tuple[str, int, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    raw, out = folder / "raw", folder / "out"
    if name == "xquad-r":
        xquad_r(raw)
        # Without checksums, so that the reader itself sees the damage.
        part = dataclasses.replace(XQUAD_R.parts[0], sha256={}, host="hub")
        declaration = dataclasses.replace(XQUAD_R, parts=(part,))
        languages: tuple[str, ...] = ("de", "en")
    else:
        declaration, languages = write(name, raw)
    for wound in wounds:
        harm(raw, *wound)
        if not any(path.is_file() for path in raw.rglob("*")):
            break
    try:
        manifest = prepare(declaration, out, languages=languages, source=raw)
    except InputError as error:
        assert str(error)
        assert contents(out) == {}
    else:
        said = json.loads(manifest.read_text("utf-8"))
        written = {key: body for key, body in contents(out).items() if key != manifest.name}
        assert {key: sha256(body) for key, body in written.items()} == said["outputs"]
        if name != "xquad-r":
            assert load_table(out / f"{declaration.name}.parquet").digest == said["digest"]
