"""What makes a bare ``mlflow ui`` show a study's question: names, notes, and a view of charts.

A saved view of MLflow's runs page is a tag of the experiment; its content is what the page itself
writes (mlflow 3.17, `server/js`: the state of columns, filter and charts, compressed). A later
version that does not know it says so and shows its usual page.
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
from tune.space.parameters import describe

# MLflow's own names.
NOTE = "mlflow.note.content"
VIEW = "mlflow.sharedViewState."
# Without it the page asks what the experiment is for.
KIND = {"mlflow.experimentKind": "custom_model_development"}

EXPERIMENT_NOTE = f"""Studies of the mixing ratio. Each is a run, its trials are the runs below it.

The saved views (one a study) draw the ratio against the three settings; a study's own run has its
confirmed curve under *Model metrics*. Columns worth comparing: `{names.MIXING_RATIO}`,
`{names.TEMPERATURE}`, `{names.BATCH_SIZE}`, and `BENCHMARK/map_SETTING`. Compare trials of one
phase (tag `{names.TAG_PHASE}`) and of whole budget (`{names.FIDELITY}` is 1) only.
"""


def run_name(trial: TrialFolder) -> str:
    """What a trial is: ``search-003 alpha=0.42 tau=0.05 batch=64``, ``confirm alpha=0.5 seed 1``.

    The trial's own name stays a tag.
    """
    config = TrialConfig.model_validate(trial.read(names.ARTIFACT_CONFIG))
    ratio = {names.MIXING_RATIO: config.batch.mixing_ratio}
    if trial.phase == names.PHASE_CONFIRM:
        return f"{trial.phase} {describe(ratio)} seed {trial.name.rpartition('-s')[2]}"
    training, batch = config.training.temperature, config.batch.batch_size
    shown = describe(ratio | {names.TEMPERATURE: training, names.BATCH_SIZE: batch})
    return f"{trial.name} {shown}"


def run_note(study: str, run: str, folder: Path, benchmarks: Sequence[str]) -> str:
    """What a reader of the study's run wants to know, in Markdown."""
    curves = ", ".join(f"`{names.CURVE}/{name}/map_SETTING`" for name in benchmarks)
    reported = (
        f"- **Model metrics** holds the confirmed curve, {curves}: the step of each point is the "
        "mixing ratio in percent, its value the mean over the seeds that went to their end, "
        f"written when the last seed of a ratio has ended. `{names.CURVE_OF_FIRST_SEED}/...` is "
        "the first seed's alone, which is there sooner. Neither has an interval; the report has.\n"
        if benchmarks
        else ""
    )
    return (
        f"Study **{study}**, {run}. The runs below it are its trials: `search-*` on development "
        "data, `confirm` over the mixing ratio with several seeds.\n\n"
        f"{reported}"
        f"- Compare `{names.MIXING_RATIO}`, `{names.TEMPERATURE}`, `{names.BATCH_SIZE}` with "
        f"`BENCHMARK/map_SETTING`; stopped trials have `{names.FIDELITY}` below 1.\n"
        f"- The report, with intervals and tests: artifact `{names.ARTIFACT_REPORT}/report.html`, "
        f"once the study has ended; on the driver's disk `{folder / 'report'}`.\n"
        f"- A trial's id is its tag `{names.TAG_TRIAL}`; `--replay {study}/ID` runs it again.\n"
    )


def saved_view(
    run_id: str, study: str, run: str, benchmarks: Sequence[str], started: int
) -> tuple[str, str]:
    """The tag of the experiment that is a saved view of one study.

    Args:
        run_id: of the study's run; also the view's key.
        study: its name.
        run: name of its folder.
        benchmarks: what it reports on.
        started: when it began, in milliseconds since 1970.

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
    """State of the runs page: this study's runs, and for each benchmark a section of charts."""
    charts: list[dict[str, Any]] = []
    sections = []
    for name in benchmarks:
        section = f"hybridir-{name}"
        title = f"{name}: mixing ratio against mAP"
        sections.append(
            {"uuid": section, "name": title, "display": True, "isReordered": True}
            | {"deleted": False, "isGenerated": False}
        )
        maps = [names.mean_metric(name, names.AP, setting) for setting in names.SETTINGS]
        charts.append(_line(section, [names.curve_metric(metric) for metric in maps]))
        charts += [_scatter(section, metric) for metric in maps]
    columns = [names.MIXING_RATIO, names.TEMPERATURE, names.BATCH_SIZE, names.SEED]
    shown = [names.mean_metric(name, names.AP, s) for name in benchmarks for s in names.SETTINGS]
    return {
        "searchFilter": f"tags.`{names.TAG_RUN}` = '{run_id}'",
        # Any order but that by time shows trials beside their study, not folded up below it.
        "orderByKey": f"params.`{names.MIXING_RATIO}`",
        "orderByAsc": True,
        "runsHiddenMode": "SHOW_ALL",
        "hideEmptyCharts": True,
        "isAccordionReordered": True,
        "compareRunSections": sections,
        "compareRunCharts": charts,
        "selectedColumns": [f"params.`{name}`" for name in columns]
        + [f"metrics.`{name}`" for name in shown],
    }


def _line(section: str, metrics: list[str]) -> dict[str, Any]:
    """All settings in one chart, from the study's own run."""
    return _card("LINE", section, "curve") | {
        "metricKey": metrics[0],
        "selectedMetricKeys": metrics,
        "displayName": "confirmed curve: mean over seeds by ratio in percent",
        "xAxisKey": "step",
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
        "selectedXAxisMetricKey": "",
    }


def _scatter(section: str, metric: str) -> dict[str, Any]:
    """One setting, a dot a trial; here as soon as it has ended."""
    return _card("SCATTER", section, metric) | {
        "xaxis": {"key": names.MIXING_RATIO, "type": "PARAM"},
        "yaxis": {"key": metric, "type": "METRIC"},
        "runsCountToCompare": 1000,
    }


def _card(kind: str, section: str, what: str) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": f"{section}-{what}",
        "metricSectionId": section,
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
    }
