from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.study.mlflow import Study, load_study
from analysis.study.settings import training_languages
from hybridir import names


def test_languages_that_the_study_names_are_taken(study: Study) -> None:
    text = "train: {lareqa: {name: mlqa-r, languages: [en, de]}}"
    assert training_languages(replace(study, text=text)) == frozenset({"en", "de"})


def test_a_mixture_has_the_languages_of_all_its_data_sets(study: Study) -> None:
    text = "train: {mix: [{table: {path: a, languages: [en]}}, {hub: {languages: [fi, en]}}]}"
    assert training_languages(replace(study, text=text)) == frozenset({"en", "fi"})


def test_else_those_of_the_development_benchmark_are(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    uri = write_study(tmp_path, "tuned", make_trials([0.5], [1], names.DEV))
    assert training_languages(load_study("tuned", uri)) == frozenset({"en", "de", "es"})


def test_a_study_that_tells_neither_has_none(study: Study) -> None:
    text = "train: {mix: [{table: {path: a, languages: [en]}}, {hub: {id: b}}]}"
    assert training_languages(replace(study, text=text)) is None
