"""Looks at every node before the first trial, and names all that is wrong in one message."""

import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import ray
from rich.table import Table

from hybridir.config import DataConfig, EncoderConfig
from hybridir.errors import InputError
from tune.folders import cache_folder
from tune.readiness import node_probe
from tune.readiness.checks import (
    CHECKS,
    CODE,
    DATA,
    STORAGE,
    TRACKING,
    Check,
    Findings,
    Needs,
    judge_clock,
    judge_copy,
    judge_preparation,
    judge_room,
    judge_tracking,
    summary,
)
from tune.readiness.nodes import Node, run_on_each
from tune.readiness.tracking_probe import driver_problem, is_server
from tune.study.file import StudyConfig

# Longer than a server that does not answer takes to be given up; loading data may take minutes.
_LOOK_SECONDS = 180.0
_PREPARE_SECONDS = 1800.0


@dataclass(frozen=True)
class Preflight:
    """What was found.

    Attributes:
        study: the settings.
        nodes: all that were looked at.
        found: answers of `node_probe.look` by node id; a node that gave none is left out.
        checks: what was judged.
    """

    study: StudyConfig
    nodes: tuple[Node, ...]
    found: Mapping[str, Findings]
    checks: tuple[Check, ...]

    def without_tracking(self) -> "Preflight":
        """The same, where a tracking server that is away is a warning.

        For a study that goes on: its server is caught up with when it is back.
        """
        checks = (
            replace(check, is_warning=True) if check.what == TRACKING else check
            for check in self.checks
        )
        return replace(self, checks=tuple(checks))

    def refuse_problems(self) -> None:
        """Stop the study where something is wrong.

        Raises:
            InputError: with all problems of all nodes.
        """
        _refuse(self.checks)

    def refuse_shortage(self, needs: Needs) -> None:
        """Judge disk and memory again, once they have been measured.

        Raises:
            InputError: if a node has too little.
        """
        _refuse(_judge_room(self.study, self.nodes, self.found, needs))

    def table(self) -> Table:
        """A row for each node, a column for each check."""
        table = Table(title="preflight", title_justify="left")
        table.add_column("node")
        columns = [w for w in CHECKS if any(c.what == w for c in self.checks)]
        for what in columns:
            table.add_column(what)
        for node in dict.fromkeys(check.node for check in self.checks):
            cells = []
            for what in columns:
                checks = [c for c in self.checks if (c.node, c.what) == (node, what)]
                bad = [c for c in checks if c.problem]
                word = "warning" if all(c.is_warning for c in bad) else "PROBLEM"
                cells.append(word if bad else "fine" if checks else "")
            table.add_row(node, *cells)
        return table

    @property
    def summary(self) -> str:
        """The whole in one line, once nothing is wrong."""
        return summary(self.checks, len(self.nodes))

    @property
    def warnings(self) -> list[str]:
        """What is worth knowing but stops nothing."""
        return [
            f"{c.node}: {c.what}: {c.problem}" for c in self.checks if c.is_warning and c.problem
        ]


def preflight(
    study: StudyConfig,
    nodes: Sequence[Node],
    *,
    tracking_uri: str,
    training_digest: str,
    needs: Needs,
) -> Preflight:
    """Check code, storage, data, tracking, GPUs, disk, memory and clock of every node.

    What is the same on the driver's own node by its nature is not asked again there, so that a
    study on one machine waits for no further process.

    Args:
        study: the settings.
        nodes: those of the cluster that this process has joined.
        tracking_uri: where runs are kept.
        training_digest: of the training table on the driver.
        needs: disk and memory that the study takes.
    """
    driver = ray.get_runtime_context().get_node_id()
    others = [node for node in nodes if node.id != driver]
    storage, cache = _folders(study)
    paths = _paths(study.data, study.encoder) if others else []
    checks: list[Check] = []
    with _probe_folder(storage, cache) as token:
        shared = (token, str(storage), str(cache), paths)
        here = node_probe.look("driver", *shared, None) | {"storage_path": str(storage)}
        before = time.time()
        uri = tracking_uri if is_server(tracking_uri) else None
        answers = run_on_each(
            node_probe.look, others, lambda node: (node.id, *shared, uri), _LOOK_SECONDS
        )
        after = time.time()
        unread = [n for n in others if not (storage / _folder_name(token) / n.id).is_file()]
    found = {driver: here} | {key: told for key, (told, _) in answers.items() if told}
    for node in nodes:
        if node.id == driver:
            problem = here["storage"][1] and f"{storage}: {here['storage'][1]}"
            checks.append(Check(str(node), STORAGE, problem))
            checks.append(judge_tracking(node, driver_problem(tracking_uri)))
        elif node.id not in found:
            checks.append(Check(str(node), CODE, answers[node.id][1]))
        else:
            checks += judge_copy(node, found[node.id], here)
            if node in unread and not found[node.id]["storage"][1]:
                problem = f"{storage}: the driver does not see what this node wrote there"
                checks.append(Check(str(node), STORAGE, problem))
            checks.append(judge_clock(node, found[node.id], before, after))
            if uri:
                checks.append(judge_tracking(node, found[node.id]["tracking"]))
    checks += _judge_room(study, nodes, found, needs)
    checks += _prepare(study, nodes, checks, driver, found, training_digest)
    return Preflight(study, tuple(nodes), found, tuple(checks))


def _prepare(
    study: StudyConfig,
    nodes: Sequence[Node],
    checks: Sequence[Check],
    driver: str,
    found: Mapping[str, Findings],
    digest: str,
) -> Iterator[Check]:
    """Prepare data where it is not shared with the driver, and try the GPUs."""
    asked = study.resources
    broken = {check.node for check in checks if check.problem and not check.is_warning}
    from_hub = bool(study.encoder.hub or any(source.hub for source in study.train.sources))
    where = [
        node
        for node in nodes
        if node.places(asked)
        and str(node) not in broken
        and (asked.gpu or (node.id != driver and (from_hub or found[node.id]["cache"][1])))
    ]
    config = study.trial({}, seed=0, report=study.reports).model_dump_json()
    arguments = (config, str(_folders(study)[1]), asked.gpu > 0)
    answers = run_on_each(
        node_probe.prepare, where, lambda node: arguments, _PREPARE_SECONDS, asked.gpu
    )
    for node in where:
        told, reason = answers[node.id]
        if told is None:
            yield Check(str(node), DATA, reason)
        else:
            yield from judge_preparation(node, told, digest, asked.gpu > 0)


def _judge_room(
    study: StudyConfig, nodes: Sequence[Node], found: Mapping[str, Findings], needs: Needs
) -> list[Check]:
    storage, cache = map(str, _folders(study))
    return [
        check
        for node in nodes
        if node.id in found
        for check in judge_room(
            node, found[node.id], storage, cache, needs, node.places(study.resources)
        )
    ]


def _refuse(checks: Sequence[Check]) -> None:
    problems = [
        f"{c.node}: {c.what}: {c.problem}" for c in checks if c.problem and not c.is_warning
    ]
    if problems:
        raise InputError.collect("preflight: the study cannot run like this", problems)


def _folders(study: StudyConfig) -> tuple[Path, Path]:
    return study.storage.resolve(), cache_folder(study.storage).resolve()


def _paths(data: DataConfig, encoder: EncoderConfig) -> list[str]:
    """The files and folders that trials read, as they are written in the study."""
    found = [data.data_root / name for name in data.train.folders if data.data_root]
    found += [path for report in data.report_on if (path := report.path(data.data_root))]
    for source in data.train.sources:
        found += [source.table.path] if source.table else []
        found += [Path(source.hub.id)] if source.hub and Path(source.hub.id).is_dir() else []
    found += [encoder.path] if encoder.path else []
    return [str(path) for path in found]


@contextmanager
def _probe_folder(storage: Path, cache: Path) -> Iterator[str]:
    """Folders for probe files in storage and cache, and their token; they leave nothing behind.

    Raises:
        InputError: if a folder cannot be written to.
    """
    token = uuid.uuid4().hex
    made: list[Path] = []
    try:
        for folder in dict.fromkeys((storage, cache)):
            probe = folder / _folder_name(token)
            made += [path for path in (folder, *folder.parents) if not path.exists()]
            try:
                probe.mkdir(parents=True)
                (probe / "driver").write_text(token)
            except OSError as error:
                raise InputError(
                    f"{folder}: cannot be written to ({error.strerror}); choose another storage"
                ) from None
        yield token
    finally:
        for folder in (storage, cache):
            shutil.rmtree(folder / _folder_name(token), ignore_errors=True)
        for path in sorted(made, reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _folder_name(token: str) -> str:
    return node_probe.PROBE_FOLDER.format(token=token)
