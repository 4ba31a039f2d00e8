import json
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from hybridir.export.model_card import model_card
from hybridir.export.provenance import Curve, read_facts
from hybridir.names import LABELS, MEAN_NAMES, mean_metric

TRIAL = "trials/confirm-a0.5-s0"


def front(card: ModelCard) -> dict[str, Any]:
    """The metadata, through huggingface_hub's own schema and back."""
    found: dict[str, Any] = card.data.to_dict()  # type: ignore[no-untyped-call]
    return found


def metrics(run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / TRIAL / "result.json").read_text())
    return found


def test_the_front_matter_is_what_the_hub_takes_and_its_results_are_the_trials(
    trained: Path,
) -> None:
    card = ModelCard(model_card(read_facts(trained / TRIAL), "mine", "apache-2.0"))
    assert front(card)["license"] == "apache-2.0"
    assert front(card)["pipeline_tag"] == "sentence-similarity"
    assert front(card)["library_name"] == "sentence-transformers"
    assert "language" not in front(card)  # pseudo-languages have no code of the hub's
    name, results = model_index_to_eval_results(front(card)["model-index"])
    assert name == "mine"
    assert {result.dataset_type for result in results} == {"synthetic-test"}
    expected = metrics(trained)
    found = {
        (result.metric_type, result.dataset_config): result.metric_value for result in results
    }
    for setting in ("monolingual", "crosslingual", "multilingual"):
        value = expected[mean_metric("synthetic-test", "ap", setting)]
        assert found[MEAN_NAMES["ap"], setting] == round(value, 6)
    assert found["rank_distance", "multilingual"] == round(
        expected["synthetic-test/rank_distance"], 6
    )


def test_a_figure_stands_beside_the_studys_mean_with_interval_and_n(trained: Path) -> None:
    facts = read_facts(trained / TRIAL)
    by_key = {(figure.measure, figure.setting): figure for figure in facts.figures}
    assert by_key["ap", "multilingual"].curve == Curve(0.41, 0.38, 0.44, 3, 120)
    assert by_key["ap", "monolingual"].curve is None
    text = model_card(facts, "mine", None)
    value = metrics(trained)["synthetic-test/map_multilingual"]
    asked = by_key["ap", "multilingual"].questions
    assert f"| mAP | multilingual | {value:.4g} | {asked} | 0.41 [0.38, 0.44] | 3 |" in text
    assert f"| {LABELS['rank_distance']} | multilingual |" in text
    assert "| 7.5 [7, 8] | 3 |" in text


def test_the_card_says_how_it_was_trained_how_it_is_used_and_what_it_does_not_show(
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
    assert "`'query: '` stands before each question" in text
    assert "is of no use for text in natural ones" in text
    assert "one training from one seed" in text
    assert "--replay small/confirm-a0.5-s0" in text
    assert "license" not in text.partition("\n---\n")[0]


def test_without_a_report_the_card_says_that_no_interval_is_known(run: Path) -> None:
    (run / "report" / "tables" / "curve-synthetic-test.csv").unlink()
    text = model_card(read_facts(run / TRIAL), "mine", None)
    assert "no interval is known" in text
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
    assert "It was scored on no benchmark." in card.text
