"""The recorded study file: as the program that ran it read it, and where it cannot be read."""

from pathlib import Path

import pytest

from analysis.study.settings import read_settings
from tune.study.file import STUDIES, as_yaml, read_study_file

WHOLE = """
encoder: {hub: {id: owner/name, revision: main}}
train: {lareqa: {name: mlqa-r, languages: [en, de]}, questions: all}
training: {pairs: 12000}
search: {trials: 4, objective: dev/map_mean, sampler: random, scheduler: asha}
baselines: [bm25, hybrid]
"""


def test_the_fields_of_the_report_are_read() -> None:
    settings = read_settings(WHOLE)
    assert settings.encoder.hub is not None
    assert settings.encoder.hub.id == "owner/name"
    assert settings.train.lareqa is not None
    assert settings.train.lareqa.name == "mlqa-r"
    assert settings.training.pairs == 12000
    assert settings.objective == "dev/map_mean"
    assert (settings.search.sampler, settings.search.scheduler) == ("random", "asha")
    assert settings.baselines == ("bm25", "hybrid")
    assert settings.written["train"]["questions"] == "all"


def test_of_several_objectives_the_first_counts_and_without_one_the_default() -> None:
    assert read_settings("search: {objective: [dev/a, dev/b]}").objective == "dev/a"
    assert read_settings("search: {trials: 3}").objective == "dev/map_mean"
    assert read_settings("").objective == "dev/map_mean"


def test_a_mixture_has_the_languages_of_all_its_data_sets() -> None:
    text = "train: {mix: [{table: {path: a, languages: [en]}}, {hub: {languages: [fi, en]}}]}"
    assert read_settings(text).train.languages == frozenset({"en", "fi"})


def test_a_data_set_that_does_not_name_its_languages_leaves_all_unknown() -> None:
    text = "train: {mix: [{table: {path: a, languages: [en]}}, {hub: {id: b}}]}"
    assert read_settings(text).train.languages is None
    assert read_settings("train: {synthetic: {}}").train.languages is None
    for languages in ("{pt-BR: pt}", "[en, {pt-BR: pt}]"):  # the development data tell
        text = f"train: {{table: {{path: a, languages: {languages}}}}}"
        assert read_settings(text).train.languages is None
    assert read_settings("").train.languages is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a list",
        "name: [unclosed",
        "encoder: text\ntrain: 3\ntraining: [1]\nsearch: null\nbaselines: 7",
        "train: {lareqa: [1], mix: {a: b}}\nsearch: {objective: {}, sampler: [x]}\n1: 2",
        "train: &a {mix: [*a]}",
    ],
)
def test_what_cannot_be_read_counts_as_not_recorded(text: str) -> None:
    settings = read_settings(text)
    assert settings.objective == "dev/map_mean"
    assert settings.train.languages is None
    assert settings.training.pairs is None
    assert not settings.baselines
    assert settings.search.sampler is None
    assert settings.encoder.hub is None


def test_an_illegal_field_does_not_take_its_neighbours_with_it() -> None:
    settings = read_settings("training: {pairs: many}\nsearch: {sampler: 3, scheduler: asha}")
    assert settings.training.pairs is None
    assert settings.search.sampler is None
    assert settings.search.scheduler == "asha"


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recorded_study_is_read_as_the_program_that_ran_it_read_it(path: Path) -> None:
    # Some shipped studies leave the folder of the encoder to the user, and say so.
    open_encoder = "--set encoder.path=FOLDER" in path.read_text("utf-8")
    overrides = ["data_root=folder", *(["encoder.path=folder"] if open_encoder else [])]
    study = read_study_file(path, overrides)
    recorded = read_settings(as_yaml(study))
    encoder, hub = study.encoder, study.encoder.hub
    assert (recorded.encoder.hub.id if recorded.encoder.hub else None) == (hub.id if hub else None)
    assert recorded.encoder.path == (str(encoder.path) if encoder.path else None)
    assert (recorded.encoder.from_scratch is None) == (encoder.from_scratch is None)
    for kind in ("synthetic", "lareqa", "table", "hub", "mix"):
        assert (getattr(recorded.train, kind) is None) == (getattr(study.train, kind) is None)
    assert recorded.training.pairs == study.training.pairs
    assert recorded.baselines == study.baselines
    if study.search is not None:
        objective = study.search.objective
        objectives = (objective,) if isinstance(objective, str) else tuple(objective)
        assert recorded.search.objective == objectives
        assert recorded.search.sampler == study.search.sampler
        assert recorded.search.scheduler == study.search.scheduler
