"""What a reader needs beside a benchmark: the paragraphs of its passages, and the gold answers."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """Texts to read an answer out of, and the answers that would be right.

    Attributes:
        paragraphs: passage id -> text of the paragraph that the passage stands in.
        answers: (question id, language) -> gold answers, one or more.
    """

    paragraphs: Mapping[str, str]
    answers: Mapping[tuple[str, str], tuple[str, ...]]
