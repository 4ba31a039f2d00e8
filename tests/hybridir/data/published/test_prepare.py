import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hybridir.batches.index import index_pairs
from hybridir.data.published.catalogue import DECLARED, MKQA, MR_TYDI, SWIM_IR, Declaration
from hybridir.data.published.convert import READERS
from hybridir.data.published.download import collect
from hybridir.data.published.prepare import prepare
from hybridir.data.readers.lareqa import load_lareqa_pairs
from hybridir.data.readers.table import load_table
from hybridir.errors import InputError
from tests.support.miniatures import MINIATURES, checked_xquad_r, contents, parquet, sha256, write


def changed(folder: Path, before: dict[str, bytes]) -> list[str]:
    after = contents(folder)
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


@pytest.fixture
def lareqa(tmp_path: Path) -> Declaration:
    return checked_xquad_r(tmp_path / "raw")


@pytest.mark.parametrize("name", MINIATURES)
def test_the_output_is_the_training_table_and_the_manifest_describes_its_origin(
    name: str, tmp_path: Path
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    declaration, languages = write(name, raw)
    manifest = prepare(declaration, out, languages=languages, from_folder=raw)
    table = load_table(out / f"{declaration.name}.parquet")
    pairs = READERS[declaration.layout](collect(declaration, languages, raw).files)
    assert table.digest == pairs.digest

    content = json.loads(manifest.read_text("utf-8"))
    assert manifest == out / f"{declaration.name}.manifest.json"
    assert content["digest"] == table.digest
    assert content["rows"] == dict(Counter(table.language))
    assert content["inputs"] == {key: sha256(body) for key, body in contents(raw).items()}
    assert content["outputs"] == {
        f"{declaration.name}.parquet": sha256((out / f"{declaration.name}.parquet").read_bytes())
    }
    assert content["licence"] == declaration.licence
    assert content["citation"] == declaration.citation
    assert [source["revision"] for source in content["source"]] == [
        source.revision for source in declaration.sources
    ]
    assert content["dropped"] == {"rows": 0, "examples": []}


def test_rows_without_text_are_dropped_and_counted(tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    rows = [
        {"_id": key, "query": query, "title": "", "text": "."}
        for key, query in (("a", "?"), ("b", " "), ("c", "?"))
    ]
    parquet(tmp_path / "raw/de/train-00000-of-00001.parquet", rows)
    output: list[str] = []
    manifest = prepare(
        SWIM_IR, tmp_path, languages=["de"], from_folder=tmp_path / "raw", say=output.append
    )
    assert json.loads(manifest.read_text())["dropped"] == {
        "rows": 1,
        "examples": ["de 'de-b': empty question"],
    }
    assert "1 of 3 rows dropped, e.g. de 'de-b': empty question" in output
    assert len(load_table(tmp_path / "swim-ir-monolingual.parquet")) == 2


def test_an_earlier_result_is_left_alone_until_an_input_or_output_differs(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    write("swim-ir", raw)
    name = "swim-ir-monolingual"

    def again(**options: Any) -> list[str]:
        before = contents(out)
        prepare(SWIM_IR, out, **{"languages": ["de", "yo"], "from_folder": raw, **options})
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
    prepare(SWIM_IR, out, languages=["de"], from_folder=raw)
    before = contents(out)
    (raw / "de/train-00000-of-00001.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="no readable Parquet file"):
        prepare(SWIM_IR, out, languages=["de"], from_folder=raw)
    assert changed(out, before) == []


def test_all_missing_files_are_named_at_once(tmp_path: Path) -> None:
    write("mr-tydi", tmp_path / "raw")
    for path in (tmp_path / "raw").glob("telugu-*/*"):
        path.unlink()
    with pytest.raises(InputError) as caught:
        prepare(MR_TYDI, tmp_path / "out", languages=["te", "ar"], from_folder=tmp_path / "raw")
    assert "does not hold mr-tydi as mteb/mrtidy lays it out" in str(caught.value)
    for holds in ("queries", "qrels", "corpus"):
        assert f"no telugu-{holds}/train-*.parquet" in str(caught.value)
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"languages": ["tlh", "xx", "ko"]},
            "mkqa: nothing in tlh, xx; languages that are there: ar",
        ),
        ({"languages": []}, "mkqa: nothing in an empty list of languages"),
        ({"from_folder": Path("nowhere")}, "nowhere: there is no such folder"),
    ],
)
def test_an_impossible_request_is_refused_and_writes_nothing(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        prepare(MKQA, tmp_path, **options)
    assert contents(tmp_path) == {}


def test_an_unwritable_output_folder_is_one_message(tmp_path: Path) -> None:
    write("swim-ir", tmp_path / "raw")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file.*: .*--out a folder that can be written"):
        prepare(SWIM_IR, tmp_path / "file", languages=["de"], from_folder=tmp_path / "raw")


def test_the_cross_lingual_section_of_swim_ir_has_english_passages_in_groups_of_their_own(
    tmp_path: Path,
) -> None:
    declaration, languages = write("swim-ir-cross", tmp_path / "raw")
    prepare(declaration, tmp_path, languages=languages, from_folder=tmp_path / "raw")
    table = load_table(tmp_path / "swim-ir-cross-lingual.parquet")
    # Two questions on passage 0, one on passage 1, the same passages for both languages.
    assert list(table.language) == ["de"] * 3 + ["yo"] * 3
    assert list(table.passage_languages) == ["en"] * 6
    assert list(table.passage) == [f"Title {n} en text {n}" for n in (0, 0, 1, 0, 0, 1)]
    assert list(table.passage_group) == ["de-0", "de-0", "de-2", "de-0", "de-0", "de-2"]
    pools = index_pairs(table)
    assert (len(pools.rows), pools.languages) == (0, ())
    assert pools.cross.tolist() == [[row, row] for row in range(6)]


def test_lareqas_own_files_are_copied_and_can_be_loaded(
    lareqa: Declaration, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "xquad-r").mkdir(parents=True)
    (out / "xquad-r" / "README").write_text("mine")
    manifest = prepare(lareqa, out, from_folder=tmp_path / "raw")
    for name in ("de.json", "en.json"):
        copied = (out / "xquad-r" / name).read_bytes()
        assert copied == (tmp_path / "raw" / "xquad-r" / name).read_bytes()
    assert (out / "xquad-r" / "README").read_text() == "mine"
    content = json.loads(manifest.read_text())
    assert content["rows"] == {"de": 1, "en": 1}
    assert content["digest"] == load_lareqa_pairs(out / "xquad-r").digest
    # The folder may be its own source: nothing is lost.
    assert prepare(lareqa, out, languages=["de"], from_folder=out) == manifest
    assert {path.name for path in (out / "xquad-r").iterdir()} == {"de.json", "en.json", "README"}


def test_a_wrong_checksum_names_file_and_both_sums_and_copies_nothing(
    lareqa: Declaration, tmp_path: Path
) -> None:
    file = tmp_path / "raw" / "xquad-r" / "en.json"
    file.write_bytes(file.read_bytes().replace(b"Ann", b"Eve"))
    digest, expected = sha256(file.read_bytes()), lareqa.sources[0].sha256["xquad-r/en.json"]
    with pytest.raises(
        InputError, match=f"xquad-r/en.json has SHA-256 {digest}, expected {expected}; fetch it"
    ):
        prepare(lareqa, tmp_path / "out", from_folder=tmp_path / "raw")
    assert contents(tmp_path / "out") == {}


@pytest.mark.slow
def test_the_published_files_have_the_declared_checksums(data_root: Path, tmp_path: Path) -> None:
    for name, questions in (("xquad-r", 11 * 1190), ("mlqa-r", 4199)):
        manifest = prepare(DECLARED[name], tmp_path, from_folder=data_root)
        assert sum(json.loads(manifest.read_text())["rows"].values()) == questions
        assert contents(tmp_path / name) == contents(data_root / name)
