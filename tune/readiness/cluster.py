"""Joins a Ray cluster, or starts Ray on this machine alone."""

import logging
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import ray
import torch
from ray._private import services
from ray._raylet import AuthenticationMode, get_authentication_mode  # type: ignore[attr-defined]

from hybridir.errors import INTERRUPTED, InputError
from tune.readiness.local_ray import local_options
from tune.readiness.ray_watch import RayWatch
from tune.study.file import StudyConfig

ROOT = Path(__file__).resolve().parents[2]
_ATTEMPTS = 2
# A start took 32 to 45 s at a load of 9 to 13 on two CPUs (measured).
_START_SECONDS = 150.0
# Ray itself gives its processes one second each (ray/_private/node.py of 2.60).
_END_SECONDS = 5.0
# Of an interrupted study, which Slurm and Kubernetes kill 30 s after their signal.
_LEAVE_SECONDS = 6.0
# Of a study that is done, whose end nobody waits for.
_DONE_SECONDS = 60.0
# A clock that is set by the network moves by less.
_MOST_SECONDS_BACK = 1.0


@dataclass
class _OwnRay:
    """The Ray that this process has started on this machine.

    Attributes:
        options: those of ``ray.init``.
        lost: called when it was killed; see `RayWatch`.
        watch: looks after it.
        offset: the largest `_clock_offset` since its start, seconds.
    """

    options: dict[str, Any]
    lost: Callable[[str], bool] | None
    watch: RayWatch | None = None
    offset: float = 0.0

    def start(self) -> None:
        """Start it, and look after it."""
        _init(self.options, self)
        self.offset = _clock_offset()

    def look(self) -> None:
        """Look after the Ray that is about to start."""
        if self.lost:
            self.watch = RayWatch(Path(self.options["_temp_dir"]).parent, self.lost)

    def look_away(self) -> None:
        """Let Ray end, on purpose."""
        if self.watch:
            self.watch.stop()

    def leave(self, code: int) -> None:
        """End this process at once, and what is left of this Ray."""
        if self.watch:
            self.watch.end(code)

    def shutdown(self) -> None:
        """End it on purpose."""
        self.look_away()
        _shutdown()


_own_ray: _OwnRay | None = None


def on_cluster() -> bool:
    """Whether the study joins a cluster instead of starting Ray on this machine alone."""
    return "RAY_ADDRESS" in os.environ


def check_resources(study: StudyConfig) -> None:
    """Refuse resources that this machine alone lacks, for which Ray would wait for ever.

    Raises:
        InputError: if a trial needs more than the machine has.
    """
    if problems := lacking_here(study):
        raise InputError.collect(f"study {study.name} cannot run here", problems)


def lacking_here(study: StudyConfig) -> list[str]:
    """Phrases that name what this machine lacks for a study; empty if it suffices.

    A cluster may grow, so `tune.readiness.nodes.wait_for_nodes` waits for it.
    """
    if on_cluster():
        return []
    resources = study.resources
    available = {"cpu": cpu_count(), "gpu": torch.cuda.device_count()}
    processes = resources.processes
    per_process = "" if processes == 1 else f" for each of {processes} processes"
    problems = [
        f"resources.{kind}={amount:g}{per_process}: this machine has {available[kind]}"
        for kind, amount in (("cpu", resources.cpu), ("gpu", resources.gpu))
        if amount * processes > available[kind]
    ]
    if resources.nodes > 1:
        problems.append(
            f"resources.nodes={resources.nodes}: the study runs on this machine alone; set "
            "RAY_ADDRESS to the head of a cluster, such as 10.0.0.1:6379"
        )
    return problems


@contextmanager
def running_ray(
    lost: Callable[[str], bool] | None = None, tell: Callable[[], None] | None = None
) -> Iterator[None]:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine alone, for a while.

    Args:
        lost: called when the Ray of this machine alone was killed, before this process ends; see
            `RayWatch`. Without it nobody looks after Ray.
        tell: called if this process, asked to stop, has to leave a Ray that does not end. Without
            it Ray is waited for.

    Raises:
        InputError: if no cluster answers at RAY_ADDRESS, or it refuses the connection.
    """
    global _own_ray
    # Without Ray's own result files, banner and usage report.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray would take Ctrl-C for the end of the phase, and the study would continue with the next.
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    # A trial may fail before its first measurement.
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    # The study itself reports an interrupted trial, in one line instead of a traceback.
    logging.getLogger("ray.tune.execution.tune_controller").setLevel(logging.CRITICAL)
    if on_cluster():
        _check_address(os.environ["RAY_ADDRESS"])
        try:
            _init({})
            yield
        finally:
            with _in_time(None, tell):
                _shutdown()
        return
    with local_options(cpu_count()) as options:
        _own_ray = own = _OwnRay(options, lost)
        try:
            own.start()
            yield
        finally:
            _own_ray = None
            with _in_time(own, tell):
                own.shutdown()


def leave_ray() -> None:
    """End this process at once, with the Ray that it has started on this machine."""
    if _own_ray:
        _own_ray.leave(INTERRUPTED)
    os._exit(INTERRUPTED)


@contextmanager
def _in_time(own: _OwnRay | None, tell: Callable[[], None] | None) -> Iterator[None]:
    """End Ray, or leave it: without its head it may keep this process, even its exit, for good.

    A user's mistake has still to be told, so that it is waited for.
    """
    if tell is None:
        yield
        return
    error = sys.exc_info()[1]
    asked = isinstance(error, KeyboardInterrupt | SystemExit)  # the latter is Ray's
    code = INTERRUPTED if asked else getattr(error, "exit_code", None)  # of `typer.Exit`
    if code == INTERRUPTED:
        # Until the exit, since what Ray does there waits for its head as well.
        _leave_later(own, code, tell if asked else None)
        yield
        return
    timer = _leave_later(own, 0, None) if error is None else None
    try:
        yield
    except KeyboardInterrupt:
        _leave_later(own, INTERRUPTED, tell)
        raise
    finally:
        if timer:
            timer.cancel()


def _leave_later(
    own: _OwnRay | None, code: int, tell: Callable[[], None] | None
) -> threading.Timer:
    """End this process, and what is left of its Ray, if it has not ended by then."""

    def leave() -> None:
        if tell:
            tell()
        if own:
            _kill(set())
            own.leave(code)
        os._exit(code)

    timer = threading.Timer(_LEAVE_SECONDS if code == INTERRUPTED else _DONE_SECONDS, leave)
    timer.daemon = True
    timer.start()
    return timer


def watch_clock() -> None:
    """Remember the clock for `renew_after_clock_went_back`; to be called now and then."""
    if _own_ray:
        _own_ray.offset = max(_own_ray.offset, _clock_offset())


def renew_after_clock_went_back() -> bool:
    """Start this machine's own Ray anew if the clock has gone back since its start.

    Ray orders what its nodes report by the clock: once that has gone back, freed resources are
    unknown, and nothing new is placed until the clock has caught up (measured with 2.60: an hour
    after a step of an hour). To be called while no trial runs. A cluster, which this process does
    not own, stays as it is.

    Returns:
        Whether Ray was started anew.
    """
    if _own_ray is None or _clock_offset() > _own_ray.offset - _MOST_SECONDS_BACK:
        return False
    _own_ray.shutdown()
    # Ray's start would take the signals by which the driver is asked to stop.
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    _own_ray.start()
    for number, handler in kept.items():
        signal.signal(number, handler)
    return True


def _clock_offset() -> float:
    """The clock against one that never goes back, seconds."""
    return time.time() - time.monotonic()


def ray_environment() -> dict[str, Any]:
    """What Ray's workers are started with."""
    environment: dict[str, Any] = {
        "env_vars": {"PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
    }
    quoted = shlex.quote(sys.executable)
    if quoted != sys.executable and not on_cluster():
        # Ray gives the path to a shell as it is, so with a blank in it no worker would ever start
        # (ray/_private/runtime_env/context.py of 2.60), and the study would wait for good.
        environment["py_executable"] = quoted
    return environment


def _init(options: dict[str, Any], own: _OwnRay | None = None) -> None:
    # Ray's processes inherit this: a terminal that goes away asks the driver alone to stop, which
    # then closes the study.
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    others = set(psutil.Process().children(recursive=True))
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            if own:
                own.look()
            try:
                with nullcontext() if on_cluster() else _patience():
                    ray.init(
                        logging_level=logging.ERROR,
                        log_to_driver=False,
                        runtime_env=ray_environment(),
                        **options,
                    )
                return
            except ConnectionError as error:
                raise InputError(
                    f"RAY_ADDRESS={os.environ.get('RAY_ADDRESS')}: {error}; the head must run "
                    "the same Ray version with RAY_AUTH_MODE=token, and ~/.ray/auth_token must "
                    "be the same on the head and on this machine"
                ) from None
            except Exception as error:  # of a start that takes too long Ray says so in a plain one
                if own:
                    own.look_away()
                ray.shutdown()
                _kill(others)
                if on_cluster() or "timed out" not in str(error).lower():
                    raise
                if attempt == _ATTEMPTS:
                    raise InputError(
                        f"Ray did not start on this machine in {_ATTEMPTS} attempts; the load is "
                        f"{os.getloadavg()[0]:.0f} on {cpu_count()} CPUs: try again when it is "
                        "lower"
                    ) from None
    finally:
        signal.signal(signal.SIGHUP, hang_up)


@contextmanager
def _patience() -> Iterator[None]:
    """Let a Ray that this process starts wait `_START_SECONDS` for its processes to appear.

    Ray itself waits 30 s (ray/_private/node.py of 2.60), which a loaded machine exceeds, and asks
    all the while without a pause.
    """
    look_up: Callable[[str, str], Any] = services.get_node

    def get_node(address: str, node_id: str) -> Any:
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                return look_up(address, node_id)
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    services.get_node = get_node
    try:
        yield
    finally:
        services.get_node = look_up


def _shutdown() -> None:
    """End Ray, and those of its workers on this machine that outlive it.

    A worker whose clock has gone back since its start does so until the clock has caught up, with
    half of a CPU (measured with 2.60).
    """
    workers: list[psutil.Process] = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            workers += child.children(recursive=True) if child.name() == "raylet" else []
    ray.shutdown()
    _, alive = psutil.wait_procs(workers, timeout=_END_SECONDS)
    for worker in alive:
        with suppress(psutil.NoSuchProcess):
            worker.kill()


def _kill(others: set[psutil.Process]) -> None:
    """Kill this process's children but others: Ray forgets those of a start that failed."""
    for process in set(psutil.Process().children(recursive=True)) - others:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def asks_for_token() -> bool:
    """Whether the Ray that this process has joined asks for a token; else anyone commands it."""
    return bool(get_authentication_mode() == AuthenticationMode.TOKEN)


def _check_address(address: str) -> None:
    """Refuse an address at which nothing listens; Ray would retry it for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto" and the like, which Ray resolves
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise InputError(
            f"RAY_ADDRESS={address}: no Ray cluster answers ({error.strerror or error}); "
            "start one with ray start --head, or unset RAY_ADDRESS to run on this machine alone"
        ) from None


def cpu_count() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
