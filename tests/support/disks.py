"""Small disks and write-protected paths, as the system makes them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def write_protected(path: Path) -> Iterator[str]:
    """Protect a file or folder from this user, root included; yield the command that mends it."""
    if os.geteuid() == 0:
        if subprocess.run(["chattr", "+i", path], capture_output=True).returncode:
            pytest.skip("root needs a file system with immutable files here")
        mend, command = ["chattr", "-i", str(path)], f"chattr -i {path}"
    else:
        path.chmod(0o500 if path.is_dir() else 0o400)
        mend = ["chmod", "u+rw", str(path)]
        command = f"chmod u+rw{'x' * path.is_dir()} {path}"
    try:
        yield command
    finally:
        subprocess.run(mend, check=True)


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system in memory; `options` such as ``size=5m``."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("root may mount a small disk, and may not here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
