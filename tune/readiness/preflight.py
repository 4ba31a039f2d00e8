"""Checks every node before the first trial, and reports all problems in one message."""

import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import ray
from rich.table import Table

from hybridir.errors import InputError, mend
from tune.folders import cache_folder
from tune.readiness import node_probe
from tune.readiness.checks import (
    CHECKS,
    CODE,
    DATA,
    DISK,
    STORAGE,
    TRACKING,
    Check,
    Needs,
    NodeState,
    check_clock,
    check_copy,
    check_preparation,
    check_room,
    check_token,
    check_tracking,
    summary_line,
)
from tune.readiness.cluster import asks_for_token, on_cluster
from tune.readiness.inputs import input_paths
from tune.readiness.nodes import Node, run_on_each
from tune.readiness.tracking_probe import Problem, driver_problem, is_loopback, is_server
from tune.record.address import database_file
from tune.study.file import StudyConfig

# Longer than the timeout of a server that does not answer; loading data may take minutes.
_INSPECT_SECONDS = 180.0
_PREPARE_SECONDS = 1800.0


@dataclass(frozen=True)
class Preflight:
    """Results of all checks.

    Attributes:
        study: the settings.
        nodes: the nodes that were checked.
        states: state of each node that answered, by node id.
        checks: results of the checks.
        driver: the node of the driver.
    """

    study: StudyConfig
    nodes: tuple[Node, ...]
    states: Mapping[str, NodeState]
    checks: tuple[Check, ...]
    driver: Node

    def without_tracking(self) -> "Preflight":
        """The same preflight, in which an unreachable tracking server is a warning.

        For a resumed study, which sends the missing records when the server is back. What cannot
        heal by itself, such as a deleted experiment, remains a problem.
        """
        checks = (
            replace(check, is_warning=True)
            if check.subject == TRACKING and check.passes
            else check
            for check in self.checks
        )
        return replace(self, checks=tuple(checks))

    def refuse_problems(self) -> None:
        """Stop the study if a check failed.

        Raises:
            InputError: with all problems of all nodes.
        """
        _refuse(self.checks)

    def refuse_shortage(self, needs: Needs) -> None:
        """Check disk and memory again, against measured needs.

        Raises:
            InputError: if a node has too little.
        """
        checks = _check_room(self.study, self.nodes, self.states, needs)
        _refuse([*checks, *_reserve(self.driver, self.states, checks, needs)])

    def table(self) -> Table:
        """A row for each node, a column for each check."""
        table = Table(title="preflight", title_justify="left")
        table.add_column("node")
        subjects = [s for s in CHECKS if any(c.subject == s for c in self.checks)]
        for subject in subjects:
            table.add_column(subject)
        for node in dict.fromkeys(check.node for check in self.checks):
            cells = []
            for subject in subjects:
                checks = [c for c in self.checks if (c.node, c.subject) == (node, subject)]
                failed = [c for c in checks if c.problem]
                word = "warning" if all(c.is_warning for c in failed) else "PROBLEM"
                cells.append(word if failed else "fine" if checks else "")
            table.add_row(node, *cells)
        return table

    @property
    def summary(self) -> str:
        """Summary in one line, for a preflight without problems."""
        return summary_line(self.checks, len(self.nodes))

    @property
    def warnings(self) -> list[str]:
        """Problems that do not stop the study."""
        return [_message(check) for check in self.checks if check.is_warning and check.problem]


def check_nodes(
    study: StudyConfig,
    nodes: Sequence[Node],
    *,
    tracking_uri: str,
    training_digest: str,
    needs: Needs,
) -> Preflight:
    """Check code, storage, data, tracking, GPUs, disk, memory and clock of every node.

    Checks that hold on the driver's own node by nature are skipped there, so that a study on one
    machine waits for no further process.

    Args:
        study: the settings.
        nodes: the nodes of the cluster that this process has joined.
        tracking_uri: MLflow tracking URI.
        training_digest: digest of the training table on the driver.
        needs: disk and memory that the study needs.
    """
    driver_id = ray.get_runtime_context().get_node_id()
    remote = [node for node in nodes if node.id != driver_id]
    storage, cache = _folders(study)
    paths = input_paths(study) if remote else []
    checks: list[Check] = []
    with _probe_folder(storage, cache) as token:
        arguments = (token, str(storage), str(cache), paths)
        driver = node_probe.inspect_node("driver", *arguments, None)
        driver |= {"storage_path": str(storage)}
        if file := database_file(tracking_uri):
            driver["room"][node_probe.TRACKING] = node_probe.room(file.parent)
        before = time.time()
        # No trial writes to it: only the driver needs a server that others cannot reach.
        shared = is_server(tracking_uri) and not is_loopback(tracking_uri)
        uri = tracking_uri if shared else None
        answers = run_on_each(
            node_probe.inspect_node,
            remote,
            lambda node: (node.id, *arguments, uri),
            _INSPECT_SECONDS,
        )
        after = time.time()
        unread = [n for n in remote if not (storage / _folder_name(token) / n.id).is_file()]
    states = {driver_id: driver} | {key: state for key, (state, _) in answers.items() if state}
    for node in nodes:
        if node.id == driver_id:
            problem = driver["storage"][1] and f"{storage}: {driver['storage'][1]}"
            checks.append(Check(str(node), STORAGE, problem))
            checks.append(check_tracking(node, driver_problem(tracking_uri)))
        elif node.id not in states:
            checks.append(Check(str(node), CODE, answers[node.id][1]))
        else:
            checks += check_copy(node, states[node.id], driver)
            if node in unread and not states[node.id]["storage"][1]:
                problem = f"{storage}: the driver cannot see the file that this node wrote"
                checks.append(Check(str(node), STORAGE, problem))
            checks.append(check_clock(node, states[node.id], before, after))
            if uri:
                checks.append(check_tracking(node, Problem(*states[node.id]["tracking"])))
    checks += _check_room(study, nodes, states, needs)
    (driver_node,) = [node for node in nodes if node.id == driver_id]
    if on_cluster():
        checks.append(check_token(driver_node, asks_for_token()))
    checks += _reserve(driver_node, states, checks, needs)
    checks += _prepare(study, nodes, checks, driver_id, states, training_digest)
    return Preflight(study, tuple(nodes), states, tuple(checks), driver_node)


def _prepare(
    study: StudyConfig,
    nodes: Sequence[Node],
    checks: Sequence[Check],
    driver_id: str,
    states: Mapping[str, NodeState],
    digest: str,
) -> Iterator[Check]:
    """Prepare data on nodes that do not share the driver's, and check the GPUs."""
    resources = study.resources
    failed = {check.node for check in checks if check.problem and not check.is_warning}
    reader = study.evaluation.reader
    from_hub = bool(
        study.encoder.hub
        or any(source.hub for source in study.train.sources)
        or (reader and reader.hub)
    )
    chosen = [
        node
        for node in nodes
        if node.slots(resources)
        and str(node) not in failed
        and (resources.gpu or (node.id != driver_id and (from_hub or states[node.id]["cache"][1])))
    ]
    config = study.trial(study.dearest, seed=0, report=study.reports).model_dump_json()
    arguments = (config, str(_folders(study)[1]), resources.gpu > 0)
    answers = run_on_each(
        node_probe.prepare_node, chosen, lambda node: arguments, _PREPARE_SECONDS, resources.gpu
    )
    for node in chosen:
        state, reason = answers[node.id]
        if state is None:
            yield Check(str(node), DATA, reason)
        else:
            yield from check_preparation(node, state, digest, resources.gpu > 0)


def _check_room(
    study: StudyConfig, nodes: Sequence[Node], states: Mapping[str, NodeState], needs: Needs
) -> list[Check]:
    return [
        check
        for node in nodes
        if node.id in states
        for check in check_room(node, states[node.id], needs, node.slots(study.resources))
    ]


def _reserve(
    driver: Node, states: Mapping[str, NodeState], checks: Sequence[Check], needs: Needs
) -> Iterator[Check]:
    """Reserve for a moment what seems to be free, on the driver: a quota shows itself only so."""
    if any(check.problem and check.subject == DISK for check in checks):
        return
    by_device: dict[int, list[tuple[str, float]]] = {}
    for role, amount in needs.by_folder().items():
        if role in states[driver.id]["room"]:
            room = states[driver.id]["room"][role]
            by_device.setdefault(room["device"], []).append((room["path"], amount))
    for folders in by_device.values():
        path = next(p for p in (Path(folders[0][0]), *Path(folders[0][0]).parents) if p.exists())
        megabytes = sum(amount for _, amount in folders)
        if refused := node_probe.reserve(path, megabytes):
            problem = f"{path}: {megabytes:,.0f} MB were refused ({refused.strerror}); "
            yield Check(str(driver), DISK, problem + mend(refused, path))


def _refuse(checks: Sequence[Check]) -> None:
    problems = [_message(check) for check in checks if check.problem and not check.is_warning]
    if problems:
        raise InputError.collect("preflight: the study cannot run", problems)


def _message(check: Check) -> str:
    return f"{check.node}: {check.subject}: {check.problem}"


def _folders(study: StudyConfig) -> tuple[Path, Path]:
    return study.storage.resolve(), cache_folder(study.storage).resolve()


@contextmanager
def _probe_folder(storage: Path, cache: Path) -> Iterator[str]:
    """Make folders for probe files in storage and cache, yield their token, and remove them.

    Raises:
        InputError: if a folder cannot be written to.
    """
    token = uuid.uuid4().hex
    created: list[Path] = []
    try:
        for folder in dict.fromkeys((storage, cache)):
            probe = folder / _folder_name(token)
            created += [path for path in (folder, *folder.parents) if not path.exists()]
            try:
                probe.mkdir(parents=True)
                (probe / "driver").write_text(token)
            except OSError as error:
                raise InputError(
                    f"{folder}: cannot be written to ({error.strerror}); {mend(error, folder)}"
                ) from None
        yield token
    finally:
        for folder in (storage, cache):
            shutil.rmtree(folder / _folder_name(token), ignore_errors=True)
        for path in sorted(created, reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _folder_name(token: str) -> str:
    return node_probe.PROBE_FOLDER.format(token=token)
