"""A parallel table as a user has it, and its figures from full rankings in plain Python."""

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

LANGUAGES = ("de", "en", "pl")
QUESTIONS = 60
_WORDS = {
    "de": "haus berg fluss stern vogel markt brot licht wald garten lied brief zug turm".split(),
    "en": "house hill river star bird market bread light forest garden song letter tower".split(),
    "pl": "dom góra rzeka gwiazda ptak targ chleb światło las ogród pieśń list wieża".split(),
}

Cell = tuple[str, str, str]
"""(setting, question language, pool language)."""


@dataclass(frozen=True)
class OwnTable:
    """Two files, and what they mean.

    Attributes:
        path: the questions with their passages.
        more: passages for the pools alone, and translations of some answers.
        queries: (question id, language) -> text.
        pools: language -> texts of all its passages.
        relevant: question id -> (language, text) of all passages that answer it.
    """

    path: Path
    more: Path
    queries: dict[tuple[str, str], str]
    pools: dict[str, list[str]]
    relevant: dict[str, set[tuple[str, str]]]


def write_own_table(folder: Path, seed: int = 1, prefix: str = "q") -> OwnTable:
    """Write 60 questions in three languages; some have two passages, some share one.

    Every fifth question has a second passage in each language. Every seventh lacks a row in the
    last language, whose passage is in the second file. That has twenty more passages a language.
    """
    rng = random.Random(seed)

    def text(language: str, words: int, end: str) -> str:
        chosen = [rng.choice(_WORDS[language]) for _ in range(words)]
        return f"{' '.join(chosen).capitalize()} {rng.randrange(10**6)}{end}"

    table = OwnTable(folder / "mine.csv", folder / "more.csv", {}, {}, {})
    rows, more = [], []
    for number in range(QUESTIONS):
        key = f"{prefix}{number}"
        table.relevant[key] = set()
        for language in LANGUAGES:
            passages = [text(language, 9, ".")]
            passages += [text(language, 9, ".")] * (number % 5 == 0)
            table.relevant[key] |= {(language, passage) for passage in passages}
            if number % 7 == 0 and language == LANGUAGES[-1]:
                more += [(language, passage, key) for passage in passages]
                continue
            question = table.queries[key, language] = text(language, 4, "?")
            rows += [(key, language, question, passage) for passage in passages]
    # A question on the passages of another one.
    copied = [row for row in rows if row[0] == f"{prefix}1"]
    for _, language, _, passage in copied:
        key = f"{prefix}copy"
        question = table.queries[key, language] = text(language, 4, "?")
        table.relevant.setdefault(key, set()).add((language, passage))
        rows.append((key, language, question, passage))
    more += [(language, text(language, 9, "."), "") for language in LANGUAGES for _ in range(20)]
    for path, heads, content in (
        (table.path, ("question_id", "language", "question", "passage"), rows),
        (table.more, ("language", "passage", "passage_group"), more),
    ):
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([heads, *content])
    for language in LANGUAGES:
        texts = [row[3] for row in rows if row[1] == language]
        texts += [row[1] for row in more if row[0] == language]
        table.pools[language] = list(dict.fromkeys(texts))
    return table


def embed(path: Path, texts: list[str], prefix: str, length: int) -> np.ndarray:
    """Embed each text alone with transformers: the mean over its tokens, of length 1."""
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()
    vectors = []
    with torch.inference_mode():
        for text in texts:
            tokens = tokenizer(
                f"{prefix}{text}", truncation=True, max_length=length, return_tensors="pt"
            )
            vector = model(**tokens).last_hidden_state[0].mean(dim=0).double()
            vectors.append((vector / vector.norm()).numpy())
    return np.stack(vectors)


def figures(
    table: OwnTable,
    queries_of: Callable[[list[str]], np.ndarray],
    passages_of: Callable[[list[str]], np.ndarray],
) -> dict[Cell, dict[str, list[float]]]:
    """Measures of every question in every pool, from full rankings.

    Args:
        table: questions, pools and relevance.
        queries_of: embeds questions.
        passages_of: embeds passages.

    Returns:
        For each cell the values of its questions, by measure.
    """
    passages = [(code, text) for code in LANGUAGES for text in table.pools[code]]
    passages_ND = passages_of([text for _, text in passages])
    queries_QD = queries_of(list(table.queries.values()))
    result: dict[Cell, dict[str, list[float]]] = {}
    for (key, own), query_D in zip(table.queries, queries_QD, strict=True):
        scores = passages_ND @ query_D
        ranked = [passages[index] for index in np.argsort(-scores)]
        for pool in (*LANGUAGES, "all"):
            ranking = [passage for passage in ranked if pool in ("all", passage[0])]
            ranks = [n for n, passage in enumerate(ranking, 1) if passage in table.relevant[key]]
            setting = "multilingual" if pool == "all" else "crosslingual"
            setting = "monolingual" if pool == own else setting
            values = {
                "map": fmean(hits / rank for hits, rank in enumerate(ranks, start=1)),
                "mrr": 1 / ranks[0],
                "set_f1": sum(rank <= len(ranks) for rank in ranks) / len(ranks),
                "recall_at_10": sum(rank <= 10 for rank in ranks) / len(ranks),
            }
            if pool == "all":
                best = ranking[ranks[0] - 1]
                values |= {
                    "rank_distance": ranks[-1] - ranks[0],
                    "max_at_r": ranks[-1],
                    "complete_at_r": ranks[-1] <= len(ranks),
                    "top1_own_language": ranking[0][0] == own,
                    "language_preference": best[0] == own,
                    "top1_right_own": ranks[0] == 1 and ranking[0][0] == own,
                }
            of_cell = result.setdefault((setting, own, pool), {})
            for measure, value in values.items():
                of_cell.setdefault(measure, []).append(float(value))
    return result


def macro(cells: dict[Cell, dict[str, list[float]]], measure: str, setting: str) -> float:
    """The mean over cells of the means over their questions."""
    return fmean(fmean(values[measure]) for (of, _, _), values in cells.items() if of == setting)
