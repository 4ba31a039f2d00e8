import contextlib
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from hybridir import names
from hybridir.runtime.terminal import plain_console
from tests.support.tiny import ROOT
from tune.folders import Outcome, TrialFolder
from tune.space.parameters import describe
from tune.view.narrator import Narrator, outcome_line


def test_a_phase_that_goes_on_says_how_many_of_its_trials_are_left() -> None:
    out = io.StringIO()
    with Narrator(Console(file=out, width=99)) as narrator:
        narrator.phase("confirm", 7, "3 ratios with 3 seeds each", total=9)
        narrator.phase("confirm", 1, "3 ratios with 3 seeds each", total=9)
        narrator.phase("confirm", 9, "3 ratios with 3 seeds each", total=9)
    assert out.getvalue().splitlines() == [
        "confirm: 7 of 9 trials are left; 3 ratios with 3 seeds each",
        "confirm: 1 of 9 trials is left; 3 ratios with 3 seeds each",
        "confirm: 9 trials; 3 ratios with 3 seeds each",
    ]


def test_each_trial_is_a_line_with_its_parameters_figures_and_the_time_left() -> None:
    out = io.StringIO()
    times = iter([0.0, 0.0, 60.0, 120.0])
    with Narrator(Console(file=out, width=40), clock=lambda: next(times)) as narrator:
        narrator.phase("search", 2, "why")
        outcome = Outcome(names.COMPLETE, {"dev/map_mean": 0.25, "xquad-r/map_mean": 0.5})
        narrator.trial_ended(TrialFolder(Path("search-000")), "alpha=0.50", outcome)
        narrator.trial_ended(TrialFolder(Path("search-001")), "alpha=1.00", outcome)
    first, second, third = out.getvalue().splitlines()
    assert first == "search: 2 trials; why"
    # One trial took 60 s, and one is left.
    assert "search-000" in second
    assert "mean mAP dev 0.250, xquad-r 0.500  (1/2, about 60 s left)" in second
    assert third.endswith("(2/2)")


def test_text_is_printed_without_markup_or_wrapping() -> None:
    out = io.StringIO()
    Narrator(plain_console(file=out, width=20)).say("[bold] in brackets and a line longer than 20")
    assert out.getvalue() == "[bold] in brackets and a line longer than 20\n"


def test_the_line_of_a_failure_is_the_last_line_of_its_reason() -> None:
    assert outcome_line(Outcome(names.FAIL, {}, "Traceback:\n  line\nValueError: why\n")) == (
        "ValueError: why"
    )
    assert outcome_line(Outcome(names.FAIL, {})) == "unknown reason"


def test_parameters_are_described_with_three_digits() -> None:
    parameters: dict[str, float | int | str] = {
        "mixing_ratio": 0.123456,
        "temperature": 0.05,
        "batch_size": 64,
        "learning_rate": 3e-5,
    }
    assert describe(parameters) == "alpha=0.123 tau=0.05 batch=64 learning_rate=3e-05"


def test_a_terminal_shows_the_running_trials_below_the_states_so_far(tmp_path: Path) -> None:
    terminal, plain = io.StringIO(), io.StringIO()
    times = iter([0.0, 0.0, 0.0, 0.0, *[60.0] * 1000])
    console = Console(file=terminal, width=100, force_terminal=True)
    with Narrator(console, clock=lambda: next(times)) as narrator:
        narrator.phase("search", 3, "why")
        for number in range(2):
            trial = TrialFolder(tmp_path / f"search-00{number}")
            trial.begin()
            narrator.trial_started(trial, f"alpha=0.{number}")
        narrator.trial_reported(trial, {"dev/map_mean": 0.25, "time_total_s": 3.0})
        trial.write("progress.json", {"step": 30, "steps": 120, "host": "node-1"})
        narrator.trial_ended(TrialFolder(tmp_path / "search-000"), "", Outcome(names.PRUNED, {}))
    assert "step 30 of 120" in terminal.getvalue()
    Console(file=plain, width=100).print(narrator.progress())
    title, row = plain.getvalue().splitlines()
    # One of three took 60 s. Of the other two a quarter is done, and two run side by side:
    # 60 * (2 - 1/4) / 2.
    assert title == "  search: 1 of 3 trials (1 PRUNED), about 52 s left"
    assert row.split("  ")[1] == "search-001"
    for phrase in ("alpha=0.1", "step 30 of 120", "25%", "mean mAP dev 0.250", "node-1"):
        assert phrase in row


def test_an_interrupted_trial_is_reported_in_one_line_with_the_reason(tmp_path: Path) -> None:
    out = io.StringIO()
    narrator = Narrator(Console(file=out, width=100))
    reason = "process 1 of 2 on node-1 died"
    narrator.trial_interrupted(TrialFolder(tmp_path / "search-001"), reason)
    assert out.getvalue() == (
        "  search-001        interrupted: process 1 of 2 on node-1 died; "
        "it continues from its checkpoint\n"
    )


def test_the_best_so_far_has_the_whole_budget_and_may_come_from_an_earlier_driver() -> None:
    narrator, plain = Narrator(Console(file=io.StringIO())), io.StringIO()
    narrator.phase("search", 9, "why", "dev/a", (0.4, "search-000"))

    def end(name: str, state: str, a: float) -> str:
        outcome = Outcome(state, {"dev/a": a, "dev/b": 0.7})
        narrator.trial_ended(TrialFolder(Path(name)), "", outcome)
        plain.truncate(plain.seek(0))
        Console(file=plain, width=200).print(narrator.progress())
        return plain.getvalue().partition("; best so far ")[2].strip()

    assert end("search-001", names.COMPLETE, 0.1) == "search-000: dev/a 0.400"
    assert end("search-002", names.PRUNED, 0.9) == "search-000: dev/a 0.400"
    assert end("search-003", names.COMPLETE, 0.5) == "search-003: dev/a 0.500"
    assert end("search-004", names.COMPLETE, 0.5) == "search-003: dev/a 0.500"


_STORY = """
import pathlib, sys
from rich.console import Console
from tune.folders import Outcome, TrialFolder
from tune.view.narrator import Narrator
trial = TrialFolder(pathlib.Path(sys.argv[1]) / "search-000")
trial.begin()
trial.write("progress.json", {"step": 30, "steps": 120, "host": "node-1"})
with Narrator(Console()) as narrator:
    narrator.phase("search", 2, "why")
    narrator.trial_started(trial)
    narrator.say("a line")
"""


def test_a_real_terminal_gets_a_live_table_that_is_erased_and_a_pipe_gets_lines_alone(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", _STORY, str(tmp_path)]
    environment = {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert piped.stdout == "search: 2 trials; why\na line\n"

    leader, follower = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdout=follower, stdin=follower)
    os.close(follower)
    output = b""
    with contextlib.suppress(OSError):  # Linux raises it when the other end is closed
        while chunk := os.read(leader, 4096):
            output += chunk
    os.close(leader)
    assert process.wait() == 0
    text = output.decode()
    assert "step 30 of 120" in text
    assert "0 of 2 trials" in text
    # After the last table the cursor is shown again and its lines are erased, one by one.
    end = text.rpartition("step 30 of 120")[2]
    assert "\x1b[?25h" in end
    assert end.count("\x1b[1A\x1b[2K") == 2
