"""Joins a Ray cluster, or starts Ray on this machine alone."""

import logging
import os
import socket
from pathlib import Path
from typing import Any

import ray
import torch

from hybridir.errors import InputError
from tune.study.file import StudyConfig

ROOT = Path(__file__).resolve().parents[2]


def on_cluster() -> bool:
    """Whether a cluster is joined, rather than Ray started on this machine alone."""
    return "RAY_ADDRESS" in os.environ


def check_resources(study: StudyConfig) -> None:
    """Refuse what this machine alone can never give, since Ray would wait for it for ever.

    Raises:
        InputError: if a trial asks for more than there is. A cluster may grow; it is waited for
            by `tune.readiness.nodes.wait_for_nodes`.
    """
    if on_cluster():
        return
    asked = study.resources
    has = {"cpu": cpu_count(), "gpu": torch.cuda.device_count()}
    each = "" if asked.processes == 1 else f" for each of {asked.processes} processes"
    problems = [
        f"resources.{kind}={given:g}{each}: this machine has {has[kind]}"
        for kind, given in (("cpu", asked.cpu), ("gpu", asked.gpu))
        if given * asked.processes > has[kind]
    ]
    if asked.nodes > 1:
        problems.append(
            f"resources.nodes={asked.nodes}: this machine is alone; set RAY_ADDRESS to the head "
            "of a cluster, such as 10.0.0.1:6379"
        )
    if problems:
        raise InputError.collect(f"study {study.name} cannot run here", problems)


def start_ray() -> None:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine alone.

    Raises:
        InputError: if no cluster answers at RAY_ADDRESS, or it does not let us in.
    """
    # No result files of Ray's own beside the study's, no banner, no usage report.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray would take Ctrl-C for the end of the phase, and the study would go on with the next one.
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    # A trial may fail before it has measured anything.
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    # The study tells of a trial that was cut off itself, in one line instead of a traceback.
    logging.getLogger("ray.tune.execution.tune_controller").setLevel(logging.CRITICAL)
    options: dict[str, Any] = {}
    if not on_cluster():
        # "local", since without an address Ray would join any cluster that it finds running here.
        options = {"address": "local", "num_cpus": cpu_count(), "include_dashboard": False}
    else:
        _check_address(os.environ["RAY_ADDRESS"])
    try:
        ray.init(
            logging_level=logging.ERROR,
            log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}},
            **options,
        )
    except ConnectionError as error:
        raise InputError(
            f"RAY_ADDRESS={os.environ.get('RAY_ADDRESS')}: {error}; the head must run the same "
            "Ray, started with RAY_AUTH_MODE=token, and ~/.ray/auth_token must be the same there "
            "and here"
        ) from None


def _check_address(address: str) -> None:
    """Refuse an address where nothing listens, which Ray would try for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto" and the like: Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise InputError(
            f"RAY_ADDRESS={address}: no Ray cluster answers there ({error.strerror or error}); "
            "start one with ray start --head, or unset RAY_ADDRESS to run on this machine alone"
        ) from None


def cpu_count() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
