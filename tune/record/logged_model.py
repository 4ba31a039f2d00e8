"""Logs a trial's encoder as a model of MLflow, which lists it on its Models page."""

import re
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Param, Run

from tune.record.artifacts import link_folder, local_folder

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
    """Log an encoder as an output of the run that trained it; a second call changes nothing.

    Args:
        client: client of the server.
        study: name of the study, and thus of the model.
        encoder: folder of the encoder.
        run: run of the trial.
        params: settings of the training.
        metrics: figures of the trial, as in the run.
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
    if folder := local_folder(model.artifact_location):
        link_folder(encoder, folder)
    else:
        client.log_model_artifacts(model.model_id, str(encoder))
    figures = [
        Metric(m.key, m.value, m.timestamp, m.step, model_id=model.model_id, run_id=run_id)
        for m in metrics
    ]
    client.log_batch(run_id, metrics=figures)
    # MLflow refuses a second link between the same run and model.
    linked = run.outputs.model_outputs if run.outputs else []
    if model.model_id not in {output.model_id for output in linked}:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    # Last: a model that is READY is complete.
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _find(client: MlflowClient, experiment: str, run_id: str) -> LoggedModel | None:
    models = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    return models[0] if models else None
