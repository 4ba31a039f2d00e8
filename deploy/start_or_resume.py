"""Start a study, or resume its newest run if that is unfinished or without a report.

    python deploy/start_or_resume.py STUDY.yaml [--set KEY=VALUE ...]

For schedulers that restart a job after preempting it. A run keeps the settings that it was started
with, so the overrides apply to a new run only. The arguments are those of ``tune/run_sweep.py``,
which answers all but an unfinished study, mistakes included.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":
    # Instead of this script's folder, whose modules would shadow others of the same name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from hybridir.errors import InputError
from tune.folders import RunFolder, list_runs
from tune.run_sweep import app
from tune.study.file import DEMO, StudyConfig, read_study_file
from tune.study.recorded import differences, read_recorded

SCRIPT = Path(__file__).resolve().parents[1] / "tune" / "run_sweep.py"


def sweep_arguments(arguments: list[str]) -> list[str]:
    """The arguments of ``tune/run_sweep.py`` that start or resume the study.

    Args:
        arguments: those of ``tune/run_sweep.py``; they stay as they are where they have a mistake
            or ask for anything but a study.
    """
    command = get_command(app)
    # What is wrong the study says, which starts with the same arguments.
    with suppress(TyperException, InputError, OSError):
        options, rest, _ = command.make_parser(typer.Context(command)).parse_args([*arguments])
        if rest or not options.keys() <= {"study", "overrides"}:
            return arguments
        file = Path(options["study"] or DEMO)
        study = read_study_file(file, options.get("overrides", []))
        runs = [run for run in list_runs(study.storage, study.name) if run.study_file.is_file()]
        if runs and not runs[-1].finished:
            _tell_differences(study, runs[-1], file)
            return ["--resume", runs[-1].label, "--storage", str(study.storage)]
    return arguments


def _tell_differences(study: StudyConfig, run: RunFolder, file: Path) -> None:
    """Say which settings of the file the run does not follow; it keeps its own."""
    with suppress(InputError):  # of a changed run, which the resume refuses
        own, _ = read_recorded(run)
        changed = [
            name for name, _ in differences(own, study) if not name.startswith("resources.")
        ]
        if changed:
            print(
                f"note: {run.path} goes on with its own settings, not those of {file}, in "
                f"{', '.join(changed)}; to use these, delete that unfinished run",
                file=sys.stderr,
            )


if __name__ == "__main__":
    # A command in a shell's background ignores interrupts, which a study needs to close properly.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, str(SCRIPT), *sweep_arguments(sys.argv[1:])])
