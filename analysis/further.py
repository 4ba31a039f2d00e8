"""What a benchmark's report says beyond the confirmed curve."""

import numpy as np

from analysis import frames
from analysis.contents import Section
from analysis.gains import gains_section
from analysis.load import Study
from analysis.parts import parts_of
from analysis.scores import Key, Scores
from analysis.tradeoff import tradeoff_section
from analysis.variance import variance_section


def more_sections(
    study: Study, benchmark: str, scores: dict[Key, Scores], generator: np.random.Generator
) -> list[Section]:
    """Report who gains, and what the figures vary with.

    Args:
        study: the study.
        benchmark: its name.
        scores: `scores.collect_scores`, with mAP in one setting at least.
        generator: source of the draws.

    Returns:
        The sections for which there are enough trials.
    """
    parts = parts_of(frames.confirmed_trials(study))
    each = frames.confirmed_scores(study, benchmark, each_seed=True) if parts else scores
    sections = [
        tradeoff_section(benchmark, scores),
        gains_section(study, benchmark, scores),
        variance_section(benchmark, scores, each, parts, generator),
    ]
    return [section for section in sections if section is not None]
