"""The settings that a run was started with, against which its study file is checked.

A changed file would mix trials of two settings in one curve, as if they were its seeds. So the
settings are recorded beside it with a digest, and a file that differs is refused.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from hybridir.config import read_yaml
from hybridir.errors import InputError
from hybridir.runtime.commands import script
from hybridir.runtime.files import atomic_write, read_json
from tune.folders import RunFolder
from tune.study.file import PUT_BACK, StudyConfig, as_yaml, read_study_file

# They decide no figure: where a run is stored, and what its cluster has.
_FREE = (
    "storage",
    "resources.nodes",
    "resources.wait_minutes",
    "resources.max_failures",
    "resources.hourly_price",
)
_ABSENT = object()


def record_settings(study: StudyConfig, folder: RunFolder) -> None:
    """Write the study file of a new run, and its settings with their digest."""
    text = as_yaml(study)
    # First, since a run with a study file can be resumed; as the file will be read.
    _record(StudyConfig.model_validate(read_yaml(text, str(folder.study_file))), folder)
    with atomic_write(folder.study_file) as unfinished:
        unfinished.write_text(text)


def read_recorded(folder: RunFolder) -> tuple[StudyConfig, list[str]]:
    """Read the settings of a run.

    Returns:
        The settings, and lines for the user: settings that were changed without an effect on
        figures, or that the run is of a version that recorded none.

    Raises:
        InputError: if the study file differs from what the run was started with, in what decides a
            figure; the message names each setting then and now.
    """
    study = read_study_file(folder.study_file, [], PUT_BACK)
    before = _recorded(folder)
    if before is None:
        return study, [
            f"note: {folder.path} was begun with version 0.2 or before, which recorded no digest "
            f"of {folder.study_file.name}, so that file counts as it is; nor did it record when "
            "trials ended, so their times are those of files"
        ]
    changed = list(differences(before, study))
    refused = [text for name, text in changed if name not in _FREE]
    if refused:
        raise InputError.collect(
            f"{folder.study_file} was changed since the run began, whose trials have other "
            "settings; restore these, or start a new run with the file: "
            f"{script('tune/run_sweep.py', str(folder.study_file))}",
            refused,
        )
    free = [text for name, text in changed if name != "storage"]
    return study, [f"note: changed since the run began: {'; '.join(free)}"] if free else []


def settings_problem(folder: RunFolder) -> str:
    """Why the study file of a run cannot be used to go on; "" if it can."""
    try:
        read_recorded(folder)
    except InputError as error:
        return str(error)
    return ""


def record_older(study: StudyConfig, folder: RunFolder) -> None:
    """Record the settings of a run that is resumed, if its version did not."""
    if not folder.settings.is_file():
        _record(study, folder)


def differences(before: StudyConfig, now: StudyConfig) -> Iterator[tuple[str, str]]:
    """Yield name and description of each setting that differs."""
    flat_before, flat_now = (dict(_leaves(_plain(study))) for study in (before, now))
    for name in dict.fromkeys((*flat_before, *flat_now)):
        values = flat_before.get(name, _ABSENT), flat_now.get(name, _ABSENT)
        if values[0] != values[1]:
            then, since = map(_shown, values)
            yield name, f"{name}: {then} at the start, {since} now"


def _record(study: StudyConfig, folder: RunFolder) -> None:
    settings = _plain(study)
    content = {"digest": _digest(settings), "settings": settings}
    with atomic_write(folder.settings) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1))


def _recorded(folder: RunFolder) -> StudyConfig | None:
    """The settings at the start; None if they were not recorded."""
    if not folder.settings.is_file():
        return None
    remedy = f"delete it, and {folder.study_file.name} counts as it is"
    content = read_json(folder.settings, dict[str, Any], remedy)
    settings = content.get("settings")
    if not isinstance(settings, dict) or content.get("digest") != _digest(settings):
        raise InputError(f"{folder.settings}: does not fit its own digest; {remedy}")
    try:
        # What is newer than the run has its default there.
        return StudyConfig.model_validate(settings)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise InputError(
            f"{folder.settings}: is of another version, which this one cannot read ({reason}); "
            f"{remedy}"
        ) from None


def _plain(study: StudyConfig) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(study.model_dump_json())
    return content


def _digest(settings: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _leaves(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        elif value is not None:
            yield prefix + key, value


def _shown(value: object) -> str:
    return "not set" if value is _ABSENT else json.dumps(value)
