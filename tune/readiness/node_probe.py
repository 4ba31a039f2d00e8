"""What the preflight does on each node: look around and answer in plain values.

The functions are sent to the nodes as they are here, by value, since a node may lack this checkout
or hold another one, which is among the things to find out. So everything but the standard library
is imported where it is used.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# What was found, or "" and the reason that it could not be.
Answer = tuple[str, str]

PACKAGES = ("torch", "ray", "transformers")
CODE = ("hybridir", "tune")
PROBE_FOLDER = ".preflight-{token}"

# Larger files are weights or tables. Weights that were trained differ everywhere, so three
# stretches and the length tell two files apart without reading gigabytes.
_WHOLE_FILE = 64 * 2**20
_STRETCH = 2**20


def look(
    name: str, token: str, storage: str, cache: str, paths: Sequence[str], tracking_uri: str | None
) -> dict[str, Any]:
    """Find out what a node has.

    Args:
        name: file that this node leaves in the storage.
        token: names the probe folder, which the driver has made.
        storage: folder of all studies.
        cache: folder of prepared data.
        paths: data and weights that trials read.
        tracking_uri: MLflow server to write to, or None to leave that out.

    Returns:
        ``clock`` (seconds since 1970), ``versions`` (name -> version), ``code`` and ``digests``
        (name -> answer), ``storage`` and ``cache`` (answers: what the driver's file says),
        ``free_mb`` (folder -> MB), ``memory_mb`` and ``tracking`` ("" or what is wrong).
    """
    return {
        "clock": time.time(),
        "versions": {"Python": platform.python_version()} | {p: _version(p) for p in PACKAGES},
        "code": {package: _told(code_digest, package) for package in CODE},
        "storage": _told(_exchange, Path(storage), token, name),
        "cache": _told(_exchange, Path(cache), token, name),
        "digests": {path: _told(content_digest, Path(path)) for path in paths},
        "free_mb": {
            folder: _free_mb(Path(folder)) for folder in (storage, cache, tempfile.gettempdir())
        },
        "memory_mb": available_memory_mb(),
        "tracking": _tracking(tracking_uri) if tracking_uri else "",
    }


def prepare(config: str, cache: str, needs_gpu: bool) -> dict[str, Any]:
    """Load a trial's data and weights and prepare its tokens, as trials will; see if CUDA works.

    Args:
        config: the trial's configuration as JSON.
        cache: folder of prepared data.
        needs_gpu: whether a GPU has been given to this process and must be usable.

    Returns:
        ``data`` (answer: digest of the training table) and ``gpu`` (as `gpu_problem` says it).
    """
    return {
        "data": _told(_prepare, config, Path(cache)),
        "gpu": gpu_problem() if needs_gpu else "",
    }


def gpu_problem() -> str:
    """Why this process cannot use the GPU that was asked for; "" if it can."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built for CPUs; install a build for CUDA"
    try:
        torch.zeros(1, device="cuda")
    except (RuntimeError, AssertionError) as error:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
        return (
            f"torch {torch.__version__} for CUDA {torch.version.cuda} finds no usable GPU "
            f"(CUDA_VISIBLE_DEVICES: {visible}): {str(error).splitlines()[0]}; nvidia-smi must "
            "work there, with a driver as new as that CUDA"
        )
    return ""


def code_digest(package: str) -> str:
    """Digest of a package's modules, found as an import would find it, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"no package {package} on {os.environ.get('PYTHONPATH', '')}")
    folder = Path(spec.origin).parent
    sha = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        sha.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()[:16]


def content_digest(path: Path) -> str:
    """Digest of a file or of all files in a folder, names included."""
    if not path.exists():
        raise FileNotFoundError("not there")
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    sha = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        sha.update(f"{file.relative_to(path.parent)}\0{size}\0".encode())
        with file.open("rb") as content:
            if size <= _WHOLE_FILE:
                sha.update(content.read())
                continue
            for start in (0, size // 2, size - _STRETCH):
                content.seek(start)
                sha.update(content.read(_STRETCH))
    return sha.hexdigest()[:16]


def available_memory_mb() -> float:
    """Memory that new processes can have, in MB: the machine's, or the container's if less."""
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6
    found = [pages]
    for line in _lines("/proc/meminfo"):  # counts what caches would give back
        if line.startswith("MemAvailable:"):
            found = [int(line.split()[1]) * 1024 / 1e6]
    limit, used = _lines("/sys/fs/cgroup/memory.max"), _lines("/sys/fs/cgroup/memory.current")
    if limit and used and limit[0].isdecimal():
        statistics = dict(line.split() for line in _lines("/sys/fs/cgroup/memory.stat"))
        freeable = int(statistics.get("inactive_file", 0))
        found.append((int(limit[0]) - int(used[0]) + freeable) / 1e6)
    return min(found)


def _exchange(folder: Path, token: str, name: str) -> str:
    """Leave a file beside the driver's and read what the driver's says."""
    probe = folder / PROBE_FOLDER.format(token=token)
    if not folder.is_dir():
        raise FileNotFoundError("no such folder here")
    if not probe.is_dir():
        raise FileNotFoundError("a folder of the same name, but another one than the driver's")
    (probe / name).write_text(token)
    return (probe / "driver").read_text()


def _prepare(config: str, cache: Path) -> str:
    from hybridir.config import TrialConfig
    from hybridir.data import load_benchmarks, load_training
    from hybridir.encoder import load_encoder, load_tokenizer
    from hybridir.encoder.load import tokenise

    trial = TrialConfig.model_validate_json(config)
    data = load_training(trial.data)
    pairs = data.pairs
    texts = [*pairs.question, *pairs.passage]
    tokenizer = load_tokenizer(trial.encoder, texts, pairs.digest, cache)
    load_encoder(trial.encoder, tokenizer, seed=0)
    tokenise(trial.encoder, tokenizer, pairs.question, pairs.passage, cache, pairs.digest)
    for benchmark in (*([data.dev] if data.dev else []), *load_benchmarks(trial.data)):
        tokenise(
            trial.encoder,
            tokenizer,
            benchmark.queries,
            benchmark.passages,
            cache,
            benchmark.digest,
        )
    return pairs.digest


def _tracking(uri: str) -> str:
    from tune.readiness.tracking_probe import server_problem

    return server_problem(uri)


def _told(ask: Callable[..., str], *arguments: object) -> Answer:
    try:
        return ask(*arguments), ""
    except Exception as error:  # whatever it is, it is what the driver wants to hear
        reason = str(error).strip().splitlines() or [type(error).__name__]
        return "", reason[0]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _free_mb(folder: Path) -> float:
    """Free disk where a folder is, or would be made."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free / 1e6


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
