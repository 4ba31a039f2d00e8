"""Run names, notes and a view of charts that make a bare ``mlflow ui`` show a study's question.

A saved view of MLflow's runs page is a tag of the experiment, with the content that the page
itself writes (mlflow 3.17, `server/js`: the state of columns, filter and charts, compressed). A
later version that cannot read it says so and shows its usual page.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybridir import names
from hybridir.config import TrialConfig
from tune.folders import TrialFolder
from tune.space.parameters import condition_levels, describe, settings_of

# MLflow's own names.
NOTE = "mlflow.note.content"
VIEW = "mlflow.sharedViewState."
# Without it the page asks what the experiment is for.
KIND = {"mlflow.experimentKind": "custom_model_development"}

EXPERIMENT_NOTE = f"""Studies of the mixing ratio. Each study is a run; its trials are child runs.

The saved views, one per study, plot the three settings against the ratio; a study's own run has
its confirmed curve under *Model metrics*. Columns worth comparing: `{names.MIXING_RATIO}`,
`{names.TEMPERATURE}`, `{names.BATCH_SIZE}`, and `BENCHMARK/map_SETTING`. Compare only trials of
the same phase (tag `{names.TAG_PHASE}`) with the whole budget (`{names.FIDELITY}` is 1).
"""


def run_name(trial: TrialFolder) -> str:
    """Name of a trial's run: ``search-003 alpha=0.42 tau=0.05 batch=64``.

    In the confirmation: ``confirm alpha=0.5 seed 1``, with the other parameters that it varies
    after the ratio. The name of the trial is a tag of the run.
    """
    config = TrialConfig.model_validate(trial.read(names.ARTIFACT_CONFIG))
    ratio = {names.MIXING_RATIO: config.batch.mixing_ratio}
    if confirmed := names.read_confirmed_trial(trial.name):
        varied = {
            name: settings_of(config)[name] for name in condition_levels(confirmed.condition)
        }
        return f"{trial.phase} {describe({**ratio, **varied})} seed {confirmed.repeat}"
    temperature, batch = config.training.temperature, config.batch.batch_size
    parameters = ratio | {names.TEMPERATURE: temperature, names.BATCH_SIZE: batch}
    return f"{trial.name} {describe(parameters)}"


def run_note(study: str, run: str, folder: Path, benchmarks: Sequence[str]) -> str:
    """Note on the study's run in MLflow, in Markdown."""
    curves = ", ".join(f"`{names.CURVE}/{name}/map_SETTING`" for name in benchmarks)
    reported = (
        f"- **Model metrics** shows the confirmed curve, {curves}; choose "
        f"`{names.CURVE_RATIO}` as the x axis, or read the step, which is the ratio in percent. "
        "The value is the mean over the completed seeds, written when "
        f"the last seed of a ratio has ended. `{names.CURVE_OF_FIRST_SEED}/...` is the curve of "
        "the first seed, which is available sooner. Where the ratio is crossed with other "
        "parameters, each of their values has a curve, with the values at the end of its name. "
        "Intervals are in the report.\n"
        if benchmarks
        else ""
    )
    return (
        f"Study **{study}**, {run}. Its child runs are its trials: `search-*` on development "
        "data, `confirm` over the mixing ratio with several seeds.\n\n"
        f"{reported}"
        f"- Compare `{names.MIXING_RATIO}`, `{names.TEMPERATURE}`, `{names.BATCH_SIZE}` with "
        f"`BENCHMARK/map_SETTING`; stopped trials have `{names.FIDELITY}` below 1, and the tag "
        f"`{names.TAG_STATE}` {names.PRUNED}; an interrupted one has INTERRUPTED.\n"
        f"- The report, with intervals and tests: artifact `{names.ARTIFACT_REPORT}/report.html`, "
        f"once the study has ended; on the driver's disk `{folder / 'report'}`.\n"
        f"- A trial's name is its tag `{names.TAG_TRIAL}`; `--replay {study}/NAME` repeats it.\n"
    )


def saved_view(
    run_id: str, study: str, run: str, benchmarks: Sequence[str], started: int
) -> tuple[str, str]:
    """Tag of the experiment that stores a view of one study.

    Args:
        run_id: id of the study's run; also the view's key.
        study: name of the study.
        run: name of its run folder.
        benchmarks: reported benchmarks.
        started: start of the study in milliseconds since 1970.

    Returns:
        Key and value of the tag.
    """
    state = json.dumps(view_state(run_id, benchmarks)).encode()
    packed = "deflate;" + base64.b64encode(zlib.compress(state, 9)).decode()
    content = {
        "name": f"{study} {run}: mixing ratio against the settings",
        "createdAt": started,
        "updatedAt": started,
        "state": packed,
    }
    return f"{VIEW}{run_id}", json.dumps(content)


def view_state(run_id: str, benchmarks: Sequence[str]) -> dict[str, Any]:
    """State of the runs page: this study's runs, and a section of charts for each benchmark."""
    charts: list[dict[str, Any]] = []
    sections = []
    for name in benchmarks:
        section = f"hybridir-{name}"
        title = f"{name}: mixing ratio against mAP"
        sections.append(
            {"uuid": section, "name": title, "display": True, "isReordered": True}
            | {"deleted": False, "isGenerated": False}
            | {"columns": 2, "cardHeight": 420}  # of MLflow's own 3 and 360 px names do not fit
        )
        maps = [names.mean_metric(name, names.AP, setting) for setting in names.SETTINGS]
        charts.append(_line(section, [names.curve_metric(metric) for metric in maps]))
        charts += [_scatter(section, metric) for metric in maps]
    columns = [names.MIXING_RATIO, names.TEMPERATURE, names.BATCH_SIZE, names.SEED]
    metrics = [names.mean_metric(name, names.AP, s) for name in benchmarks for s in names.SETTINGS]
    return {
        "searchFilter": f"tags.`{names.TAG_RUN}` = '{run_id}'",
        # Any order but that by time shows trials beside their study instead of collapsed below it.
        "orderByKey": f"params.`{names.MIXING_RATIO}`",
        "orderByAsc": True,
        "runsHiddenMode": "SHOW_ALL",
        "hideEmptyCharts": True,
        "isAccordionReordered": True,
        "compareRunSections": sections,
        "compareRunCharts": charts,
        "selectedColumns": [f"tags.`{names.TAG_STATE}`"]
        + [f"params.`{name}`" for name in columns]
        + [f"metrics.`{name}`" for name in metrics],
    }


def _line(section: str, metrics: list[str]) -> dict[str, Any]:
    """All settings in one chart, from the study's own run."""
    return _card("LINE", section, "curve") | {
        "metricKey": metrics[0],
        "selectedMetricKeys": metrics,
        "displayName": "confirmed curve: mean over seeds by mixing ratio",
        "xAxisKey": "metric",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "lineSmoothness": 0,
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
        "displayPoints": True,
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "range": {},
        "selectedXAxisMetricKey": names.CURVE_RATIO,
    }


def _scatter(section: str, metric: str) -> dict[str, Any]:
    """One setting: a dot for each trial as soon as it has ended."""
    return _card("SCATTER", section, metric) | {
        "xaxis": {"key": names.MIXING_RATIO, "type": "PARAM"},
        "yaxis": {"key": metric, "type": "METRIC"},
        "runsCountToCompare": 1000,
    }


def _card(kind: str, section: str, name: str) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": f"{section}-{name}",
        "metricSectionId": section,
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
    }
