"""Pull any plug: studies whose processes are killed must end as if nothing had happened.

    python -m tests.chaos --kills 200 --seed 1

Studies run one after the other on a Ray cluster of three nodes with a MLflow server, all of them
processes of this machine. Meanwhile drivers, workers, nodes, the head and the server are killed
(SIGKILL) and come back, and the study is resumed, until all kills are done. Each study is compared
with one that was left alone: its folder, Optuna's journal and MLflow.

The seed decides the order of the kills, which of several processes is hit, the gaps before and the
outages after. When exactly a kill strikes is not repeatable, since gaps count from what the study
does; nor is how many kills a study gets. The studies' figures are the same every time.

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

from tests.chaos.campaign import Campaign, Disturbed, Stage
from tests.chaos.strikes import KINDS, draw_strikes
from tests.chaos.verdict import FAULTS

KINDS_IN_TURN = ("best", "failing", "confirming")


def main(
    kills: Annotated[int, typer.Option(min=1, help="How many kills in all.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Decides the kills.")] = 1,
    table: Annotated[Path | None, typer.Option(help="Write the table here too.")] = None,
) -> None:
    """Kill what real studies run on, and compare them with undisturbed ones."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    records: list[Disturbed] = []
    campaign = Campaign(folder, KINDS_IN_TURN)
    try:
        for record in campaign.run(draw_strikes(seed, kills)):
            records.append(record)
            done = sum(len(one.kills) for one in records)
            print(f"[{done:3d}/{kills}] {describe(record)}", flush=True)
            for fault, where in record.verdict.found:
                print(f"          {fault}: {where} ({folder / record.name})", flush=True)
    finally:
        campaign.stop()
    if not any(record.verdict.found for record in records):
        shutil.rmtree(folder)
    text = as_table(records)
    if table:
        table.write_text(text)
    print(text)
    print(summary(records))
    sys.exit(any(record.verdict.found for record in records))


def describe(record: Disturbed) -> str:
    """One line about a study."""
    by_kind = Counter(kind for kind, _ in record.kills)
    kills = ", ".join(f"{kind} {by_kind[kind]}" for kind in KINDS if by_kind[kind])
    verdict = "as undisturbed" if not record.verdict.found else "NOT as undisturbed"
    return (
        f"{record.name} ({record.kind}): {len(record.kills)} kills ({kills}), "
        f"{record.drivers} drivers, {record.seconds:.0f} s: {verdict}"
    )


def as_table(records: list[Disturbed]) -> str:
    """What was killed while the study did what, and how it ended."""
    stages = get_args(Stage)
    lines = [
        f"| killed | {' | '.join(stages)} | kills | study as undisturbed | not |",
        "|---|" + "---:|" * (len(stages) + 3),
    ]
    for kind in KINDS:
        hits = [
            (stage, bool(record.verdict.found))
            for record in records
            for killed, stage in record.kills
            if killed == kind
        ]
        by_stage = Counter(stage for stage, _ in hits)
        bad = sum(found for _, found in hits)
        cells = [*(by_stage[stage] for stage in stages), len(hits), len(hits) - bad, bad]
        lines.append(f"| {kind} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def summary(records: list[Disturbed]) -> str:
    """The result in one line."""
    found = sum((record.verdict.counts for record in records), Counter[str]())
    faults = " ".join(f"{fault}={found[fault]}" for fault in FAULTS)
    kills = sum(len(record.kills) for record in records)
    return f"kills={kills} studies={len(records)} {faults}"


if __name__ == "__main__":
    typer.run(main)
