import base64
import json
import zlib
from pathlib import Path

from tests.support.tiny import trial as tiny_trial
from tune.folders import TrialFolder
from tune.record.charts import run_name, run_note, saved_view, view_state


def test_a_saved_view_has_a_name_and_a_state_compressed_like_mlflows() -> None:
    key, value = saved_view("0a1b", "demo", "run-001", ["xquad-r"], 1700)
    assert key == "mlflow.sharedViewState.0a1b"
    content = json.loads(value)
    assert content["name"] == "demo run-001: mixing ratio against the settings"
    assert content["createdAt"] == 1700
    packed = content["state"].removeprefix("deflate;")
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert state == view_state("0a1b", ["xquad-r"])


def test_many_benchmarks_fit_into_a_tag() -> None:
    _, value = saved_view("0" * 32, "demo", "run-001", [f"bench-{n}" for n in range(12)], 0)
    assert len(value) <= 5000  # characters, of MLflow


def test_each_benchmark_has_a_section_with_the_curve_and_one_chart_per_setting() -> None:
    state = view_state("0a1b", ["xquad-r", "mlqa-r"])
    assert state["searchFilter"] == "tags.`hybridir.run` = '0a1b'"
    sections = [section["uuid"] for section in state["compareRunSections"]]
    assert len(set(sections)) == 2
    assert {section["columns"] for section in state["compareRunSections"]} == {2}
    charts = [c for c in state["compareRunCharts"] if c["metricSectionId"] == sections[1]]
    line, *scatters = charts
    settings = ("monolingual", "crosslingual", "multilingual")
    assert line["selectedMetricKeys"] == [f"curve/mlqa-r/map_{name}" for name in settings]
    assert (line["xAxisKey"], line["selectedXAxisMetricKey"]) == ("metric", "curve/mixing_ratio")
    assert [chart["yaxis"]["key"] for chart in scatters] == [
        f"mlqa-r/map_{name}" for name in settings
    ]
    assert {chart["xaxis"]["key"] for chart in scatters} == {"mixing_ratio"}
    identities = [chart["uuid"] for chart in state["compareRunCharts"]]
    assert len(set(identities)) == len(identities) == 8


def test_the_note_of_a_run_names_its_curves_and_its_report() -> None:
    note = run_note("demo", "run-001", Path("/results/demo/run-001"), ["xquad-r"])
    assert "`curve/xquad-r/map_SETTING`" in note
    assert "`/results/demo/run-001/report`" in note
    assert "Model metrics" not in run_note("demo", "run-001", Path("/x"), [])


def test_a_run_of_the_confirmation_is_named_by_what_varies(tmp_path: Path) -> None:
    training = {"temperature": 0.02, "pairs": 2048}
    config = tiny_trial(training=training).model_dump(mode="json")
    expected = {
        "confirm-a0.5-s1": "confirm alpha=0.5 seed 1",
        "confirm-a0.5-temperature0.02-pairs2048-s1": (
            "confirm alpha=0.5 tau=0.02 pairs=2048 seed 1"
        ),
        "search-001": "search-001 alpha=0.5 tau=0.02 batch=64",
    }
    for name, run in expected.items():
        trial = TrialFolder(tmp_path / name)
        trial.write("config.json", config)
        assert run_name(trial) == run
