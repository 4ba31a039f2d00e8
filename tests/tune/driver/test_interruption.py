"""Signals that ask a study to stop, sent for real to a process that closes slowly."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.support.tiny import ROOT

PROGRAM = """
import signal, sys, time
from tune.driver.interruption import Interruption
from tune.view.terminal import make_output_last

make_output_last()
interruption = Interruption()
interruption.listen()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped", flush=True)
    with interruption.closing():
        time.sleep(1)
    print("closed", flush=True)
    time.sleep(1)
    sys.exit(130)
"""


def run(*numbers: int, program: str = PROGRAM, ignored: Sequence[int] = ()) -> tuple[int, str]:
    """Start a program, send it signals while it works and while it closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: _set_signals(ignored),
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    for number in numbers:
        process.send_signal(number)
        lines.append(process.stdout.readline())
    rest, _ = process.communicate()
    return process.returncode, "".join([*lines, rest])


def _set_signals(ignored: Sequence[int]) -> None:
    """Ignore some, and no other, whatever the tests themselves were started with (nohup)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_while_a_study_is_closed_changes_nothing(number: int) -> None:
    code, output = run(number, number, number)
    assert output.split() == ["ready", "stopped", "closed"]
    assert code == 130


@pytest.mark.slow
def test_what_nohup_switches_off_stays_off() -> None:
    code, output = run(signal.SIGHUP, program=PROGRAM.replace("60", "1"), ignored=[signal.SIGHUP])
    assert (code, output.split()) == (0, ["ready"])


@pytest.mark.slow
def test_a_signal_while_a_finished_study_is_closed_waits_until_it_is() -> None:
    program = """
import os, signal
from tune.driver.interruption import Interruption
interruption = Interruption()
interruption.listen()
print("ready", flush=True)
try:
    with interruption.closing():
        os.kill(os.getpid(), signal.SIGINT)
        print("recorded")
except KeyboardInterrupt:
    print("then stopped")
"""
    assert run(program=program) == (0, "ready\nrecorded\nthen stopped\n")


AT_THE_END = """
import os, sys, time
from tune.driver.interruption import interruptible

class Late:
    # As Ray's libraries do, after Python has taken its own handlers away.
    def __del__(self, write=os.write, sleep=time.sleep):
        write(1, b"ending\\n")
        sleep(1)

sys.late = Late()
with interruptible(lambda line: os.write(1, line.encode()), lambda: "; nothing has begun\\n"):
    os.write(1, b"ready\\n")
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_while_python_ends_changes_nothing(number: int) -> None:
    code, output = run(number, 0, number, program=AT_THE_END)
    assert output.splitlines() == ["ready", "interrupted; nothing has begun", "ending"]
    assert code == 130


LOST = """
import os, signal, threading, time
from tune.driver.interruption import Interruption

interruption = Interruption()
interruption.listen()

def close(reason):
    print(reason, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1)
    print("closed", flush=True)

interruption.close = close

def lost():
    if interruption.take_over("lost"):
        os._exit(130)
    print("too late", flush=True)

try:
    {first}
    threading.Thread(target=lost).start()
    time.sleep(0.5)
    1 / 0
except KeyboardInterrupt:
    threading.Thread(target=lost).start()
finally:
    with interruption.closing():
        time.sleep(1)
        print("closed by the main thread")
"""


@pytest.mark.slow
def test_one_thread_alone_closes_a_study_whatever_the_main_thread_meets_meanwhile() -> None:
    assert run(program=LOST.format(first="pass")) == (130, "lost\nclosed\n")


@pytest.mark.slow
def test_a_study_that_a_signal_stopped_is_closed_by_the_main_thread() -> None:
    program = LOST.format(first="os.kill(os.getpid(), signal.SIGINT)")
    assert run(program=program) == (0, "too late\nclosed by the main thread\n")


STUCK = """
import ctypes, threading, time
import tune.driver.interruption as module

module._UNWIND_SECONDS = 0.3
interruption = module.Interruption()
interruption.listen()
interruption.close = lambda reason: print(reason, flush=True)
code = ctypes.CDLL(None)
mutex = ctypes.create_string_buffer(64)
code.pthread_mutex_lock(mutex)
threading.Timer(0.5, print, ["ready"], {{"flush": True}}).start()
try:
    with interruption.working():
        try:
            {work}
        finally:
            {unwind}
finally:
    print("unwound", flush=True)
"""
WAIT = "code.pthread_mutex_lock(mutex)"  # for itself, without an eye on signals


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "unwind"), [(WAIT, "pass"), ("time.sleep(60)", WAIT)], ids=["at work", "unwinding"]
)
def test_a_main_thread_that_waits_in_compiled_code_does_not_keep_a_study_from_closing(
    work: str, unwind: str
) -> None:
    program = STUCK.format(work=work, unwind=unwind)
    assert run(signal.SIGTERM, program=program) == (130, "ready\nRay does not answer\n")


@pytest.mark.slow
def test_a_main_thread_that_leaves_its_work_in_time_closes_the_study_itself() -> None:
    program = STUCK.format(work="time.sleep(60)", unwind="pass") + "time.sleep(1)"
    code, output = run(
        signal.SIGTERM,
        program=program.replace("finally:\n    p", "except KeyboardInterrupt:\n    p"),
    )
    assert (code, output) == (0, "ready\nunwound\n")


@pytest.mark.slow
def test_a_study_outlives_the_reader_of_its_output() -> None:
    program = """
import sys
from tune.view.terminal import make_output_last
make_output_last()
for _ in range(9):
    print("line" * 9999, flush=True)
    print("line" * 9999, file=sys.stderr, flush=True)
sys.exit(7)
"""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=writer, stderr=writer)
    os.close(writer)
    assert ended.returncode == 7
