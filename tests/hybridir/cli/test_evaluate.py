import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hybridir import names
from hybridir.cli.main import main
from hybridir.config.trial import EncoderConfig
from hybridir.encoder.load import load_bi_encoder
from hybridir.encoder.save import save_encoder
from hybridir.encoder.vocabulary import train_tokenizer
from tests.hybridir.encoder.test_vocabulary import corpus
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--benchmark": "xquad"}, "name='xquad'"),
        ({"--benchmark": "synthetic-test"}, "belongs to a training"),
        ({"--precision": "fp16"}, "--precision fp16: choose one of fp32, bf16, auto"),
        ({"--languages": "en,xx"}, "unknown language xx"),
        ({"--data-root": "nowhere"}, "there is no such folder"),
        ({"--folder": "nowhere", "--benchmark": "mine"}, "nowhere"),
        ({"--split": "dev"}, "split belong to a folder"),
        ({"--reader": "owner/name"}, "needs the commit that pins its weights"),
        ({"--passage-text": "paragraph"}, "passage_text='paragraph'"),
        ({"--pooling": "median"}, "pooling: 'median' given; legal are mean, cls, max"),
        ({"--query-length": "900"}, "900 tokens asked for, but "),
        ({"--similarity": "maxsim"}, "similarity='maxsim': input should be 'cosine' or 'dot'"),
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
