import io
from pathlib import Path

from rich.console import Console

from hybridir import names
from tune.folders import Outcome, TrialFolder
from tune.view.narrator import Narrator, describe, headline


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


def test_text_is_printed_as_it_is() -> None:
    out = io.StringIO()
    Narrator(Console(file=out, width=20)).say("[bold] in brackets and a line longer than 20")
    assert out.getvalue() == "[bold] in brackets and a line longer than 20\n"


def test_the_headline_of_a_failure_is_the_last_line_of_its_reason() -> None:
    assert headline(Outcome(names.FAIL, {}, "Traceback:\n  line\nValueError: why\n")) == (
        "ValueError: why"
    )
    assert headline(Outcome(names.FAIL, {})) == "no reason is known"


def test_parameters_are_described_with_three_digits() -> None:
    parameters: dict[str, float | int | str] = {
        "mixing_ratio": 0.123456,
        "temperature": 0.05,
        "batch_size": 64,
        "learning_rate": 3e-5,
    }
    assert describe(parameters) == "alpha=0.123 tau=0.05 batch=64 learning_rate=3e-05"


def test_on_a_terminal_the_running_trials_stand_under_the_states_so_far(tmp_path: Path) -> None:
    terminal, plain = io.StringIO(), io.StringIO()
    times = iter([0.0, 0.0, *[60.0] * 1000])
    console = Console(file=terminal, width=100, force_terminal=True)
    with Narrator(console, clock=lambda: next(times)) as narrator:
        narrator.phase("search", 3, "why")
        for number in range(2):
            trial = TrialFolder(tmp_path / f"search-00{number}")
            trial.begin()
            narrator.trial_started(trial)
        trial.write("progress.json", {"step": 30, "steps": 120, "host": "node-1"})
        narrator.trial_ended(TrialFolder(tmp_path / "search-000"), "", Outcome(names.PRUNED, {}))
    assert "step 30 of 120" in terminal.getvalue()
    Console(file=plain, width=100).print(narrator.standing())
    title, row = plain.getvalue().splitlines()
    # One of three took 60 s, and two are left.
    assert title == "  search: 1 of 3 trials (1 PRUNED), about 2 min left"
    assert row.split("  ")[1] == "search-001"
    assert [part in row for part in ("step 30 of 120", "25%", "node-1")] == [True] * 3


def test_a_trial_that_was_cut_off_is_told_in_one_line_with_the_reason(tmp_path: Path) -> None:
    out = io.StringIO()
    narrator = Narrator(Console(file=out, width=100))
    narrator.trial_cut_off(TrialFolder(tmp_path / "search-001"), "process 1 of 2 on node-1 died")
    assert out.getvalue() == (
        "  search-001        cut off: process 1 of 2 on node-1 died; "
        "it goes on from its checkpoint\n"
    )
