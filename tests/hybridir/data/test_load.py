import json
import os
from pathlib import Path

import numpy as np
import pytest

from hybridir.batches.plan import BatchPlan
from hybridir.config.trial import BatchConfig
from hybridir.data import load_benchmarks, load_training
from hybridir.data.benchmark import Benchmark
from hybridir.data.load import file_stamps
from hybridir.data.readers.lareqa import load_lareqa_benchmark, load_lareqa_pairs
from hybridir.errors import InputError
from tests.support.layouts import beir, hub
from tests.support.training_data import config, rows, write_benchmark, write_table


def test_a_stamp_changes_with_the_content_of_a_file_and_not_without(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("one")
    before = file_stamps([file])
    assert file_stamps([file]) == before
    file.write_text("four")
    assert file_stamps([file]) != before


def test_a_stamp_changes_when_the_same_length_is_written_later(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("one")
    before = file_stamps([file])
    file.write_text("two")
    os.utime(file, ns=(before[0][1] + 1, before[0][1] + 1))
    assert file_stamps([file]) != before


def test_a_folder_is_stamped_by_all_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "b.json").write_text("b")
    (tmp_path / "inner" / "a.json").write_text("a")
    names = [Path(name).name for name, _, _ in file_stamps([tmp_path])]
    assert names == ["b.json", "a.json"]


def test_a_missing_file_has_no_stamp(tmp_path: Path) -> None:
    assert file_stamps([tmp_path / "absent"]) == ()


def test_synthetic_corpus_brings_its_own_dev_and_test() -> None:
    settings = config(
        {"synthetic": {"languages": 2, "entities": 30}}, report_on=["synthetic-test"]
    )
    data = load_training(settings)
    (test,) = load_benchmarks(settings)
    assert len(data.pairs) == 30 * 4 * 2
    assert data.dev is not None
    assert (data.dev.name, test.name) == ("dev", "synthetic-test")
    assert data.seen_languages == test.languages == ("qa", "qb")
    assert not set(data.pairs.question_id) & (set(data.dev.question_ids) | set(test.question_ids))


def test_other_sources_are_split_so_that_no_passage_group_is_on_both_sides(tmp_path: Path) -> None:
    settings = config({"table": {"path": write_table(tmp_path)}}, dev_share=0.25)
    data = load_training(settings)
    assert data.dev is not None
    everything = load_training(settings.model_copy(update={"tune_on": None})).pairs
    group = dict(zip(everything.question_id, everything.passage_group, strict=True))
    held_out = {group[key] for key in data.dev.question_ids}
    assert len(held_out) == 5  # a quarter of 20 groups
    assert not held_out & set(data.pairs.passage_group)
    assert held_out | set(data.pairs.passage_group) == set(everything.passage_group)
    dev_rows = {
        (key, data.dev.languages[language])
        for key, language in zip(data.dev.question_ids, data.dev.query_languages, strict=True)
    }
    assert dev_rows | rows(data.pairs) == rows(everything)
    assert not dev_rows & rows(data.pairs)


def test_split_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    data = []
    for name in ("first", "second"):  # data of one path are cached
        (tmp_path / name).mkdir()
        table = {"table": {"path": write_table(tmp_path / name)}}
        data.append(load_training(config(table, dev_share=0.25)))
    first, second = data
    assert first.pairs.digest == second.pairs.digest
    assert first.dev is not None
    assert second.dev is not None
    assert first.dev.digest == second.dev.digest


def test_training_data_are_cached_until_a_file_changes(tmp_path: Path) -> None:
    settings = config({"table": {"path": write_table(tmp_path, questions=40)}}, tune_on=None)
    first = load_training(settings)
    assert load_training(settings) is first
    write_table(tmp_path, questions=36)
    assert len(load_training(settings).pairs) == 36 + 18


def test_benchmarks_are_cached_until_a_file_changes(tmp_path: Path) -> None:
    root = write_benchmark(tmp_path, "xquad-r", "q1")
    settings = config(
        {"synthetic": {"languages": 2, "entities": 30}}, report_on=["xquad-r"], data_root=root
    )
    first = load_benchmarks(settings)
    assert load_benchmarks(settings) is first
    file = root / "xquad-r" / "en.json"
    file.write_text(file.read_text().replace("q1", "q22"))
    assert load_benchmarks(settings)[0].question_ids == ["q22"]


def test_another_split_seed_holds_out_other_groups(tmp_path: Path) -> None:
    settings = config({"table": {"path": write_table(tmp_path)}}, dev_share=0.25)
    assert load_training(settings, 0).pairs.digest != load_training(settings, 1).pairs.digest


def test_parts_are_of_what_is_trained_on_and_share_one_development_set(tmp_path: Path) -> None:
    train = {"table": {"path": write_table(tmp_path)}}
    whole = load_training(config(train, dev_share=0.25))
    settings = [
        config(train, dev_share=0.25, data_part={"number": number, "of": 3}) for number in range(3)
    ]
    parts = [load_training(part_settings) for part_settings in settings]
    assert set().union(*(rows(data.pairs) for data in parts)) == rows(whole.pairs)
    assert sum(len(data.pairs) for data in parts) == len(whole.pairs)
    assert all(data.dev is whole.dev for data in parts), "loaded once for all"
    groups = [set(data.pairs.passage_group) for data in parts]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert load_training(settings[2]) is parts[2]
    assert load_training(settings[0]).pairs.digest == parts[0].pairs.digest


def test_without_tuning_everything_is_trained_on(tmp_path: Path) -> None:
    data = load_training(config({"table": {"path": write_table(tmp_path)}}, tune_on=None))
    assert data.dev is None
    assert len(data.pairs) == 40 + 20


def test_shared_keeps_questions_in_two_languages_or_more(tmp_path: Path) -> None:
    train = {"table": {"path": write_table(tmp_path)}, "questions": "shared"}
    data = load_training(config(train, dev_share=0.2))
    assert data.dev is not None
    assert len(data.pairs) + len(data.dev.queries) == 20 + 20
    assert {number % 4 for number in (int(key[1:]) for key in data.pairs.question_id)} == {0, 1}


def test_shared_questions_of_one_language_are_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path, languages=("en",))
    train = {"table": {"path": path}, "questions": "shared"}
    with pytest.raises(InputError, match="no question of the training data exists in two"):
        load_training(config(train))


def test_seen_languages_are_those_trained_on(tmp_path: Path) -> None:
    train = {"table": {"path": write_table(tmp_path), "languages": ["en"]}}
    assert load_training(config(train)).seen_languages == ("en",)


def test_pain_22_benchmark_that_shares_question_ids_with_training_is_refused(
    tmp_path: Path,
) -> None:
    write_benchmark(tmp_path, "xquad-r", "q7")
    train = {"table": {"path": write_table(tmp_path)}}
    settings = config(train, report_on=["xquad-r"], data_root=tmp_path)
    with pytest.raises(InputError, match=r"xquad-r: 1 of 1 question ids \(same id\), e\.g\. 'q7'"):
        load_training(settings)
    allowed = load_training(settings.model_copy(update={"allow_contamination": True}))
    assert [(overlap.kind, overlap.count) for overlap in allowed.overlaps] == [("question ids", 1)]


def test_benchmarks_come_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    write_benchmark(tmp_path, "xquad-r", "x")
    write_benchmark(tmp_path, "mlqa-r", "m")
    train = {"table": {"path": write_table(tmp_path)}}
    settings = config(train, report_on=["xquad-r", "mlqa-r"], data_root=tmp_path)
    assert [benchmark.name for benchmark in load_benchmarks(settings)] == ["xquad-r", "mlqa-r"]


def test_reported_languages_of_the_synthetic_corpus_can_be_chosen() -> None:
    report = [{"name": "synthetic-test", "languages": ["qc", "qa"]}]
    settings = config({"synthetic": {"languages": 3, "entities": 30}}, report_on=report)
    (some,) = load_benchmarks(settings)
    (every,) = load_benchmarks(
        settings.model_copy(
            update={"report_on": (settings.report_on[0].model_copy(update={"languages": None}),)}
        )
    )
    assert some.languages == ("qa", "qc")
    without_qb = [passage for passage in every.passage_ids if not passage.startswith("qb")]
    assert list(some.passage_ids) == without_qb
    assert len(some.queries) == 480
    assert len(some.relevant) == 480 * 2
    assert some.n_clusters == every.n_clusters == 60


def test_reported_language_that_the_corpus_lacks_is_refused() -> None:
    report = [{"name": "synthetic-test", "languages": ["qa", "qe"]}]
    settings = config({"synthetic": {"languages": 2, "entities": 30}}, report_on=report)
    with pytest.raises(InputError, match="nothing in qe; languages that are there: qa qb"):
        load_benchmarks(settings)


def test_mlqa_r_is_trained_on_and_xquad_r_reported_on(data_root: Path) -> None:
    train = {"lareqa": {"name": "mlqa-r", "languages": ["en", "de"]}, "questions": "shared"}
    report = [{"name": "xquad-r", "languages": ["de", "tr"]}]
    settings = config(train, tune_on=None, report_on=report, data_root=data_root)
    data = load_training(settings)
    (xquad,) = load_benchmarks(settings)
    # All 512 German questions of MLQA-R are there in English as well.
    assert len(data.pairs) == 2 * 512
    assert data.seen_languages == ("de", "en")
    assert xquad.languages == ("de", "tr")
    assert len(xquad.passages) == 1276 + 1167


@pytest.mark.parametrize("passage_text", ["sentence", "sentence+paragraph"])
@pytest.mark.slow
def test_dev_of_mlqa_r_has_all_sentences_of_paragraphs_that_nothing_is_trained_on(
    data_root: Path, passage_text: str
) -> None:
    train = {"lareqa": {"name": "mlqa-r", "passage_text": passage_text}}
    data = load_training(config(train, data_root=data_root))
    dev = data.dev
    assert dev is not None
    asked = {
        (key, dev.languages[code])
        for key, code in zip(dev.question_ids, dev.query_languages, strict=True)
    }
    trained = rows(data.pairs)
    assert asked | trained == rows(load_lareqa_pairs(data_root / "mlqa-r"))
    pools: dict[str, list[str]] = {}
    for code in dev.languages:
        top = json.loads((data_root / "mlqa-r" / f"{code}.json").read_text("utf-8"))
        for paragraph in (each for article in top["data"] for each in article["paragraphs"]):
            context, breaks = paragraph["context"], paragraph["sentence_breaks"]
            questions = {(qa["id"], code) for qa in paragraph["qas"]}
            if questions & asked:
                assert not questions & trained
                behind = "" if passage_text == "sentence" else f" {context}"
                sentences = [f"{context[start:end]}{behind}" for start, end in breaks]
                pools.setdefault(code, []).extend(sentences)
    assert list(dev.passages) == [text for code in dev.languages for text in pools[code]]
    assert not set(data.pairs.passage) & set(dev.passages)
    # Gold sentences alone were 55, 58, 115, 46, 50, 45 and 43.
    sizes = {"ar": 248, "de": 247, "en": 619, "es": 125, "hi": 191, "vi": 301, "zh": 200}
    assert dict(zip(dev.languages, np.diff(dev.pool_offsets), strict=True)) == sizes
    # Relevance is the benchmark's.
    mlqa = load_lareqa_benchmark("mlqa-r", data_root / "mlqa-r")
    assert relevant_ids(dev).items() <= relevant_ids(mlqa).items()
    assert set(zip(dev.question_ids, dev.clusters, strict=True)) <= set(
        zip(mlqa.question_ids, mlqa.clusters, strict=True)
    )


def relevant_ids(benchmark: Benchmark) -> dict[str, frozenset[str]]:
    bounds = benchmark.relevant_offsets
    return {
        question: frozenset(benchmark.passage_ids[index] for index in benchmark.relevant[low:high])
        for question, low, high in zip(
            benchmark.question_ids, bounds[:-1], bounds[1:], strict=True
        )
    }


def test_dev_of_mlqa_r_is_compared_with_what_is_reported(data_root: Path) -> None:
    train = {"lareqa": {"name": "mlqa-r", "languages": ["hi"]}}
    report = [{"name": "xquad-r", "languages": ["hi"]}]
    settings = config(train, report_on=report, data_root=data_root, dev_share=0.9)
    data = load_training(settings)
    (xquad,) = load_benchmarks(settings)
    assert data.dev is not None
    # Two sentences are in both, and of less than eight words.
    assert set(data.dev.passages) & set(xquad.passages) <= {"ए.", "[उद्धरण वांछित]"}
    assert data.overlaps == ()


def test_dev_of_a_table_has_the_passages_of_questions_that_are_not_shared(tmp_path: Path) -> None:
    train = {"table": {"path": write_table(tmp_path)}, "questions": "shared"}
    data = load_training(config(train, dev_share=0.2))
    assert data.dev is not None
    # Half of 20 passages answer questions in English alone; 2 of the 10 others are held out.
    assert dict(zip(data.dev.languages, np.diff(data.dev.pool_offsets), strict=True)) == {
        "de": 2,
        "en": 2 + 10,
    }
    assert not set(data.dev.passages) & set(data.pairs.passage)


def write_rows(path: Path, table: list[tuple[str, str, str]]) -> Path:
    """A table of (question id, language, passage)."""
    names = ("question_id", "language", "passage")
    lines = [
        dict(zip(names, row, strict=True), question=f"{row[0]} in {row[1]}?") for row in table
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_no_passage_of_dev_is_trained_on_although_the_table_names_no_groups(
    tmp_path: Path,
) -> None:
    # 40 questions on 6 paragraphs.
    table = [
        (f"q{number}", code, f"{code} paragraph {number % 6}")
        for number in range(40)
        for code in ("de", "en")
    ]
    path = write_rows(tmp_path / "table.jsonl", table)
    data = load_training(config({"table": {"path": path}}, dev_share=0.3))
    assert data.dev is not None
    assert len(set(data.dev.passages)) == 2 * 2  # .3 of 6 groups, in two languages
    assert not set(data.dev.passages) & set(data.pairs.passage)
    assert len(set(data.pairs.passage_group)) == 4


def test_pain_36_other_passages_of_a_question_are_never_its_negatives(tmp_path: Path) -> None:
    # Every third question has two passages in English, and every fourth the passage of another.
    table = [
        (f"q{number}", code, f"{code} passage {number - (number % 4 == 3)}")
        for number in range(24)
        for code in ("de", "en")
    ]
    table += [(f"q{number}", "en", f"en further {number}") for number in range(0, 24, 3)]
    path = write_rows(tmp_path / "table.jsonl", table)
    data = load_training(config({"table": {"path": path}}, tune_on=None))
    pairs = data.pairs
    answers = set(table)
    for ratio in (0.0, 1.0):
        plan = BatchPlan(data.tables, BatchConfig(batch_size=12, mixing_ratio=ratio), pairs=960,
                         seed=1)  # fmt: skip
        met = set()
        for batch in map(plan.__getitem__, range(plan.steps)):
            for question, group in zip(batch.questions, batch.groups, strict=True):
                for passage, other in zip(batch.passages, batch.groups, strict=True):
                    text = pairs.passage[passage]
                    if (pairs.question_id[question], pairs.language[passage], text) in answers:
                        assert group == other  # masked in the loss, or the positive itself
            met |= {pairs.passage[row] for row in batch.passages}
        assert met == {text for _, _, text in table}  # all are trained on


def test_a_question_with_two_passages_in_one_language_is_not_shared(tmp_path: Path) -> None:
    table = [("a", "en", "1"), ("a", "en", "2"), ("b", "en", "3"), ("b", "de", "4")]
    path = write_rows(tmp_path / "table.jsonl", table)
    train = {"table": {"path": path}, "questions": "shared"}
    assert load_training(config(train, tune_on=None)).pairs.question_id == ["b", "b"]


def test_dev_asks_a_question_with_several_passages_once(tmp_path: Path) -> None:
    table = [(f"q{n}", "en", f"passage {n} {m}") for n in range(4) for m in range(3)]
    path = write_rows(tmp_path / "table.jsonl", table)
    dev = load_training(config({"table": {"path": path}}, dev_share=0.5)).dev
    assert dev is not None
    assert len(dev.queries) == 2
    assert np.diff(dev.relevant_offsets).tolist() == [3, 3]


def test_a_benchmark_in_a_table_is_reported_on_and_compared_with_training(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "mine.jsonl", [("x", "en", "An answer."), ("x", "de", "Antwort.")]
    )
    report = {"name": "mine", "table": {"path": path}}
    settings = config({"table": {"path": write_table(tmp_path)}}, report_on=[report])
    (mine,) = load_benchmarks(settings)
    assert (mine.name, mine.languages, mine.queries[1]) == ("mine", ("de", "en"), "x in en?")
    load_training(settings)
    write_rows(path, [("x", "en", "Another answer.")])
    (mine,) = load_benchmarks(settings)  # the file has changed
    assert list(mine.passages) == ["Another answer."]
    with pytest.raises(InputError, match=r"mine: 1 of 1 question ids \(same id\), e\.g\. 'x'"):
        load_training(config({"table": {"path": path}}, tune_on=None, report_on=[report]))


def test_missing_data_root_folder_is_reported(tmp_path: Path) -> None:
    settings = config({"lareqa": {"name": "mlqa-r"}}, data_root=tmp_path / "nowhere")
    with pytest.raises(InputError, match="nowhere/mlqa-r: there is no such folder"):
        load_training(settings)


def test_benchmarks_in_folders_are_reported_on_beside_the_others(tmp_path: Path) -> None:
    report = [
        {"name": "scifact", "folder": beir(tmp_path / "beir"), "language": "en"},
        {"name": "synthetic-test"},
        {"name": "miracl", "folder": hub(tmp_path / "hub", ["sw", "yo"]), "split": "dev"},
    ]
    settings = config({"synthetic": {"languages": 2, "entities": 30}}, report_on=report)
    scifact, _, miracl = load_benchmarks(settings)
    assert (scifact.name, scifact.languages) == ("scifact", ("en",))
    assert (miracl.name, miracl.languages) == ("miracl", ("sw", "yo"))
    assert load_training(settings).overlaps == ()
    before = load_benchmarks(settings)
    path = tmp_path / "beir" / "queries.jsonl"
    path.write_text(path.read_text().replace("Which river?", "Which stream?"))
    assert "Which stream?" not in before[0].queries
    assert "Which stream?" in load_benchmarks(settings)[0].queries


def test_a_folder_that_shares_questions_with_training_is_refused(tmp_path: Path) -> None:
    row = {"language": "en", "question": "which RIVER", "passage": "Another."}
    table = tmp_path / "table.jsonl"
    table.write_text(json.dumps({"question_id": "t", **row}) + "\n")
    report = [{"name": "scifact", "folder": beir(tmp_path / "beir"), "language": "en"}]
    settings = config({"table": {"path": table}}, tune_on=None, report_on=report)
    with pytest.raises(InputError, match=r"scifact: 1 of 2 questions \(same words\)"):
        load_training(settings)
