"""Puts a finished report into MLflow, beside the study that it describes."""

from pathlib import Path, PurePosixPath

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from analysis.load import Study
from hybridir import names
from hybridir.errors import InputError


def log_report(study: Study, folder: Path, files: list[Path]) -> None:
    """Log files as artifacts of the study's parent run, under ``report/``.

    Args:
        study: where they belong.
        folder: the report's folder; paths below it are kept.
        files: what to log; other files in the folder stay where they are.

    Raises:
        InputError: if MLflow's artifact store cannot be written.
    """
    client = MlflowClient(study.tracking_uri)
    try:
        for path in files:
            below = path.parent.relative_to(folder).as_posix()
            where = PurePosixPath(names.ARTIFACT_REPORT, below)
            client.log_artifact(study.run_id, str(path), str(where))
    except (MlflowException, OSError) as error:
        raise InputError(
            f"the report is in {folder}, but could not be logged to {study.tracking_uri} "
            f"({error}); when it is back, python analysis/report.py {study.name} logs it"
        ) from error
