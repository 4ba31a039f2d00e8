"""Kills the processes of studies, which must end as if nothing had happened.

    python -m tests.chaos --kills 200 --seed 1

Studies run one after the other on a Ray cluster of three nodes with an MLflow server, all of them
processes of this machine. Meanwhile drivers, workers, nodes, the head and the server are killed
(SIGKILL) and restarted, and the study is resumed, until all kills are done. Each study is compared
with an undisturbed one: its folder, Optuna's journal and MLflow. Every fourth time two studies run
at once and share a new database file.

Half of the kills meet trainings of 50 to 2,000 steps with the default of checkpoints, 200 steps or
5 minutes; the other half the same trainings with a checkpoint every 3 s.

The seed decides the order of the kills, their targets among several processes, the gaps before
them and the outages after them. The exact moment of a kill is not repeatable, since gaps count
from the study's events, nor is the number of kills per study. The studies' figures are the same
every time.

The last line is the result; the exit code is 1 if anything was lost, changed, doubled or left
running.
"""

import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, get_args

import typer

from tests.chaos.campaign import SHARING, Campaign, Disturbed, Stage
from tests.chaos.strikes import KINDS, draw_strikes
from tests.chaos.verdict import FAULTS

KINDS_IN_TURN = ("best", SHARING, "failing", "confirming")


def main(
    kills: Annotated[int, typer.Option(min=1, help="Total number of kills.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the kills.")] = 1,
    table: Annotated[Path | None, typer.Option(help="File to write the table to.")] = None,
) -> None:
    """Kill processes of real studies, and compare the studies with undisturbed ones."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    records: list[Disturbed] = []
    campaign = Campaign(folder, KINDS_IN_TURN)
    try:
        strikes = list(draw_strikes(seed, kills))
        halves = {"default": strikes[: (kills + 1) // 2], "often": strikes[(kills + 1) // 2 :]}
        for checkpoints, half in halves.items():
            for record in campaign.run(iter(half), checkpoints):
                records.append(record)
                done = sum(len(disturbed.kills) for disturbed in records)
                print(f"[{done:3d}/{kills}] {describe(record)}", flush=True)
                for fault, subject in record.verdict.faults:
                    print(f"          {fault}: {subject} ({folder / record.name})", flush=True)
    finally:
        campaign.stop()
    if not any(record.verdict.faults for record in records):
        shutil.rmtree(folder)
    text = as_table(records)
    if table:
        table.write_text(text)
    print(text)
    print(result_line(records))
    sys.exit(any(record.verdict.faults for record in records))


def describe(record: Disturbed) -> str:
    """One line about a study."""
    by_kind = Counter(kind for kind, _ in record.kills)
    kills = ", ".join(f"{kind} {by_kind[kind]}" for kind in KINDS if by_kind[kind])
    verdict = "as undisturbed" if not record.verdict.faults else "NOT as undisturbed"
    return (
        f"{record.name} ({record.kind}): {len(record.kills)} kills ({kills}), "
        f"{record.drivers} drivers, {record.seconds:.0f} s: {verdict}"
    )


def as_table(records: list[Disturbed]) -> str:
    """Table of kills by target and stage of the study, and of the studies' verdicts."""
    stages = get_args(Stage)
    lines = [
        f"| killed | {' | '.join(stages)} | kills | study as undisturbed | not |",
        "|---|" + "---:|" * (len(stages) + 3),
    ]
    for kind in KINDS:
        hits = [
            (stage, bool(record.verdict.faults))
            for record in records
            for killed, stage in record.kills
            if killed == kind
        ]
        by_stage = Counter(stage for stage, _ in hits)
        bad = sum(faulty for _, faulty in hits)
        cells = [*(by_stage[stage] for stage in stages), len(hits), len(hits) - bad, bad]
        lines.append(f"| {kind} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def result_line(records: list[Disturbed]) -> str:
    """The result in one line."""
    counts = sum((record.verdict.counts for record in records), Counter[str]())
    faults = " ".join(f"{fault}={counts[fault]}" for fault in FAULTS)
    kills = sum(len(record.kills) for record in records)
    return f"kills={kills} studies={len(records)} {faults}"


if __name__ == "__main__":
    typer.run(main)
