from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridir.data.benchmark import Benchmark
from hybridir.data.readers.beir import load_beir_benchmark
from hybridir.errors import InputError
from tests.support.layouts import beir, hub, miracl, write_text

EXPECTED = {
    "q1": ("Which river?", {"p1": "Nile A river."}),
    "q2": ("Which lake?", {"p2": "A lake.", "p3": "Alps Mountains."}),
}


def answers(benchmark: Benchmark) -> dict[str, tuple[str, dict[str, str]]]:
    """From question ids to their texts and relevant passages."""
    relevant = [
        {
            benchmark.passage_ids[index]: benchmark.passages[index]
            for index in benchmark.relevant[low:high]
        }
        for low, high in pairwise(benchmark.relevant_offsets)
    ]
    texts = zip(benchmark.queries, relevant, strict=True)
    return dict(zip(benchmark.question_ids, texts, strict=True))


def message(load: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        load()
    return str(caught.value)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_folder_of_beir_is_read_plain_or_gzipped(tmp_path: Path, ending: str) -> None:
    benchmark = load_beir_benchmark("scifact", beir(tmp_path, ending), "test", "en")
    assert benchmark.name == "scifact"
    assert benchmark.languages == ("en",)
    assert list(benchmark.passage_ids) == ["p1", "p2", "p3"]
    assert answers(benchmark) == EXPECTED


@pytest.mark.parametrize("shards", [1, 2])
def test_parquet_files_of_the_hub_are_read(tmp_path: Path, shards: int) -> None:
    benchmark = load_beir_benchmark("miracl", hub(tmp_path, ["sw"], shards), "dev")
    assert benchmark.languages == ("sw",)
    assert sorted(benchmark.passage_ids) == ["p1", "p2", "p3"]
    assert answers(benchmark) == EXPECTED


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_of_miracl_itself_are_read(tmp_path: Path, ending: str) -> None:
    benchmark = load_beir_benchmark("miracl", miracl(tmp_path, ["yo"], ending), "dev")
    assert benchmark.languages == ("yo",)
    assert answers(benchmark) == EXPECTED


@pytest.mark.parametrize("layout", [hub, miracl])
def test_languages_of_one_benchmark_share_no_id(
    tmp_path: Path, layout: Callable[[Path, list[str]], Path]
) -> None:
    folder = layout(tmp_path, ["sw", "yo", "bn"])
    benchmark = load_beir_benchmark("miracl", folder, "dev", languages=["yo", "sw"])
    assert benchmark.languages == ("sw", "yo")
    assert benchmark.pool_offsets.tolist() == [0, 3, 6]
    assert list(benchmark.passage_ids[:3]) == ["sw-p1", "sw-p2", "sw-p3"]
    expected = {
        f"{code}-{key}": (text, {f"{code}-{passage}": body for passage, body in rows.items()})
        for code in ("sw", "yo")
        for key, (text, rows) in EXPECTED.items()
    }
    assert answers(benchmark) == expected
    assert load_beir_benchmark("miracl", folder, "dev").languages == ("bn", "sw", "yo")


def test_tabs_in_a_topic_belong_to_it(tmp_path: Path) -> None:
    folder = miracl(tmp_path, ["sw"])
    path = next(folder.rglob("topics.*"))
    path.write_text(path.read_text().replace("Which river?", "Which\triver?"))
    assert load_beir_benchmark("miracl", folder, "dev").queries[0] == "Which\triver?"


def test_skip_bad_leaves_out_bad_rows_and_the_rows_that_need_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = beir(tmp_path)
    corpus = folder / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace("Nile", "").replace("A river.", ""))
    assert "line 1: empty text" in message(lambda: load_beir_benchmark("b", folder, "test", "en"))
    benchmark = load_beir_benchmark("b", folder, "test", "en", skip_bad=True)
    assert answers(benchmark) == {"q2": EXPECTED["q2"]}
    assert "corpus.jsonl: 1 bad record left out" in caplog.text
    assert "test.tsv: 1 bad record left out:\n  - line 2: there is no passage 'p1'" in caplog.text


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize(
    ("layout", "file"),
    [
        (lambda folder: beir(folder, ".gz", "dev"), "corpus.jsonl.gz"),
        (lambda folder: miracl(folder, ["sw"]), "docs-1.jsonl.gz"),
        (lambda folder: hub(folder, ["sw"]), "dev-00000-of-00001.parquet"),
    ],
)
def test_a_file_that_breaks_off_is_never_good_enough(
    tmp_path: Path, layout: Callable[[Path], Path], file: str, skip_bad: bool
) -> None:
    folder = layout(tmp_path)
    cut(next(folder.rglob(file)))
    code = "en" if "corpus" in file else None
    error = message(lambda: load_beir_benchmark("b", folder, "dev", code, skip_bad=skip_bad))
    assert file in error
    assert "breaks off or is damaged" in error
    assert "fetch the file again" in error


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: folder / "nowhere", "nowhere: there is no such folder"),
        (lambda folder: folder, "found no corpus.jsonl (BEIR), <language>-corpus/ (MIRACL on"),
        (lambda folder: hub(folder, ["sw", "x x"]), "'x x' is no language code"),
        (lambda folder: miracl(folder, ["sw"]), "found no corpus.jsonl"),  # its split is dev
        (lambda folder: hub(folder, ["sw"]), "no Parquet file of split 'test'; there are dev-0"),
        (beir, "do not say in which; name it with language: CODE"),
    ],
)
def test_a_folder_without_a_known_layout_is_refused_with_the_known_layouts(
    tmp_path: Path, change: Callable[[Path], Path], expected: str
) -> None:
    folder = change(tmp_path)
    assert expected in message(lambda: load_beir_benchmark("b", folder, "test"))


def test_missing_languages_splits_and_files_are_named_with_the_available_ones(
    tmp_path: Path,
) -> None:
    single, many, original = (tmp_path / name for name in ("single", "many", "original"))
    beir(single)
    hub(many, ["sw", "yo"], corpus_shards=2)
    miracl(original, ["sw"])
    wrong: list[tuple[Path, str, str | None, list[str] | None, str]] = [
        (single, "dev", "en", None, "there is no qrels/dev.tsv; there are test.tsv"),
        (single, "test", "x/x", None, "'x/x' is no language code"),
        (many, "dev", None, ["sw", "th"], "nothing in th; languages that are there: sw yo"),
        (many, "dev", None, [], "nothing in an empty list of languages"),
        (many, "dev", "sw", None, "not in BEIR's layout; choose languages: [sw]"),
    ]
    for folder, split, code, codes, expected in wrong:
        load = partial(load_beir_benchmark, "b", folder, split, code, codes)
        assert expected in message(load)
    (many / "sw-corpus" / "dev-00001-of-00002.parquet").unlink()
    assert "1 of 2 files" in message(lambda: load_beir_benchmark("b", many, "dev"))
    next(original.rglob("qrels.*")).unlink()
    error = message(lambda: load_beir_benchmark("b", original, "dev"))
    assert "qrels.miracl-v1.0-sw-dev.tsv* is not there" in error
    write_text(single / "corpus.jsonl.gz", "")
    assert "both there" in message(lambda: load_beir_benchmark("b", single, "test", "en"))
    (single / "corpus.jsonl.gz").unlink()
    (single / "queries.jsonl").unlink()
    assert "no queries.jsonl" in message(lambda: load_beir_benchmark("b", single, "test", "en"))


def test_a_parquet_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    folder = hub(tmp_path, ["sw"])
    path = next((folder / "sw-qrels").glob("*"))
    pq.write_table(pa.table({"query-id": ["q1"]}), path)
    error = message(lambda: load_beir_benchmark("b", folder, "dev"))
    assert "there is no column corpus-id and no score" in error
