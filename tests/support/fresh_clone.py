"""A clone of this checkout as its reader has it, with the packages of this environment."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The commands of packages that pages name, by the module that has `main` or the like.
_SCRIPTS = {"hybridir": "hybridir.cli.main:main", "mlflow": "mlflow.cli:cli"}


def fresh_clone(folder: Path) -> Path:
    """Clone the repository, with what is not committed yet, and make its ``.venv``.

    The environment is what ``make install`` leaves, but for its packages: they are those of the
    Python that runs this.
    """
    clone = folder / "hybridir"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.check_output(listing, cwd=ROOT, text=True).split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    environment = clone / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = environment / "lib" / version / "site-packages"
    others = [path for path in sys.path if path.endswith("site-packages")]
    paths = [str(clone), *(others or [sysconfig.get_paths()["purelib"]])]
    (packages / "packages.pth").write_text("\n".join(paths))
    for name, target in _SCRIPTS.items():
        module, function = target.split(":")
        script = environment / "bin" / name
        # By a shell, as pip does it, since the folder's name may have blanks.
        call = f"from {module} import {function}; {function}()"
        script.write_text(f'#!/bin/sh\nexec "{environment}/bin/python" -c "{call}" "$@"\n')
        script.chmod(0o755)
    (environment / ".stamp-python").write_text(f"{clone}\n")
    (environment / ".stamp-study").touch()
    return clone


# Beside other tests, Ray's workers with Ray's own priority would wait for all of them.
_SPEED = ("OMP_NUM_THREADS", "RAY_worker_niceness")


def in_clean_shell(
    script: str, folder: Path, timeout: float = 1800
) -> subprocess.CompletedProcess[str]:
    """Run lines in a shell that knows nothing of this process's environment but its speed.

    Args:
        script: lines of bash; the first that fails ends it.
        folder: working directory.
        timeout: seconds.
    """
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        | {name: os.environ[name] for name in _SPEED if name in os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
