import dataclasses

from analysis.sections.method import setup
from analysis.study.mlflow import Study

TEXT = """
encoder: {path: some/encoder, pooling: mean}
train: {lareqa: {name: mlqa-r, languages: [en, de]}}
report_on: [{name: xquad-r, languages: [en, ru]}]
training: {pairs: 1000, learning_rate: 1.0e-4}
"""


def test_the_study_file_is_told_in_lines(study: Study) -> None:
    found = dict(setup(dataclasses.replace(study, text=TEXT)))
    assert found["encoder"] == "path: some/encoder; pooling: mean"
    assert found["trained on"] == "lareqa: (name: mlqa-r, languages: en, de)"
    assert found["reported on"] == "(name: xquad-r, languages: en, ru)"
    # Batches of 64 in all confirmation trials: 1000 / 64 = 15.6.
    assert found["budget of a trial"] == "1,000 pairs: 16 steps in batches of 64 (1,000 / 64)"
    assert found["confirmed at"] == "batch_size: 64; temperature: 0.05"


def test_what_the_file_does_not_say_is_left_out(study: Study) -> None:
    assert set(dict(setup(dataclasses.replace(study, text="")))) == {"confirmed at"}
