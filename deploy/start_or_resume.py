"""Start a study, or go on with its newest run where that did not go to its end.

    python deploy/start_or_resume.py STUDY.yaml [--set KEY=VALUE ...]

For schedulers that start a job again after they took its machines away. A run keeps the settings
that it was started with, so the overrides count for a new one only.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tune.folders import runs
from tune.study.file import load_study

SCRIPT = Path(__file__).resolve().parent.parent / "tune" / "run_sweep.py"


def arguments(given: list[str]) -> list[str]:
    """The arguments of ``tune/run_sweep.py`` that start the study or go on with it.

    Args:
        given: study file, then ``--set`` and ``KEY=VALUE`` in turn.

    Raises:
        InputError: with all mistakes of the study file in one message.
    """
    study = load_study(Path(given[0]), given[2::2])
    begun = [run for run in runs(study.storage, study.name) if run.study_file.is_file()]
    if begun and not begun[-1].finished:
        return ["--resume", study.name, "--storage", str(study.storage)]
    return given


if __name__ == "__main__":
    # What a shell starts in the background ignores interrupts, by which a study is closed.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, str(SCRIPT), *arguments(sys.argv[1:])])
