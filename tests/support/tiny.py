"""Tiny tables and configurations, trained within seconds."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from os import environ
from pathlib import Path
from typing import Any

from hybridir.config.trial import TrialConfig
from hybridir.data.pairs import Pairs
from hybridir.names import UNREPEATABLE

ROOT = Path(__file__).parents[2]


def pairs_of(rows: Sequence[tuple[str, str, str]]) -> Pairs:
    """A table of (question id, passage group, language); texts are made from these."""
    return Pairs(
        question_id=[question for question, _, _ in rows],
        passage_group=[group for _, group, _ in rows],
        language=[language for _, _, language in rows],
        question=[f"what is {question} in {language}" for question, _, language in rows],
        passage=[f"{question} is here in {language}" for question, _, language in rows],
    )


def crossing(questions: int, languages: str, passages: str, prefix: str = "") -> Pairs:
    """Questions in one language each, in turn; their passages are in another language."""
    codes = languages.split()
    rows = [(f"{prefix}q{n}", f"{prefix}g{n}", codes[n % len(codes)]) for n in range(questions)]
    return replace(pairs_of(rows), passage_language=[passages] * questions)


def parallel(questions: int, languages: str, prefix: str = "") -> Pairs:
    """Every question in every language, each with a passage group of its own."""
    return pairs_of(
        [
            (f"{prefix}q{number}", f"{prefix}g{number}", language)
            for number in range(questions)
            for language in languages.split()
        ]
    )


def settings(**sections: dict[str, Any]) -> dict[str, Any]:
    """Settings of a trial of ten steps; for changes: ``settings(batch={"batch_size": 32})``."""
    base: dict[str, Any] = {
        "data": {
            "train": {"synthetic": {"languages": 2, "entities": 30}},
            "report_on": ["synthetic-test"],
        },
        "encoder": {
            "from_scratch": {
                "layers": 1,
                "hidden_size": 32,
                "intermediate_size": 64,
                "heads": 2,
                "vocabulary": 600,
            },
            "query_length": 24,
            "passage_length": 32,
        },
        "batch": {"batch_size": 64},
        "training": {
            "pairs": 640,
            "learning_rate": 3e-3,
            "checkpoint_every": 3,
            "checkpoint_share": 1.0,
            "precision": "fp32",
        },
    }
    for section, changes in sections.items():
        base[section] = {**base.get(section, {}), **changes}
    return base


def trial(seed: int = 0, **sections: dict[str, Any]) -> TrialConfig:
    """`settings` as a configuration."""
    return TrialConfig.model_validate({**settings(**sections), "seed": seed})


def repeatable(metrics: dict[str, float]) -> dict[str, float]:
    """The figures that two runs of a configuration share to the last digit."""
    return {name: value for name, value in metrics.items() if name not in UNREPEATABLE}


def python(code: str, *arguments: str, hash_seed: int = 0) -> str:
    """Run code in another Python process from the checkout and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
