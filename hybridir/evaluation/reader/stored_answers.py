"""Answers on disk, so that all trials of a study read each question and paragraph once.

A reader's answer follows from its files, the question and the paragraph alone. Each reader has a
folder in the cache, named by the digest of its files; each file in it holds the answers of one
stretch of reading and is named by its own digest, complete or absent.
One process at a time reads new pairs, and the others wait for its answers. A killed process loses
the stretch that it was reading.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path

from filelock import FileLock

from hybridir.data.load import FileStamp, file_stamps
from hybridir.encoder.third_party import folder_digest
from hybridir.evaluation.reader.model import load_reader, read_answers
from hybridir.evaluation.reader.windows import LENGTHS
from hybridir.runtime.files import atomic_write, remove_leftovers

_logger = logging.getLogger("hybridir")

# Pairs read between two writes: enough to sort them by length, few enough to repeat after a kill.
STRETCH = 1024


class StoredReader:
    """A reader whose answers are kept in a folder.

    Nothing is read from disk before the first call.

    Args:
        folder: a local Hugging Face folder of a question answering model.
        cache: folder of prepared data, shared by the trials of a machine.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder = folder
        self._cache = cache
        self._answers: dict[str, str] = {}
        self._opened: set[str] = set()

    def check(self) -> None:
        """Load the reader once for each cache, so that a mistake shows before any training.

        Raises:
            InputError: if the folder holds no usable reader.
        """
        if not self._answers_folder.is_dir():
            load_reader(self._folder)
            self._answers_folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, questions: Sequence[str], paragraphs: Sequence[str]) -> list[str]:
        """Answer each question from the paragraph of the same number.

        Args:
            questions: texts.
            paragraphs: as many texts.

        Returns:
            As many texts, see `hybridir.evaluation.reader.model.read_answers`.

        Raises:
            InputError: if the reader cannot be loaded.
            TrialError: if the model gives NaN.
        """
        pairs = list(zip(questions, paragraphs, strict=True))
        keys = [_key(*pair) for pair in pairs]
        pair_of = dict(zip(keys, pairs, strict=True))
        self._open_new_files()
        if not pair_of.keys() <= self._answers.keys():
            self._read_missing(pair_of)
        return [self._answers[key] for key in keys]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the reader's files."""
        return _digest(self._folder, file_stamps([self._folder]))

    @cached_property
    def _answers_folder(self) -> Path:
        settings = json.dumps([self.digest, asdict(LENGTHS)]).encode()
        return self._cache / f"answers-{hashlib.sha256(settings).hexdigest()[:24]}"

    def _read_missing(self, pair_of: dict[str, tuple[str, str]]) -> None:
        """Read the pairs that nobody has read, stretch by stretch."""
        folder = self._answers_folder
        folder.mkdir(parents=True, exist_ok=True)
        reader = None
        while True:
            # For each stretch anew: a process that waits takes over what is written meanwhile.
            with FileLock(folder.with_suffix(".lock")):
                self._open_new_files()
                missing = [key for key in pair_of if key not in self._answers][:STRETCH]
                if not missing:
                    return
                remove_leftovers(folder)
                reader = reader or load_reader(self._folder)
                questions, paragraphs = zip(*(pair_of[key] for key in missing), strict=True)
                answers = read_answers(reader, questions, paragraphs, LENGTHS)
                read = dict(zip(missing, answers, strict=True))
                content = json.dumps(read).encode()
                with atomic_write(folder / _file_name(content)) as partial:
                    partial.write_bytes(content)
                self._opened.add(_file_name(content))
                self._answers |= read

    def _open_new_files(self) -> None:
        for path in sorted(self._answers_folder.glob("*.json")):
            if path.name not in self._opened:
                content = path.read_bytes()
                if path.name == _file_name(content):
                    self._opened.add(path.name)
                    self._answers |= json.loads(content)
                else:  # whoever reads its paragraphs again writes the same file
                    _logger.warning("%s: damaged; its paragraphs are read again", path)


@lru_cache(maxsize=4)  # a gigabyte takes a second, and every trial asks
def _digest(folder: Path, stamps: tuple[FileStamp, ...]) -> str:
    return folder_digest(folder)


def _key(question: str, paragraph: str) -> str:
    text = f"{len(question)}\n{question}{paragraph}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _file_name(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()[:24]}.json"
