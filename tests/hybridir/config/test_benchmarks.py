from pathlib import Path

import pytest
from pydantic import ValidationError

from hybridir.config.benchmarks import BenchmarkConfig
from hybridir.config.trial import DataConfig


def test_a_benchmark_in_a_folder_has_a_free_name_and_survives_json() -> None:
    settings = {"name": "scifact.v2", "folder": "beir/scifact", "language": "en"}
    report = BenchmarkConfig.model_validate(settings)
    assert report.paths(Path("data")) == (Path("beir/scifact"),)
    assert BenchmarkConfig.model_validate_json(report.model_dump_json()) == report


def test_known_benchmarks_are_in_the_data_root() -> None:
    report = BenchmarkConfig.model_validate({"name": "xquad-r"})
    assert report.paths(Path("data")) == (Path("data/xquad-r"),)
    assert report.paths(None) == ()
    assert BenchmarkConfig.model_validate({"name": "synthetic-test"}).paths(Path("data")) == ()


def test_a_benchmark_in_a_table_has_one_or_two_files() -> None:
    report = BenchmarkConfig.model_validate({"name": "mine", "table": {"path": "a.csv"}})
    assert report.paths(None) == (Path("a.csv"),)
    files = {"path": "a.csv", "passages": "b.tsv"}
    report = BenchmarkConfig.model_validate({"name": "mine", "table": files, "skip_bad": True})
    assert report.paths(Path("data")) == (Path("a.csv"), Path("b.tsv"))
    assert BenchmarkConfig.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "miracl"}, "any other benchmark needs its folder, folder: PATH, or its table"),
        ({"name": "mine", "table": {"passages": "x.csv"}}, "path"),
        ({"name": "mine", "table": {"path": "x.csv"}, "folder": "x"}, "not both"),
        (
            {"name": "mine", "table": {"path": "x.csv"}, "split": "dev"},
            "only a benchmark in a folder",
        ),
        ({"name": "xquad-r", "table": {"path": "x.csv"}}, "is reserved"),
        ({"name": "xquad-r", "skip_bad": True}, "only a folder or a table has skip_bad"),
        ({"name": "xquad-r", "folder": "x"}, "is reserved"),
        ({"name": "dev", "folder": "x"}, "is reserved"),
        ({"name": "XQuAD-R", "folder": "x"}, "is reserved"),  # its files would be xquad-r's
        ({"name": "Train", "folder": "x"}, "is reserved"),
        ({"name": "nul.txt", "folder": "x"}, "on Windows"),
        ({"name": "a.", "folder": "x"}, "on Windows"),
        ({"name": "a" * 101, "folder": "x"}, "has 101 letters .*; 100 are the most"),
        ({"name": "a/b", "folder": "x"}, "should match pattern"),
        ({"name": "a", "folder": "x", "split": "../b"}, "should match pattern"),
        ({"name": "a", "folder": "x", "language": "x x"}, "'x x' is no language code"),
        ({"name": "a", "folder": "x", "language": ""}, "is no language code"),
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
