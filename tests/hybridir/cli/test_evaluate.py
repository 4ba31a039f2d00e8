import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from hybridir import names
from hybridir.cli import evaluation
from hybridir.cli.main import main
from hybridir.config.trial import EncoderConfig
from hybridir.encoder.load import load_bi_encoder
from hybridir.encoder.save import save_encoder
from hybridir.encoder.vocabulary import train_tokenizer
from tests.hybridir.encoder.test_vocabulary import corpus
from tests.support.layouts import beir
from tests.support.own_table import embed, figures, macro, write_own_table
from tests.support.reading import SENTENCES, write_reader, write_xquad_r


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    config = EncoderConfig.model_validate(
        {
            "from_scratch": {"layers": 1, "hidden_size": 16, "intermediate_size": 32},
            "query_length": 32,
            "passage_length": 32,
        }
    )
    tokenizer = train_tokenizer(corpus(), 400)
    save_encoder(
        load_bi_encoder(config, tokenizer, seed=1), tokenizer, config, tmp_path / "encoder"
    )
    return tmp_path / "encoder"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_xquad_r(tmp_path / "data")


def command(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> int:
    monkeypatch.setattr(sys, "argv", ["hybridir", "evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_every_setting_is_printed_and_written(
    encoder: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures, out = tmp_path / "new" / "figures.json", tmp_path / "out"
    arguments: list[Any] = [encoder, "--benchmark", "xquad-r", "--data-root", data]
    arguments += ["--seen", "en", "--json", figures, "--out", out, "--cache", tmp_path / "cache"]
    assert command(monkeypatch, *arguments) == 0
    printed = capsys.readouterr().out
    assert "4 queries, 4 passages in de en, 1 clusters of questions" in printed
    assert "cross-lingual" in printed
    assert "hit@1 where one is relevant" in printed
    assert "without the pool of all languages, where it rewards language bias" in printed

    content = json.loads(figures.read_text("utf-8"))
    assert content["benchmark"] == "xquad-r"
    # Two questions in two languages, all on one article.
    assert [content[f"n_{kind}"] for kind in ("queries", "passages", "clusters")] == [4, 4, 1]
    assert content["encoder"]["passage_length"] == 32
    assert len(content["model_digest"]) == len(content["benchmark_digest"]) == 64
    settings = [(row["setting"], row["query_language"], row["pool_language"], row["n"])
                for row in content["settings"]]  # fmt: skip
    assert settings == [
        ("monolingual", "de", "de", 2),
        ("monolingual", "en", "en", 2),
        ("crosslingual", "de", "en", 2),
        ("crosslingual", "en", "de", 2),
        ("multilingual", "de", "all", 2),
        ("multilingual", "en", "all", 2),
    ]
    # Two candidates, one relevant: the mean precision is 1 or 1/2.
    assert {row["map"] for row in content["settings"][:4]} <= {0.5, 0.75, 1.0}
    table = pd.read_parquet(out / "xquad-r" / "per_query.parquet")
    assert len(pd.read_csv(out / "xquad-r" / "per_query.csv")) == len(table)
    csv = pd.read_csv(out / "xquad-r" / "settings.csv")
    assert [row.dropna().to_dict() for _, row in csv.iterrows()] == content["settings"]
    assert {"set_f1", "answer_f1"} < content["macro"]["monolingual"].keys()
    assert "answer_f1" not in content["macro"]["multilingual"]
    crosslingual = [row["map"] for row in content["settings"][2:4]]
    rows = table[table[names.SETTING] == names.CROSSLINGUAL]
    assert content["macro"]["crosslingual"]["map"] == pytest.approx(sum(crosslingual) / 2)
    assert rows[names.AP].mean() == pytest.approx(sum(crosslingual) / 2)
    bias = {"rank_distance", "rank_correlation", "max_at_r", "english_inclination_both"}
    assert bias < content["bias"].keys()
    assert "rank_distance_seen" not in content["bias"]  # one language was seen

    # The same command gives the same file.
    before = figures.read_bytes()
    assert command(monkeypatch, *arguments) == 0
    assert figures.read_bytes() == before


@pytest.mark.slow
def test_pain_29_the_similarity_of_the_folder_is_used_and_shown(
    encoder: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = encoder / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"similarity_fn_name": "dot"}))
    figures = tmp_path / "figures.json"
    arguments: list[Any] = [encoder, "--benchmark", "xquad-r", "--data-root", data]
    arguments += ["--json", figures, "--cache", tmp_path / "cache"]
    for option, expected in (([], "dot"), (["--similarity", "cosine"], "cosine")):
        assert command(monkeypatch, *arguments, *option) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert f"similarity: {names.SIMILARITIES[expected]}" in shown
        described = json.loads(figures.read_text())["encoder"]
        assert described["similarity"] == expected
        assert described["modules"] == ["Transformer", "Pooling", "Normalize"]
    path.write_text(json.dumps({"similarity_fn_name": "manhattan"}))
    assert command(monkeypatch, *arguments) == 2
    assert "name one: --similarity of hybridir evaluate" in capsys.readouterr().err


def test_a_reader_answers_from_first_passages(
    encoder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reader(tmp_path / "reader")
    figures, out = tmp_path / "figures.json", tmp_path / "out"
    arguments: list[Any] = [encoder, "--benchmark", "xquad-r", "--data-root", data]
    arguments += ["--reader", tmp_path / "reader", "--json", figures, "--out", out]
    assert command(monkeypatch, *arguments, "--cache", tmp_path / "cache") == 0
    content = json.loads(figures.read_text())
    macro = content["reader_macro"]
    assert len(content["reader_digest"]) == 64
    table = pd.read_parquet(out / "xquad-r" / "reader.parquet")
    assert macro.keys() == {"monolingual", "crosslingual", "multilingual"}
    rows = table[table[names.SETTING] == names.MULTILINGUAL]
    means = rows.groupby(names.QUERY_LANGUAGE, observed=True)[names.READER_F1].mean()
    assert macro["multilingual"][names.READER_F1] == pytest.approx(means.mean())
    paragraphs = set(SENTENCES.values())
    assert all(any(answer in text for text in paragraphs) for answer in table[names.ANSWER])


@pytest.mark.slow
def test_rankings_are_written_as_other_tools_read_them(
    encoder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in (encoder, "bm25"):
        arguments: list[Any] = [model, "--benchmark", "xquad-r", "--data-root", data, "--depth", 1]
        arguments += ["--trec", tmp_path / "trec", "--mteb", tmp_path / "mteb"]
        assert command(monkeypatch, *arguments, "--cache", tmp_path / "cache") == 0
        run = (tmp_path / "trec" / "run-all.txt").read_text().splitlines()
        assert [line.split()[3] for line in run] == ["1"] * 4
        assert {line.split()[5] for line in run} == {Path(str(model)).name}
        predictions = json.loads((tmp_path / "mteb" / "xquad-r_predictions.json").read_text())
        assert list(predictions) == ["mteb_model_meta", "de", "en", "all"]


def test_a_benchmark_in_a_folder_is_evaluated(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scifact"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": str(n), "title": "", "text": f"one dog and {n} cats"} for n in range(5)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "how many cats?"}')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t3\t1\n")
    figures = tmp_path / "figures.json"
    arguments = [encoder, "--benchmark", "mine", "--folder", folder, "--language", "en"]
    cache = tmp_path / "cache"
    assert command(monkeypatch, *arguments, "--json", figures, "--cache", cache) == 0
    settings = json.loads(figures.read_text())["settings"]
    assert (settings[0]["setting"], settings[0]["n"]) == ("monolingual", 1)
    assert list(cache.glob("embeddings-*")) == []


@pytest.mark.slow
def test_every_figure_on_a_table_of_ones_own_follows_from_full_rankings(
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, file = write_own_table(tmp_path), tmp_path / "figures.json"
    arguments: list[Any] = [encoder, "--benchmark", "mine", "--json", file]
    arguments += ["--table", table.path, "--passages", table.more]
    assert command(monkeypatch, *arguments, "--cache", tmp_path / "cache") == 0
    content = json.loads(file.read_text("utf-8"))
    assert content["n_passages"] == sum(map(len, table.pools.values()))
    assert content["n_queries"] == len(table.queries)
    assert content["n_clusters"] == 60  # the copied question is on the passages of another one
    assert content["absent"] == {}
    settings = content["encoder"]
    expected = figures(
        table,
        lambda texts: embed(encoder, texts, settings["query_prefix"], 32),
        lambda texts: embed(encoder, texts, settings["passage_prefix"], 32),
    )
    assert len(content["settings"]) == len(expected) == 3 + 6 + 3
    for row in content["settings"]:
        cell = row["setting"], row["query_language"], row["pool_language"]
        assert row["n"] == len(expected[cell]["map"])
        for measure in ("map", "mrr", "set_f1", "recall_at_10"):
            mean = sum(expected[cell][measure]) / row["n"]
            assert row[measure] == pytest.approx(mean, abs=1e-12), (cell, measure)
    for setting, means in content["macro"].items():
        for measure in ("map", "mrr", "set_f1", "recall_at_10"):
            assert means[measure] == pytest.approx(macro(expected, measure, setting), abs=1e-12)
    bias = ("rank_distance", "max_at_r", "complete_at_r", "top1_own_language")
    for measure in (*bias, "language_preference", "top1_right_own"):
        mean = macro(expected, measure, "multilingual")
        assert content["bias"][measure] == pytest.approx(mean, rel=1e-12), measure

    # Without translations nothing crosses languages, and the reason is said.
    lines = table.path.read_text("utf-8").splitlines()
    english = [line for line in lines if ",en," in line]
    (tmp_path / "en.csv").write_text("\n".join([lines[0], *english]), "utf-8")
    arguments[-3] = tmp_path / "en.csv"
    capsys.readouterr()
    assert command(monkeypatch, *arguments[:-2], "--cache", tmp_path / "cache") == 0
    assert "no cross-lingual: nothing is parallel" in capsys.readouterr().out
    content = json.loads(file.read_text("utf-8"))
    assert content["macro"].keys() == {"monolingual", "multilingual"}
    assert content["bias"] == {}
    assert content["absent"].keys() == {"crosslingual", "language_bias", "rank_correlation"}


def test_bm25_finds_the_sentence_that_has_the_words(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data / "xquad-r" / "en.json"
    path.write_text(path.read_text().replace('"question": "en?"', '"question": "dog?"', 1))
    path.write_text(path.read_text().replace('"question": "en?"', '"question": "cats?"', 1))
    figures = tmp_path / "figures.json"
    arguments = ["bm25", "--benchmark", "xquad-r", "--data-root", data, "--json", figures]
    assert command(monkeypatch, *arguments) == 0
    content = json.loads(figures.read_text())
    english = [row for row in content["settings"] if row["pool_language"] == "en"]
    assert english[0]["query_language"] == "en"
    assert (english[0]["map"], english[0]["n"]) == (1.0, 2)
    assert "model_digest" not in content


def test_what_was_met_in_a_folder_stands_in_json_and_names_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("bm25s")
    folder = beir(tmp_path / "folder")
    corpus, qrels = folder / "corpus.jsonl", folder / "qrels" / "test.tsv"
    corpus.write_text(corpus.read_text() + '{"_id": "q1", "title": null, "text": ""}\n')
    qrels.write_text(qrels.read_text() + "q1\tgone\t1\n")
    figures = tmp_path / "figures.json"
    arguments: list[Any] = ["bm25", "--benchmark", "b", "--folder", folder, "--language", "en"]
    assert command(monkeypatch, *arguments, "--json", figures) == 0
    printed = capsys.readouterr().out
    assert "passages without text: 1, in the pool, as in BEIR; --rules in_pool leaves" in printed
    assert "that query does not find it, as in BEIR; --no-ignore-identical-ids" in printed
    content = json.loads(figures.read_text())
    judged = content["judgements"]
    assert {key: judged[key] for key in ("rules", "ignore_identical_ids", "parallel")} == {
        "rules": "published",
        "ignore_identical_ids": True,
        "parallel": False,
    }
    assert judged["counts"] == {
        "passages_without_text": 1,
        "absent_relevant_passages": 1,
        "queries_without_judgement": 1,
        "graded_judgements": 1,
        "identical_ids": 1,
    }
    # q1: "river" is in p1 alone, the other relevant passage is gone. q2: "lake" is in p2 alone;
    # the others tie at 0 in the order q1, p3, p1 of trec_eval: p2 and p3 have ranks 1 and 3.
    assert content["macro"]["monolingual"]["map"] == pytest.approx((1 / 2 + (1 + 2 / 3) / 2) / 2)

    arguments += ["--rules", "in_pool", "--no-ignore-identical-ids", "--json", figures]
    assert command(monkeypatch, *arguments) == 0
    assert (
        "passages without text: 1, left out; --rules published has them" in capsys.readouterr().out
    )
    content = json.loads(figures.read_text())
    assert content["macro"]["monolingual"]["map"] == 1
    assert content["judgements"]["rules"] == "in_pool"

    qrels.write_text("q1\tQ0\tp1\tbad\n")
    assert command(monkeypatch, *arguments) == 2
    assert "expected a header with query-id, corpus-id and score" in capsys.readouterr().err
    qrels.write_text("q1\tQ0\tp1\t1\nq1\tQ0\tp2\n")
    assert command(monkeypatch, *arguments) == 2
    assert "mend them, or set --skip-bad to leave them out" in capsys.readouterr().err
    assert command(monkeypatch, *arguments, "--skip-bad") == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"--benchmark": "mine"},
            "--benchmark mine: is none of xquad-r, mlqa-r; a benchmark of your own needs --table "
            "FILE or --folder FOLDER beside its name",
        ),
        ({"--rules": "own"}, "--rules 'own': input should be 'published' or 'in_pool'"),
        ({"--benchmark": "xquad"}, "beside its name; did you mean xquad-r?"),
        ({"--benchmark": "synthetic-test"}, "belongs to a training"),
        ({"--precision": "fp16"}, "--precision fp16: choose one of fp32, bf16, auto"),
        ({"--languages": "en,x/x"}, "'x/x' is no language code"),
        ({"--languages": "en,pl"}, "nothing in pl; languages that are there"),
        ({"--data-root": "nowhere"}, "there is no such folder"),
        ({"--folder": "nowhere", "--benchmark": "mine"}, "nowhere"),
        ({"--split": "dev"}, "only a benchmark in a folder has split"),
        ({"--table": "t.csv", "--benchmark": "mine"}, "belongs to xquad-r and mlqa-r"),
        ({"--passages": "nowhere.csv"}, "belongs to --table"),
        ({"--reader": "owner/name"}, "needs the commit that pins its weights"),
        ({"--passage-text": "paragraph"}, "--passage-text 'paragraph'"),
        ({"--pooling": "median"}, "pooling: 'median' given; legal are mean, cls, max"),
        ({"--query-length": "900"}, "900 tokens asked for, but "),
        ({"--similarity": "maxsim"}, "--similarity 'maxsim': input should be 'cosine' or 'dot'"),
    ],
)
def test_a_mistake_is_answered_with_a_message_and_code_2(
    encoder: Path,
    data: Path,
    tmp_path: Path,
    changes: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = {"--benchmark": "xquad-r", "--data-root": data, "--cache": tmp_path / "c", **changes}
    options["--json"] = tmp_path / "figures.json"
    assert (
        command(monkeypatch, encoder, *(word for option in options.items() for word in option))
        == 2
    )
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "figures.json").exists()


def test_an_illegal_name_of_a_benchmark_is_answered_with_what_is_legal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: list[Any] = ["bm25", "--benchmark", "a/b", "--folder", tmp_path]
    assert command(monkeypatch, *arguments) == 2
    errors = capsys.readouterr().err
    assert "--benchmark 'a/b': write letters (a to z), digits, '_', '.' and '-'" in errors


@pytest.mark.slow
def test_a_terminal_sees_how_many_texts_are_encoded(
    encoder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(evaluation, "console", Console(file=screen, force_terminal=True, width=90))
    arguments: list[Any] = [encoder, "--benchmark", "xquad-r", "--data-root", data]
    assert command(monkeypatch, *arguments, "--cache", tmp_path / "cache") == 0
    assert re.search(r"encoding .*100%", screen.getvalue())
