from pathlib import Path

import pytest
from pydantic import ValidationError

from hybridir.config.benchmarks import BenchmarkConfig
from hybridir.config.trial import DataConfig


def test_a_benchmark_in_a_folder_has_a_free_name_and_survives_json() -> None:
    settings = {"name": "scifact.v2", "folder": "beir/scifact", "language": "en"}
    report = BenchmarkConfig.model_validate(settings)
    assert report.path(Path("data")) == Path("beir/scifact")
    assert BenchmarkConfig.model_validate_json(report.model_dump_json()) == report


def test_known_benchmarks_are_in_the_data_root() -> None:
    report = BenchmarkConfig.model_validate({"name": "xquad-r"})
    assert report.path(Path("data")) == Path("data/xquad-r")
    assert report.path(None) is None
    assert BenchmarkConfig.model_validate({"name": "synthetic-test"}).path(Path("data")) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "miracl"}, "any other benchmark needs its folder"),
        ({"name": "xquad-r", "folder": "x"}, "is reserved"),
        ({"name": "dev", "folder": "x"}, "is reserved"),
        ({"name": "a/b", "folder": "x"}, "should match pattern"),
        ({"name": "a", "folder": "x", "split": "../b"}, "should match pattern"),
        ({"name": "a", "folder": "x", "language": "xx"}, "unknown language xx"),
        ({"name": "a", "folder": "x", "language": ""}, "unknown language"),
        ({"name": "a", "folder": "x", "language": "en", "languages": ["en"]}, "not both"),
        ({"name": "mlqa-r", "split": "dev"}, "mlqa-r: only a benchmark in a folder has split"),
        ({"name": "a-r", "folder": "x", "passage_text": "sentence+paragraph"}, "belongs to"),
        ({"name": "xquad-r", "passage_text": "paragraph"}, "sentence"),
    ],
)
def test_a_contradictory_benchmark_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BenchmarkConfig.model_validate(settings)


def test_names_that_differ_only_in_case_are_equal_since_they_name_files() -> None:
    reports = [{"name": name, "folder": name} for name in ("Miracl", "miracl")]
    with pytest.raises(ValidationError, match="a benchmark is named twice"):
        DataConfig.model_validate({"train": {"synthetic": {}}, "report_on": reports})


def test_a_benchmark_in_a_folder_needs_no_data_root() -> None:
    data = {"train": {"synthetic": {}}, "report_on": [{"name": "mine-r", "folder": "x"}]}
    assert DataConfig.model_validate(data).data_root is None
