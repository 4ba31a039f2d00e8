"""The commands of README, installation and tutorial, in a fresh clone and a clean shell.

Blocks that are marked ``sh`` are for the reader to run, from the first to the last; a word in
capitals stands for something of the reader's.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fresh_clone import fresh_clone, in_clean_shell
from tests.support.page_text import first_screen, walls

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/install.md", "docs/tutorial.md")
_PLACEHOLDER = re.compile(r"\b[A-Z]{4,}\b")
_THIS = "make test"  # what runs this test
_SERVER = "mlflow ui --host 127.0.0.1"


def commands(page: str) -> Iterator[str]:
    """The commands of a page's blocks, without their remarks."""
    for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield re.split(r"\s+#\s", line)[0].strip()
                assert words


ALL = [(page, command) for page in PAGES for command in commands(page)]


def test_pages_have_commands_and_each_names_what_exists() -> None:
    assert {page for page, _ in ALL} == {*PAGES}
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    library = "".join(path.read_text() for path in (ROOT / "hybridir" / "cli").glob("*.py"))
    for page, command in ALL:
        program, *arguments = shlex.split(command)
        if program == "make":
            assert arguments[0] in targets, f"{page}: {command}"
            continue
        source = library
        if program == "python":
            source = (ROOT / arguments[0]).read_text()
        for option in re.findall(r"--([\w-]+)", command):
            name = option.replace("-", "_")
            known = f'"--{option}"' in source or re.search(rf"\b{name}:", source)
            assert known or program not in ("python", "hybridir"), f"{page}: {command}"


def masked(text: str) -> set[str]:
    """Lines without what differs between two runs: figures, times, folders, fates."""
    text = re.sub(r"(?<=\s)\S*/(?=(results|mlflow|tune|\.venv)\b)|sqlite:/+\S*/", "", text)
    # A plan says "1 min to 2 min", or "about 2 min" where both ends round to the same.
    time = r"\d[\d.,]* ?(?:s|min|h)\b"
    text = re.sub(rf"\b(about )?{time}( to {time})?", "TIME", text)
    text = re.sub(r"COMPLETE|PRUNED", "FATE", text)
    text = re.sub(r"-?\d*\.?\d+(e-?\d+)?", "#", text)
    return {" ".join(line.split()) for line in text.splitlines() if line.strip()}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clone, in a folder with a blank in its name."""
    return fresh_clone(tmp_path_factory.mktemp("first hour"))


@pytest.mark.long
@pytest.mark.xdist_group("study")
def test_every_command_runs_in_the_state_in_which_its_reader_is(clone: Path) -> None:
    lines, done = [], set()
    for _, command in ALL:
        if _PLACEHOLDER.search(command) or command in (_SERVER, _THIS):
            continue
        if command not in done or command.startswith("source"):
            lines.append(command)
        done.add(command)
    ended = in_clean_shell("\n".join(lines), clone)
    assert ended.returncode == 0, ended.stdout[-4000:]
    report = clone / "results" / "demo" / "run-001" / "report" / "report.html"
    page = report.read_text()
    assert walls(page) == []
    words = first_screen(page)
    assert "α is the share of monolingual batches" in words
    assert 30 < len(words.split()) <= 70, words
    assert (clone / "runs" / "first" / "encoder").is_dir()

    # The tutorial shows what its commands print.
    tutorial = (ROOT / "docs" / "tutorial.md").read_text()
    shown = masked("".join(re.findall(r"^```text\n(.*?)^```", tutorial, re.M | re.S)))
    assert len(shown) > 10  # kinds of lines
    assert shown <= masked(ended.stdout), sorted(shown - masked(ended.stdout))

    # Every command that the study printed runs as it stands, without the environment activated.
    printed = re.findall(
        r"^(?:status|disk|report|new run|resume):\s+(\S*python .*)$", ended.stdout, re.M
    )
    assert printed
    again = in_clean_shell("\n".join(printed[:1]), clone)
    assert again.returncode == 0, again.stdout[-2000:]
    _serves(clone, next(iter(re.findall(r"^\s+(\S.* ui --host .*)$", ended.stdout, re.M))))


def _serves(clone: Path, command: str) -> None:
    """Start the printed command, and wait for its page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-c", f"exec {command} --port {port}"],
        cwd=clone,
        env={"HOME": str(clone), "PATH": "/usr/bin:/bin"},
        start_new_session=True,
    )
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
                    assert page.status == 200
                    return
            except OSError:
                assert server.poll() is None, f"{command} ended with {server.returncode}"
                time.sleep(0.2)
        raise AssertionError(f"{command}: no page")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
