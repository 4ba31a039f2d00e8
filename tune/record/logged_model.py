"""A trial's encoder as a model of MLflow, whose Models page lists it beside other studies'."""

import re
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Param, Run

_TYPE = "bi-encoder"
_NOT_IN_NAMES = re.compile("[./:%\"']")  # of MLflow


def log_encoder(
    client: MlflowClient,
    study: str,
    encoder: Path,
    run: Run,
    params: list[Param],
    metrics: list[Metric],
) -> None:
    """Keep an encoder as an output of the run that trained it; twice does what once does.

    Args:
        client: of the server.
        study: name of the study, which the model is called after.
        encoder: its folder.
        run: the trial's run.
        params: settings that it was trained with.
        metrics: its figures, as the run has them.
    """
    run_id, experiment = run.info.run_id, run.info.experiment_id
    model = _find(client, experiment, run_id)
    if model is None:
        model = client.create_logged_model(
            experiment,
            name=_NOT_IN_NAMES.sub("-", study),
            source_run_id=run_id,
            params={param.key: param.value for param in params},
            model_type=_TYPE,
        )
    elif model.status == LoggedModelStatus.READY:
        return
    client.log_model_artifacts(model.model_id, str(encoder))
    figures = [
        Metric(m.key, m.value, m.timestamp, m.step, model_id=model.model_id, run_id=run_id)
        for m in metrics
    ]
    client.log_batch(run_id, metrics=figures)
    # A second link of the same two is refused.
    linked = run.outputs.model_outputs if run.outputs else []
    if model.model_id not in {output.model_id for output in linked}:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    # Last, since this is what tells that all the rest is there.
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _find(client: MlflowClient, experiment: str, run_id: str) -> LoggedModel | None:
    found = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    return found[0] if found else None
