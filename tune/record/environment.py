"""Versions and machine, which decide the last digits of a study's figures."""

import getpass
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import hybridir
from hybridir import names
from hybridir.runtime.files import atomic_write, read_json
from tune.folders import RunFolder

_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "ray", "optuna", "mlflow")


@dataclass(frozen=True)
class _Entry:
    since: float
    environment: dict[str, str]


def environment() -> dict[str, str]:
    """Versions and machine of this process, by name."""
    return {
        "hybridir": hybridir.__version__,
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
        "processor": _processor(),
    }


def source_tags() -> dict[str, str]:
    """MLflow's own tags of a run's source, commit and user; what is unknown is left out."""
    tags = {"mlflow.source.name": sys.argv[0], "mlflow.source.type": "LOCAL"}
    with suppress(OSError, KeyError):  # in a container a user may have no name
        tags["mlflow.user"] = getpass.getuser()
    root = Path(__file__).resolve().parents[2]
    # Without a repository of its own a copy of the code has no commit, whatever lies around it.
    if not (root / ".git").exists():
        return tags
    with suppress(OSError, subprocess.CalledProcessError):  # no git
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        commit = subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True)
        tags[names.TAG_COMMIT] = commit.strip()
    return tags


def record_environment(folder: RunFolder) -> None:
    """Record the environment in a run's folder; a run resumed elsewhere has several entries."""
    entries = _entries(folder)
    if not entries or entries[-1].environment != environment():
        entries.append(_Entry(time.time(), environment()))
        with atomic_write(folder.environment) as unfinished:
            unfinished.write_text(json.dumps(list(map(asdict, entries)), indent=1))


def environment_at(folder: RunFolder, moment: float) -> dict[str, str]:
    """The driver's environment at a time in seconds since 1970; empty if not recorded.

    A time before the first record is one of a clock that was set back.
    """
    entries = _entries(folder)
    before = [entry for entry in entries if entry.since <= moment] or entries[:1]
    return before[-1].environment if before else {}


def _entries(folder: RunFolder) -> list[_Entry]:
    if not folder.environment.is_file():
        return []
    entries: list[_Entry] = read_json(folder.environment, list[_Entry], "delete it and --resume")
    return entries


def _processor() -> str:
    """Name of the processor; Python itself knows it on few systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
