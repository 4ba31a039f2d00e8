"""Writes requirements.lock and locks/: which versions are tested, and which files they are.

    python .ci/lock.py           the newest versions that pyproject.toml allows
    python .ci/lock.py --keep    those of requirements.lock, and of what is new

requirements.lock holds versions alone, so that one file serves every build of torch.
locks/GROUP.txt holds the hashes of all files of these versions, for every platform and Python;
torch and what its CUDA build brings are in locks/cuda.txt, and torch's CPU build in locks/cpu.txt.
Needs uv, as `make lock` installs it.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK, LOCKS = ROOT / "requirements.lock", ROOT / "locks"
# The dependencies of the library alone, which are no group.
LIBRARY = "library"
# Groups that are parts of others, and all together.
INNER = {"pytest", "dev"}
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_CUDA = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
_HEADING = """\
# The versions that hybridir was tested with, for Python 3.11 to 3.13. Written by `make lock`.
# The Makefile installs with these pins; without make, with pip 25.1 or newer:
#     python3 -m venv .venv
#     .venv/bin/python -m pip install --upgrade pip
#     .venv/bin/python -m pip install --constraint requirements.lock --editable . --group study
# torch's CUDA libraries are not listed: the CUDA build of torch pins its own.
# Hashes of the files are in locks/.
"""
_HASHED = """\
# Written by `make lock`, not by hand. With these hashes nothing but the tested files is installed:
#     make install HASHES=cuda
# or, without make:
#     pip install --require-hashes --no-deps --requirement {requirements}
"""


def compiled(group: str, constraints: Path | None) -> dict[str, str]:
    """Resolve a group for every platform; return each package's lines by its first one."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    command += ["--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"]
    command += ["--fork-strategy", "fewest"]  # one version of a package for every Python
    command += ["--constraint", str(constraints)] if constraints else []
    command += ["--group", group] if group != LIBRARY else []
    text = subprocess.check_output(
        [*command, "pyproject.toml", "--all-extras"], cwd=ROOT, text=True
    )
    blocks = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    return {block.partition(" ")[0]: block for block in blocks if "==" in block}


def _name(pin: str) -> str:
    return pin.partition("==")[0]


def pins(blocks: dict[str, str]) -> Iterator[str]:
    """Yield the versions that one file for every build of torch may name."""
    for requirement in blocks:
        # The Makefile chooses pip's own version.
        if not re.match(r"(triton|nvidia-|cuda-|pip=)", requirement):
            yield requirement.strip()


def write(path: Path, requirements: str, blocks: list[str]) -> None:
    """Write a file of hashes, with the requirements of the command that installs it."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(_HASHED.format(requirements=requirements) + "".join(blocks))
    print(f"{path.relative_to(ROOT)}: {len(blocks)} packages")


def cpu_build(version: str) -> str | None:
    """Return torch's CPU build with its hashes; None where its index cannot be reached."""
    try:
        page = urllib.request.urlopen(f"{CPU_INDEX}/torch/", timeout=30).read().decode()
    except OSError as error:
        print(f"locks/cpu.txt: not written, {CPU_INDEX}: {error}")
        return None
    hashes = re.findall(rf"torch-{re.escape(version)}%2Bcpu[^#\"]*#sha256=([0-9a-f]{{64}})", page)
    lines = [f"    --hash=sha256:{digest}" for digest in sorted(set(hashes))]
    return f"torch=={version}+cpu \\\n" + " \\\n".join(lines) + "\n"


def main() -> None:
    """Write all of them."""
    groups = list(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"])
    everything = compiled("dev", LOCK if "--keep" in sys.argv[1:] else None)
    LOCK.write_text(_HEADING + "".join(f"{pin}\n" for pin in sorted(pins(everything), key=_name)))
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        # CUDA's libraries as well, so that all groups have the same.
        constraints.write_text("".join(f"{name}\n" for name in everything if "==" in name))
        cuda: dict[str, str] = {}
        for group in (LIBRARY, *(group for group in groups if group not in INNER)):
            blocks = compiled(group, constraints)
            cuda |= {name: block for name, block in blocks.items() if _CUDA.match(name)}
            others = [block for name, block in blocks.items() if not _CUDA.match(name)]
            write(LOCKS / f"{group}.txt", f"locks/{group}.txt -r locks/cuda.txt", others)
    write(LOCKS / "cuda.txt", "locks/study.txt -r locks/cuda.txt", list(cuda.values()))
    (torch,) = [name for name in cuda if name.startswith("torch==")]
    if build := cpu_build(torch.removeprefix("torch==").strip()):
        extra = f"locks/study.txt -r locks/cpu.txt --extra-index-url {CPU_INDEX}"
        write(LOCKS / "cpu.txt", extra, [build])


if __name__ == "__main__":
    main()
