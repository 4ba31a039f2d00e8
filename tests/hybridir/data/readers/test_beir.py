import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridir.data.benchmark import Benchmark
from hybridir.data.readers.beir import FolderRules, load_beir_benchmark
from hybridir.errors import InputError
from tests.support.layouts import QRELS, beir, hub, jsonl, miracl, write_text

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
    queries = folder / "queries.jsonl"
    queries.write_text(queries.read_text().replace('"q1"', "true"))
    error = message(lambda: load_beir_benchmark("b", folder, "test", "en"))
    assert "queries.jsonl has 1 bad record; mend them, or set skip_bad: true" in error
    assert "line 1: _id=True is no text" in error
    rules = FolderRules(skip_bad=True)
    benchmark = load_beir_benchmark("b", folder, "test", "en", rules=rules)
    assert answers(benchmark) == {"q2": EXPECTED["q2"]}
    assert "queries.jsonl: 1 bad record left out" in caplog.text
    assert "test.tsv: 1 bad record left out:\n  - line 2: there is no query 'q1'" in caplog.text
    assert benchmark.judgements.counts["bad_records"] == 2
    assert "bad records: 2, left out" in "\n".join(benchmark.judgements.notes())


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
    error = message(
        lambda: load_beir_benchmark("b", folder, "dev", code, rules=FolderRules(skip_bad=skip_bad))
    )
    assert file in error
    assert "breaks off or is damaged" in error
    assert "fetch the file again" in error


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: folder / "nowhere", "nowhere: there is no such folder"),
        (lambda folder: folder, "found no corpus.jsonl (BEIR), <language>/corpus.jsonl"),
        (lambda folder: hub(folder, ["sw", "x x"]), "'x x' is no language code"),
        (lambda folder: miracl(folder, ["sw"]), "found no corpus.jsonl"),  # its split is dev
        (
            lambda folder: hub(folder, ["sw"]),
            "no file of split 'test'; splits that are there: dev",
        ),
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
    assert "no judgement in 'query-id'; expected a header with query-id, corpus-id" in error


def moved(folder: Path, **names: str) -> Path:
    """Rename files of BEIR's layout."""
    for old, new in names.items():
        path = folder / {"corpus": "corpus.jsonl", "queries": "queries.jsonl"}.get(
            old, "qrels/test.tsv"
        )
        target = folder / new
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".parquet":
            rows = [json.loads(line) for line in path.open()] if old != "qrels" else QRELS
            pq.write_table(pa.Table.from_pylist([{**row, "metadata": ""} for row in rows]), target)
            path.unlink()
        else:
            path.rename(target)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        # BeIR/ on the hub, with the judgements of its repository of qrels beside it.
        {
            "corpus": "corpus/corpus-00000-of-00001.parquet",
            "queries": "queries/queries-00000-of-00001.parquet",
            "qrels": "test.tsv",
        },
        # mteb/ on the hub, newer and older.
        {
            "corpus": "corpus/test-00000-of-00001.parquet",
            "queries": "queries/test-00000-of-00001.parquet",
            "qrels": "qrels/test-00000-of-00001.parquet",
        },
        {"qrels": "data/test-00000-of-00001.parquet"},
        # NanoBEIR: texts have the split `train` alone.
        {
            "corpus": "corpus/train-00000-of-00001.parquet",
            "queries": "queries/train-00000-of-00001.parquet",
            "qrels": "qrels/test-00000-of-00001.parquet",
        },
        {"corpus": "corpus/0000.parquet", "queries": "queries.parquet"},
        {"corpus": "Corpus.JSONL", "queries": "QUERIES.jsonl", "qrels": "qrels/Test.TSV"},
        {"qrels": "qrels/test.txt"},
        {"qrels": "qrels/test"},
        # Mr. TyDi, ir_datasets.
        {
            "corpus": "collection/docs.jsonl",
            "queries": "queries.test.jsonl",
            "qrels": "qrels.test.txt",
        },
        {"corpus": "docs.jsonl", "qrels": "test.qrels"},
    ],
)
def test_files_are_found_under_every_published_name(tmp_path: Path, names: dict[str, str]) -> None:
    folder = moved(beir(tmp_path), **names)
    assert answers(load_beir_benchmark("b", folder, "test", "en")) == EXPECTED


def test_a_folder_whose_queries_choose_among_listed_passages_is_refused(tmp_path: Path) -> None:
    folder = beir(tmp_path)
    (folder / "top_ranked").mkdir()
    error = message(lambda: load_beir_benchmark("b", folder, "test", "en"))
    assert "choose among listed passages" in error


def test_a_folder_per_language_is_one_benchmark(tmp_path: Path) -> None:
    for code in ("sw", "yo"):
        beir(tmp_path / code)
    benchmark = load_beir_benchmark("b", tmp_path, "test")
    assert benchmark.languages == ("sw", "yo")
    assert benchmark.question_ids[0] == "sw-q1"
    error = message(lambda: load_beir_benchmark("b", tmp_path, "test", "sw"))
    assert "choose one of its folders (sw yo)" in error


@pytest.mark.parametrize("layout", ["folders", "hub", "hub, code last", "miracl"])
def test_equal_ids_of_a_parallel_folder_are_translations(tmp_path: Path, layout: str) -> None:
    split = "test" if layout == "folders" else "dev"
    if layout == "folders":
        for code in ("sw", "yo"):
            beir(tmp_path / code)
    elif layout == "miracl":
        miracl(tmp_path, ["sw", "yo"])
    else:
        hub(tmp_path, ["sw", "yo"])
    if layout == "hub, code last":
        for path in list(tmp_path.iterdir()):
            path.rename(tmp_path / "-".join(reversed(path.name.split("-"))))
    benchmark = load_beir_benchmark("b", tmp_path, split, rules=FolderRules(parallel=True))
    assert list(benchmark.question_ids) == ["q1", "q2"] * 2
    relevant = {"q1": {"sw-p1", "yo-p1"}, "q2": {"sw-p2", "sw-p3", "yo-p2", "yo-p3"}}
    found = [
        {benchmark.passage_ids[index] for index in benchmark.relevant[low:high]}
        for low, high in pairwise(benchmark.relevant_offsets)
    ]
    assert found == [relevant["q1"], relevant["q2"]] * 2
    apart = load_beir_benchmark("b", tmp_path, split)
    assert apart.judgements.counts["questions_with_shared_id"] == 2


def language(
    folder: Path, code: str, queries: list[str], qrels: list[tuple[str, str, int]]
) -> None:
    """A language in BEIR's layout, with passages a, b and c."""
    inside = folder / code
    write_text(inside / "corpus.jsonl", jsonl([{"_id": p, "text": f"{p} {code}"} for p in "abc"]))
    write_text(inside / "queries.jsonl", jsonl([{"_id": q, "text": f"{q}?"} for q in queries]))
    rows = "".join(f"{query}\t{passage}\t{grade}\n" for query, passage, grade in qrels)
    write_text(inside / "qrels" / "test.tsv", rows)


def relevant_of(benchmark: Benchmark) -> dict[tuple[str, str], set[str]]:
    return {
        (key, benchmark.languages[code]): {
            benchmark.passage_ids[n] for n in benchmark.relevant[low:high]
        }
        for key, code, (low, high) in zip(
            benchmark.question_ids,
            benchmark.query_languages,
            pairwise(benchmark.relevant_offsets),
            strict=True,
        )
    }


def test_in_a_language_without_judgements_of_a_question_translated_passages_answer(
    tmp_path: Path,
) -> None:
    language(tmp_path, "sw", ["q", "r"], [("q", "a", 1), ("r", "b", 1)])
    language(tmp_path, "yo", ["q"], [("q", "a", 1), ("q", "c", 0)])
    rules = FolderRules(parallel=True)
    assert relevant_of(load_beir_benchmark("b", tmp_path, "test", rules=rules)) == {
        ("q", "sw"): {"sw-a", "yo-a"},
        ("r", "sw"): {"sw-b", "yo-b"},  # yo does not judge r, and has b
        ("q", "yo"): {"sw-a", "yo-a"},
    }
    rules = FolderRules(parallel="questions")
    benchmark = load_beir_benchmark("b", tmp_path, "test", rules=rules)
    assert relevant_of(benchmark)["r", "sw"] == {"sw-b"}


def test_ids_of_passages_that_name_no_translations_are_refused(tmp_path: Path) -> None:
    language(tmp_path, "sw", ["q"], [("q", "a", 1)])
    language(tmp_path, "yo", ["q"], [("q", "c", 1)])
    rules = FolderRules(parallel=True)
    error = message(lambda: load_beir_benchmark("b", tmp_path, "test", rules=rules))
    assert "passage 'a' is relevant in sw, and not judged in yo" in error
    assert "set parallel: questions" in error
    rules = FolderRules(parallel="questions")
    benchmark = load_beir_benchmark("b", tmp_path, "test", rules=rules)
    assert relevant_of(benchmark)["q", "yo"] == {"sw-a", "yo-c"}


def test_absent_passages_of_a_parallel_question_count_in_their_language(tmp_path: Path) -> None:
    language(tmp_path, "sw", ["q"], [("q", "a", 2)])
    language(tmp_path, "yo", ["q", "s"], [("q", "a", 1), ("q", "z", 1), ("s", "b", 0)])
    rules = FolderRules(parallel=True)
    benchmark = load_beir_benchmark("b", tmp_path, "test", rules=rules)
    judged = benchmark.judgements
    names = [
        (benchmark.question_ids[query], benchmark.languages[code], key, int(grade))
        for query, code, key, grade in zip(
            judged.absent_queries,
            judged.absent_languages,
            judged.absent_ids,
            judged.absent_gains,
            strict=True,
        )
    ]
    # q is asked in both languages; s has no relevant passage, and counts as 0 in its own.
    assert names == [("q", "yo", "z", 1), ("q", "yo", "z", 1), ("s", "yo", "none", 0)]
    assert judged.gains_R is not None
    assert judged.gains_R.tolist() == [2, 1, 2, 1]


def test_a_parallel_folder_without_shared_ids_says_so(tmp_path: Path) -> None:
    language(tmp_path, "sw", ["q"], [("q", "a", 1)])
    language(tmp_path, "yo", ["r"], [("r", "c", 1)])
    rules = FolderRules(parallel="questions")
    notes = load_beir_benchmark("b", tmp_path, "test", rules=rules).judgements.notes()
    assert notes == [
        "questions in one language alone: 2, none is parallel, since no two languages share an id"
    ]


def test_a_relevant_passage_with_its_querys_id_needs_a_choice(tmp_path: Path) -> None:
    language(tmp_path, "en", ["a", "b"], [("a", "a", 1), ("b", "c", 1)])
    load = partial(load_beir_benchmark, "b", tmp_path / "en", "test", "en")
    error = message(load)
    assert "passage 'a' is relevant to the query of the same id" in error
    assert "ignore_identical_ids: false" in error
    kept = load(rules=FolderRules(ignore_identical_ids=False))
    assert relevant_of(kept) == {("a", "en"): {"a"}, ("b", "en"): {"c"}}
    assert kept.judgements.counts == {"identical_ids_kept": 2}
    # As BEIR: its results lose the document, its judgements keep it.
    dropped = load(rules=FolderRules(ignore_identical_ids=True)).judgements
    assert dropped.excluded == {0: (0,), 1: (1,)}
    assert (list(dropped.absent_ids), dropped.absent_gains.tolist()) == (["a"], [1])
    assert load(rules=FolderRules(counting="in_pool")).judgements.excluded == {}


def test_queries_without_a_judgement_are_left_out_and_counted(tmp_path: Path) -> None:
    benchmark = load_beir_benchmark("b", beir(tmp_path), "test", "en")
    assert benchmark.judgements.counts == {
        "queries_without_judgement": 1,
        "graded_judgements": 1,
    }


@pytest.mark.parametrize("grade", [0, -1])
def test_a_folder_without_a_relevant_passage_is_refused(tmp_path: Path, grade: int) -> None:
    language(tmp_path, "en", ["q"], [("q", "a", grade), ("q", "z", 1)])
    error = message(lambda: load_beir_benchmark("b", tmp_path / "en", "test", "en"))
    assert "no query has a relevant passage in the corpus" in error


def test_digests_depend_on_what_figures_depend_on(tmp_path: Path) -> None:
    digests = set()
    for number, qrels in enumerate(
        ([("q", "a", 1)], [("q", "a", 2)], [("q", "a", 1), ("q", "z", 1)], [("q", "a", 1)])
    ):
        language(tmp_path / str(number), "en", ["q"], qrels)
        folder = tmp_path / str(number) / "en"
        digests.add(load_beir_benchmark("b", folder, "test", "en").digest)
    assert len(digests) == 3
