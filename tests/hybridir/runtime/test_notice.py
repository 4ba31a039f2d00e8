"""Notices, with a process that counts steps in place of a training."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

COUNTING = """
import sys, threading, time
from pathlib import Path
from hybridir.runtime import notice

where, file = sys.argv[1], Path(sys.argv[2])

def train():
    with notice.heeded(writes=where != "reads"):
        for step in range(10_000):
            if step == 1:
                print("trains", flush=True)
            time.sleep(0.001)
            if notice.asked():
                file.write_text(str(step))
                notice.answer()
    file.write_text("to the end")

if where == "thread":
    notice.listen()
    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    thread.join()
else:
    train()
"""


def count(where: str, file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COUNTING, where, str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "trains\n"
    return process


@pytest.mark.parametrize("where", ["main", "thread"])
def test_at_sigterm_a_checkpoint_is_written_and_the_process_ends(
    where: str, tmp_path: Path
) -> None:
    process = count(where, tmp_path / "step")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM
    assert int((tmp_path / "step").read_text()) >= 1


@pytest.mark.long
def test_a_process_that_writes_none_outlives_the_first_signal(tmp_path: Path) -> None:
    process = count("reads", tmp_path / "step")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "step").read_text() == "to the end"
