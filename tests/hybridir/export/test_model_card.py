import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from hybridir.config import TrialConfig
from hybridir.export.model_card import model_card
from hybridir.export.provenance import SeedMean, read_facts
from hybridir.names import LABELS, MEAN_NAMES, mean_metric

TRIAL = "trials/confirm-a0.5-s0"


def front(card: ModelCard) -> dict[str, Any]:
    """The metadata, through huggingface_hub's own schema and back."""
    metadata: dict[str, Any] = card.data.to_dict()  # type: ignore[no-untyped-call]
    return metadata


def metrics(run: Path) -> dict[str, float]:
    recorded: dict[str, float] = json.loads((run / TRIAL / "result.json").read_text())
    return recorded


def test_the_front_matter_follows_the_hubs_schema_and_holds_the_trials_results(
    trained: Path,
) -> None:
    card = ModelCard(model_card(read_facts(trained / TRIAL), "mine", "apache-2.0"))
    assert front(card)["license"] == "apache-2.0"
    assert front(card)["pipeline_tag"] == "sentence-similarity"
    assert front(card)["library_name"] == "sentence-transformers"
    assert "language" not in front(card)  # the hub has no codes for pseudo-languages
    name, results = model_index_to_eval_results(front(card)["model-index"])
    assert name == "mine"
    assert {result.dataset_type for result in results} == {"synthetic-test"}
    expected = metrics(trained)
    values = {
        (result.metric_type, result.dataset_config): result.metric_value for result in results
    }
    for setting in ("monolingual", "crosslingual", "multilingual"):
        value = expected[mean_metric("synthetic-test", "ap", setting)]
        assert values[MEAN_NAMES["ap"], setting] == round(value, 6)
    assert values["rank_distance", "multilingual"] == round(
        expected["synthetic-test/rank_distance"], 6
    )


def test_languages_are_codes_of_the_hub_with_other_tags_beside_them(trained: Path) -> None:
    table = {"path": "t.csv", "languages": ["no", {"por": "pt-BR"}, "label", "zho"]}
    facts = read_facts(trained / TRIAL)
    config = facts.config.model_dump() | {"data": {"train": {"table": table}}}
    facts = replace(
        facts,
        config=TrialConfig.model_validate(config),
        languages={"mine": ["EN", "zh-Hant", "qa"]},
    )
    card = ModelCard(model_card(facts, "mine", None))
    assert front(card)["language"] == ["en", "no", "pt", "zh"]
    assert front(card)["language_bcp47"] == ["pt-BR", "zh-Hant"]


def test_a_score_is_shown_beside_the_studys_mean_with_interval_and_n(trained: Path) -> None:
    facts = read_facts(trained / TRIAL)
    by_key = {(score.measure, score.setting): score for score in facts.scores}
    assert by_key["ap", "multilingual"].seed_mean == SeedMean(0.41, 0.38, 0.44, 3, 120)
    assert by_key["ap", "monolingual"].seed_mean is None
    text = model_card(facts, "mine", None)
    value = metrics(trained)["synthetic-test/map_multilingual"]
    n_questions = by_key["ap", "multilingual"].n_questions
    assert f"| mAP | multilingual | {value:.4g} | {n_questions} | 0.41 [0.38, 0.44] | 3 |" in text
    assert f"| {LABELS['rank_distance']} | multilingual |" in text
    assert "| 7.5 [7, 8] | 3 |" in text


def test_the_card_states_the_training_the_usage_and_the_limitations(
    trained: Path,
) -> None:
    text = model_card(read_facts(trained / TRIAL), "mine", None)
    for row in (
        "| mixing ratio α | 0.5 (bernoulli coin) |",
        "| temperature | 0.07 |",
        "| batch size | 64 |",
        "| training pairs | 320 (5 steps of 64) |",
        "| seed | 0 |",
        "| versions and machine | torch 2.13.0, machine Linux |",
    ):
        assert row in text
    assert "`'query: '` precedes each question" in text
    assert "of no use for text in natural languages" in text
    assert "one training with one seed" in text
    assert "--replay small/confirm-a0.5-s0" in text
    assert "license" not in text.partition("\n---\n")[0]


def test_without_a_report_the_card_says_that_no_interval_is_known(run: Path) -> None:
    (run / "report" / "tables" / "curve-synthetic-test.csv").unlink()
    text = model_card(read_facts(run / TRIAL), "mine", None)
    assert "No interval is known" in text
    assert "The intervals belong" not in text


def test_a_model_of_the_hub_names_its_base_data_and_languages(run: Path) -> None:
    path = run / TRIAL / "config.json"
    config = json.loads(path.read_text())
    config["encoder"] |= {"from_scratch": None, "hub": {"id": "some/bert", "revision": "abc"}}
    table = {"id": "some/pairs", "revision": "def", "languages": ["de", "sw"]}
    config["data"] |= {"train": {"hub": table}, "report_on": []}
    path.write_text(json.dumps(config))
    card = ModelCard(model_card(read_facts(run / TRIAL), "mine", None))
    assert front(card)["base_model"] == "some/bert"
    assert front(card)["datasets"] == ["some/pairs"]
    assert front(card)["language"] == ["de", "sw"]
    assert "some/bert at revision abc" in card.text
    assert "some/pairs at revision def, train (de sw)" in card.text


def test_without_a_reported_benchmark_the_card_shows_what_chose_the_parameters(run: Path) -> None:
    path = run / TRIAL / "config.json"
    config = json.loads(path.read_text())
    config["data"]["report_on"] = []
    path.write_text(json.dumps(config))
    text = model_card(read_facts(run / TRIAL), "mine", None)
    assert "## Scores on development data, which the study tunes on" in text
    assert f"| mAP | multilingual | {metrics(run)['dev/map_multilingual']:.4g} |" in text
    assert "| rank distance | multilingual |" in text, "the report shows it"
    assert "so they say nothing about other data" in text
    assert "not measured" not in text
    assert "zero-shot" not in text
    assert "model-index" not in text, "development figures are no results on the hub"
    (run / TRIAL / "per_query" / "dev.parquet").unlink()
    assert "It was not evaluated on any benchmark." in model_card(
        read_facts(run / TRIAL), "mine", None
    )


def test_a_local_encoder_names_the_model_that_its_folder_was_made_from(
    run: Path, tmp_path: Path
) -> None:
    path = run / TRIAL / "config.json"
    config = json.loads(path.read_text())
    config["encoder"] |= {"from_scratch": None, "path": str(tmp_path)}
    path.write_text(json.dumps(config))
    for origin, base in (("intfloat/multilingual-e5-small", True), ("/home/me/model", False)):
        (tmp_path / "config.json").write_text(json.dumps({"_name_or_path": origin}))
        card = ModelCard(model_card(read_facts(run / TRIAL), "mine", None))
        assert front(card).get("base_model") == (origin if base else None)


def test_a_mean_over_conditions_says_so(run: Path) -> None:
    path = run / "report" / "tables" / "curve-synthetic-test.csv"
    first, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{first},n_conditions", *(f"{row},4" for row in rows)]))
    text = model_card(read_facts(run / TRIAL), "mine", None)
    assert "over its 4 conditions, of which this encoder's is one" in text
