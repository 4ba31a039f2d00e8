"""Compiles a paper's folder."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pypdf import PdfReader


def compile_paper(folder: Path) -> str:
    """Compile ``paper.tex``, in which nothing may stick out; the text of its pages."""
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex on PATH: apt-get install texlive-latex-recommended")
    for _ in range(2):  # references are known in the second run
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
        )
        assert done.returncode == 0, done.stdout[-2000:]
    overfull = re.findall(r"Overfull \\hbox \(([\d.]+)pt", done.stdout)
    assert [points for points in overfull if float(points) > 1] == []
    assert "Float too large" not in done.stdout
    return "".join(page.extract_text() for page in PdfReader(folder / "paper.pdf").pages)
