import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "slurm.sbatch"

# Stand-ins for Slurm's commands on one machine, and for Ray and the study, which log their
# arguments. `ray status` fails until a head has started.
STAND_INS = {
    "bin/srun": """while [[ $1 == --* ]]; do options+=("$1"); shift; done
        echo "srun ${options[*]} $*" >> "$LOG"; exec "$@" """,
    "bin/scontrol": """echo "scontrol $*" >> "$LOG"
        if [ "$1" = show ]; then printf '%s\\n' node7 node8 node9; fi""",
    "bin/hostname": "echo 10.1.2.3 172.17.0.1",
    ".venv/bin/ray": """echo "ray $* RAY_ADDRESS=${RAY_ADDRESS:-} $RAY_AUTH_MODE" >> "$LOG"
        case "$1 ${2:-}" in
            "start --head") [ -z "${NO_HEAD:-}" ] && touch "$LOG.head" && exec sleep 600 ;;
            "start "*) exec sleep 600 ;;
            "status "*) [ -e "$LOG.head" ] ;;
        esac""",
}
STUDY = """
import os, signal, sys
try:
    print("study", *sys.argv[1:], os.environ["RAY_ADDRESS"], flush=True)
    if "wait" in sys.argv[1]:
        signal.pause()
except KeyboardInterrupt:
    print("closed", flush=True)
    sys.exit(130)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in STAND_INS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\nset -eu\noptions=()\n{text}\n")
        path.chmod(0o755)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "deploy").mkdir()
    # The real script resets the interrupt, which a background process ignores, and goes on.
    reset = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    (tmp_path / "deploy" / "start_or_resume.py").write_text(f"{reset}\n{STUDY}")
    return tmp_path


def _submit(checkout: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", SCRIPT, *arguments],
        env={
            "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}",
            "LOG": str(checkout / "log"),
            "SLURM_SUBMIT_DIR": str(checkout),
            "SLURM_JOB_ID": "42",
            "SLURM_JOB_NODELIST": "node[7-9]",
            "SLURM_NNODES": "3",
            "SLURM_CPUS_PER_TASK": "8",
            "SLURM_GPUS_ON_NODE": "2",
            **more,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=checkout,
        start_new_session=True,
    )


def _left_running(job: subprocess.Popen[str]) -> bool:
    """Whether a process of the job's session is still running."""
    left = subprocess.run(["ps", "-o", "pid=,comm=", "-s", str(job.pid)], capture_output=True)
    return bool(left.stdout.strip())


def test_a_job_starts_a_head_then_workers_on_the_other_nodes_then_the_study(
    checkout: Path,
) -> None:
    job = _submit(checkout, "study.yaml", "--set", "seed=3")
    output, _ = job.communicate()
    assert job.returncode == 0, output
    address = re.search(r"10\.1\.2\.3:\d+", output)
    assert address
    assert output.splitlines() == [
        f"study study.yaml --set seed=3 --set resources.nodes=3 {address[0]}"
    ]
    port = address[0].partition(":")[2]
    started = [line for line in (checkout / "log").read_text().splitlines() if "ray start" in line]
    head, worker = (line for line in started if line.startswith("srun"))
    assert "--nodelist=node7" in head
    assert f"ray start --head --node-ip-address=10.1.2.3 --port={port} " in head
    assert "--nodes=2 --ntasks=2 --exclude=node7" in worker
    assert f"ray start --address={address[0]} " in worker
    for line in (head, worker):
        assert "--num-cpus=8 --num-gpus=2" in line
    # With the variable, Ray would connect instead of starting.
    begun = re.findall(r"^ray start .* RAY_ADDRESS=(\S*) (\S+)$", _log(checkout), re.MULTILINE)
    assert begun == [("", "token")] * 2


def test_nothing_is_left_running_when_the_study_has_ended(checkout: Path) -> None:
    job = _submit(checkout, "study.yaml")
    job.communicate()
    assert not _left_running(job)


def test_before_its_time_limit_a_job_closes_the_study_and_requeues_itself(
    checkout: Path,
) -> None:
    job = _submit(checkout, "wait.yaml")
    assert job.stdout
    assert job.stdout.readline().startswith("study wait.yaml")
    job.send_signal(signal.SIGUSR1)
    output, _ = job.communicate()
    assert output.splitlines()[-1] == "closed"
    assert job.returncode == 0
    assert _log(checkout).splitlines()[-1] == "scontrol requeue 42"
    assert not _left_running(job)


def test_a_head_that_does_not_start_ends_the_job_instead_of_waiting_for_it(
    checkout: Path,
) -> None:
    job = _submit(checkout, "study.yaml", NO_HEAD="1")
    output, _ = job.communicate()
    assert job.returncode != 0
    assert "study" not in output


def test_a_job_without_a_study_prints_its_usage(checkout: Path) -> None:
    job = _submit(checkout)
    output, _ = job.communicate()
    assert job.returncode == 2
    assert "usage: sbatch deploy/slurm.sbatch STUDY.yaml" in output


def test_slurm_is_told_to_requeue_and_to_warn_the_script() -> None:
    lines = SCRIPT.read_text().splitlines()
    directives = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    assert {"--requeue", "--exclusive", "--open-mode=append"} <= set(directives)
    assert "--signal=B:USR1@300" in directives, "B: the script is warned, not its steps"
    # Slurm reads no directive after the first command.
    commands = [n for n, line in enumerate(lines) if line and not line.startswith("#")]
    assert max(n for n, line in enumerate(lines) if line.startswith("#SBATCH")) < commands[0]


def test_shellcheck_finds_nothing() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), SCRIPT], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def _log(checkout: Path) -> str:
    return (checkout / "log").read_text()
