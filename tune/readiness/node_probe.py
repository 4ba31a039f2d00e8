"""The preflight's functions that run on each node and return plain values.

They are sent to the nodes by value, since a node may lack this checkout or have another version of
it, which the preflight is to detect. So everything except the standard library is imported inside
the functions.
"""

import ctypes
import errno
import hashlib
import importlib.util
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# (result, ""), or ("", reason) if there is no result.
Answer = tuple[str, str]

PACKAGES = ("torch", "ray", "transformers")
CODE = ("hybridir", "tune")
PROBE_FOLDER = ".preflight-{token}"

# Larger files are weights or tables. Trained weights differ everywhere, so three stretches and the
# length distinguish two files without reading gigabytes.
_WHOLE_FILE = 64 * 2**20
_STRETCH = 2**20


# What folders are for, see `room`.
STORAGE, CACHE, TRACKING, TEMPORARY = "storage", "cache", "tracking", "temporary"


def inspect_node(
    name: str, token: str, storage: str, cache: str, paths: Sequence[str], tracking_uri: str | None
) -> dict[str, Any]:
    """Inspect the node on which this function runs.

    Args:
        name: name of the file that this node writes to the storage.
        token: token in the name of the probe folder, which the driver has made.
        storage: folder of all studies.
        cache: folder of prepared data.
        paths: data and weights that trials read.
        tracking_uri: MLflow server to write to; None skips this check.

    Returns:
        ``clock`` (seconds since 1970), ``versions`` (name -> version), ``code`` and ``digests``
        (name -> answer), ``storage`` and ``cache`` (answers: content of the driver's file),
        ``room`` (purpose of a folder -> see `room`), ``memory_mb`` and ``tracking`` (problem or
        "", whether it may heal by itself).
    """
    return {
        "clock": time.time(),
        "versions": {"Python": platform.python_version()} | {p: _version(p) for p in PACKAGES},
        "code": {package: _answer(code_digest, package) for package in CODE},
        "storage": _answer(_exchange, Path(storage), token, name),
        "cache": _answer(_exchange, Path(cache), token, name),
        "digests": {path: _answer(content_digest, Path(path)) for path in paths},
        "room": {
            STORAGE: room(Path(storage)),
            CACHE: room(Path(cache)),
            TEMPORARY: room(Path(tempfile.gettempdir())),
        },
        "memory_mb": available_memory_mb(),
        "tracking": _tracking(tracking_uri),
    }


def prepare_node(config: str, cache: str, needs_gpu: bool) -> dict[str, Any]:
    """Load data, weights and the reader and prepare tokens as a trial does; check the GPU.

    Args:
        config: configuration of a trial as JSON.
        cache: folder of prepared data.
        needs_gpu: whether this process has a GPU that must be usable.

    Returns:
        ``data`` (answer: digest of the training table) and ``gpu`` (see `gpu_problem`).
    """
    return {
        "data": _answer(_prepare, config, Path(cache)),
        "gpu": gpu_problem() if needs_gpu else "",
    }


def gpu_problem() -> str:
    """Why this process cannot use its GPU; "" if it can."""
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
            "work on the node, with a driver as new as this CUDA"
        )
    return ""


def code_digest(package: str) -> str:
    """Digest of a package's modules, located as an import would, without importing it."""
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
        raise FileNotFoundError("does not exist")
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


def room(folder: Path) -> dict[str, Any]:
    """Measure the room in a folder, or where the folder would be created.

    Returns:
        ``path``; ``device`` (number of its file system) and ``mount`` (folder at which this is
        mounted); ``mb`` and ``files`` that this user may still write (infinite where the file
        system does not count files).
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists()).resolve()
    space = os.statvfs(existing)
    mount = next(path for path in (existing, *existing.parents) if path.is_mount())
    return {
        "path": str(folder),
        "device": existing.stat().st_dev,
        "mount": str(mount),
        "mb": space.f_bavail * space.f_frsize / 1e6,
        "files": space.f_favail if space.f_files else math.inf,
    }


def reserve(folder: Path, megabytes: float) -> OSError | None:
    """Reserve room in a folder for a moment, which a quota may refuse where `room` sees plenty.

    Returns:
        The refusal; None if the room was there, or if the file system cannot reserve any.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "fallocate"):  # not on macOS
        return None
    with tempfile.TemporaryFile(dir=folder) as file:
        size = ctypes.c_int64(max(1, int(megabytes * 1e6)))
        if libc.fallocate(file.fileno(), 0, ctypes.c_int64(0), size) == 0:
            return None
    code = ctypes.get_errno()
    full = code in (errno.ENOSPC, errno.EDQUOT)
    return OSError(code, os.strerror(code), str(folder)) if full else None


def available_memory_mb() -> float:
    """Memory in MB that is free for new processes: the machine's, or the container's if less."""
    limits = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6]
    for line in _lines("/proc/meminfo"):  # includes caches that can be freed
        if line.startswith("MemAvailable:"):
            limits = [int(line.split()[1]) * 1024 / 1e6]
    limit, used = _lines("/sys/fs/cgroup/memory.max"), _lines("/sys/fs/cgroup/memory.current")
    if limit and used and limit[0].isdecimal():
        statistics = dict(line.split() for line in _lines("/sys/fs/cgroup/memory.stat"))
        freeable = int(statistics.get("inactive_file", 0))
        limits.append((int(limit[0]) - int(used[0]) + freeable) / 1e6)
    return min(limits)


def _exchange(folder: Path, token: str, name: str) -> str:
    """Write a file beside the driver's and read the driver's."""
    probe = folder / PROBE_FOLDER.format(token=token)
    if not folder.is_dir():
        raise FileNotFoundError("the folder does not exist")
    if not probe.is_dir():
        raise FileNotFoundError("the folder has the driver's path, but is not the driver's folder")
    (probe / name).write_text(token)
    return (probe / "driver").read_text()


def _prepare(config: str, cache: Path) -> str:
    from hybridir.config import TrialConfig
    from hybridir.data import load_benchmarks, load_training
    from hybridir.encoder import load_bi_encoder, load_tokenizer
    from hybridir.encoder.load import tokenise
    from hybridir.trial.reading import TrialReader

    trial = TrialConfig.model_validate_json(config)
    data = load_training(trial.data)
    pairs = data.pairs
    texts = [*pairs.question, *pairs.passage]
    tokenizer = load_tokenizer(trial.encoder, texts, pairs.digest, cache)
    load_bi_encoder(trial.encoder, tokenizer, seed=0)
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
    TrialReader(trial, cache).check()
    return pairs.digest


def _tracking(uri: str | None) -> tuple[str, bool]:
    if not uri:
        return "", False
    from tune.readiness.tracking_probe import store_problem

    text, passes = store_problem(uri)
    return text, passes


def _answer(function: Callable[..., str], *arguments: object) -> Answer:
    try:
        return function(*arguments), ""
    except Exception as error:  # any error is a result for the driver
        reason = str(error).strip().splitlines() or [type(error).__name__]
        return "", reason[0]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
