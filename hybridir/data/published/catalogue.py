"""The published data that ``hybridir data prepare`` knows, each declared at a pinned commit.

Commits, paths and columns come from public listings, which each declaration names. Nothing here
runs code of a repository: files are fetched as they are and read with pyarrow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from hybridir.errors import InputError

Layout = Literal["lareqa", "squad", "mteb", "parallel", "generated", "generated-english"]


@dataclass(frozen=True)
class Source:
    """Files of one repository at one commit.

    Attributes:
        repository: ``owner/name``.
        revision: the commit that pins the files, 40 hexadecimal digits.
        files: kind of content -> path in the repository. ``{config}`` stands for the language, and
            the name of a file may have wildcards. A path without ``{config}`` belongs to all
            languages.
        configs: language code -> the repository's name of the language.
        host: the Hugging Face hub, where the repository is a data set, or GitHub.
        sha256: path -> SHA-256 of the file. The hub states those of its files itself.
    """

    repository: str
    revision: str
    files: Mapping[str, str]
    configs: Mapping[str, str]
    host: Literal["hub", "github"] = "hub"
    sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Declaration:
    """One published data set.

    Attributes:
        name: used on the command line.
        kind: origin of the questions, in a few words.
        layout: of its files; see `hybridir.data.published.convert`.
        sources: repositories of the files; each language is in one of them.
        row: content of one row of the training table.
        licence: as its publisher states it.
        citation: a paper.
        relies_on: the public sources of schema, paths and commits.
        notes: caveats for training on it.
        rows: published number of rows, if stated.
    """

    name: str
    kind: str
    layout: Layout
    sources: tuple[Source, ...]
    row: str
    licence: str
    citation: str
    relies_on: str
    notes: str
    rows: str | None = None

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of all its languages, sorted."""
        return tuple(sorted({code for source in self.sources for code in source.configs}))

    def at(self, revision: str) -> "Declaration":
        """The same data at another commit of the first repository.

        Raises:
            InputError: if the files have a SHA-256 of their own commit.
        """
        first, *further = self.sources
        if first.sha256:
            raise InputError(
                f"{self.name}: its files are checked against their SHA-256 at {first.revision}; "
                "leave --revision out"
            )
        return replace(self, sources=(replace(first, revision=revision), *further))


_XQUAD_R = """
ar c52922d3b8ac1ae03ed5ac38647ad59870dca3dda2beefe18ecdc30729acb69d
de 16fb0f4bf4916154b585a20c24c66074591c9718a1affe764ff4697572328949
el 163fd43ee785a30eb534ae2061e9eaa766a7ee4e8ffce5e4b422480c150f64b6
en 7b0954f39297c27a31fef610f0883337dd2907fa8699151dc922afdd0fa12ffe
es f8e836b2d91009c4363e04315f7ede363eedbbb49c67dda60de6c4aa782f58de
hi ea45ba8ae4513d1533b222bebdc02a90bc319c055d3aeea68584a053d2e92872
ru 7f4dff853538b9a5fcc28c070b8bb983a5c5d190ac747b8e005a1ada9cab18f1
th c3a041864c3a9fb0b4dd91cfdf99cf36b411b3e704c58a303c97bc6dc786cfe4
tr f3e8c13002bbce154a4578f535f7533cb70f3da08840e6b62735935baec7bd94
vi e35926bf5cc6fc6ecbdfca49467aabeb454f08d152d7818143a906bd31dde995
zh 80c2cde7b9c2fb134c303cbb52f2ba396ead9eb0014aec43993543d2ba9e93ed
"""
_MLQA_R = """
ar 2132fbc03208535c0fe01f2e2c5121d06f9c2aa799af93b0a719dbc105bdf137
de ce9454dc5aa6f2d85c23cd6e49cb367fbb7c4c6e62d7f71e355c6b5dae4d0886
en fedd9a5cc0848dda80caf84aa36f482adaae230526a3f6e9e86926a93ef3b1e4
es 70ecba276b8c96a692b120693a595d076ce94ad21d4b28311538a9fcbfe0f9d7
hi 4dd0fb3c06f737a5481d705bc1dcac7876712a5815c9265908fbb3a0696cb654
vi 9d3baff6ba03e6793b25594217265ea59a136b9733833dca8a9582a84a78ff85
zh 57f01d2fff50cf3392805635b01445339f225ad5bf28ba8443b12f8dbd1e69dc
"""


def _lareqa(
    name: str, revision: str, checksums: str, rows: str, licence: str, notes: str
) -> Declaration:
    sha256 = dict(line.split() for line in checksums.split("\n") if line)
    source = Source(
        repository="google-research-datasets/lareqa",
        revision=revision,
        files={"rows": f"{name}/{{config}}.json"},
        configs={code: code for code in sha256},
        host="github",
        sha256={f"{name}/{code}.json": digest for code, digest in sha256.items()},
    )
    return Declaration(
        name=name,
        kind="questions with their sentence",
        layout="lareqa",
        sources=(source,),
        row="a question and the sentence that answers it; the files themselves are written",
        licence=licence,
        citation="Roy et al. 2020, arXiv 2004.05484",
        relies_on="the repository at that commit; SHA-256 of every file is checked",
        notes=notes,
        rows=rows,
    )


XQUAD_R = _lareqa(
    "xquad-r",
    "9bc8c7fb6dd8d01d72a05a93c2cb96882b0d299c",
    _XQUAD_R,
    rows="13,090 questions",
    licence="CC BY-SA 4.0",
    notes="a benchmark; FOLDER is the data_root of a study",
)
MLQA_R = _lareqa(
    "mlqa-r",
    "354d67d1cd066854cdfbf5ad0e6105528976141d",
    _MLQA_R,
    rows="4,199 questions",
    licence="CC BY-NC 4.0",
    notes="removed from later commits; FOLDER is the data_root of a study",
)

SQUAD = Declaration(
    name="squad-translate-train",
    kind="machine-translated questions on paragraphs",
    layout="squad",
    sources=(
        Source(
            repository="juletxara/xquad_xtreme",
            revision="6a3656b11214b40e037f5e8e3b9c32d59a680134",
            files={"rows": "{config}/xquad_xtreme-translate_train.parquet"},
            configs={code: code for code in "ar de el es hi ru th tr vi zh".split()},
        ),
        Source(
            repository="rajpurkar/squad",
            revision="7b6d24c440a36b6815f21b70d25016731768db1f",
            files={"rows": "plain_text/train-*.parquet"},
            configs={"en": "plain_text"},
        ),
    ),
    row="a question of SQuAD v1.1's training set and the whole paragraph that answers it",
    licence="CC BY-SA 4.0",
    citation="Hu et al. 2020, arXiv 2003.11080; Rajpurkar et al. 2016, arXiv 1606.05250",
    relies_on="the commit's own list of files: one of the commits that converted the data to "
    "Parquet, an ancestor of refs/convert/parquet. English, which has no translate_train there, "
    "comes from SQuAD itself; the translations keep its question ids",
    notes="passages are paragraphs, not the sentences that LAReQA retrieves. The translate_dev "
    "split is not offered: it holds XQuAD's own questions",
    rows="87,599 questions in English",
)

MMARCO = Declaration(
    name="mmarco",
    kind="machine-translated web questions",
    layout="parallel",
    sources=(
        Source(
            repository="unicamp-dl/mmarco",
            revision="4618200568100aa0bf7fbf494d8d022e7ecab9a6",
            files={
                "triples": "data/triples.train.ids.small.tsv",
                "queries": "data/google/queries/train/{config}_queries.train.tsv",
                "corpus": "data/google/collections/{config}_collection.tsv",
            },
            configs={
                "ar": "arabic",
                "de": "german",
                "en": "english",
                "es": "spanish",
                "fr": "french",
                "hi": "hindi",
                "id": "indonesian",
                "it": "italian",
                "ja": "japanese",
                "nl": "dutch",
                "pt": "portuguese",
                "ru": "russian",
                "vi": "vietnamese",
                "zh": "chinese",
            },
        ),
    ),
    row="a training question of MS MARCO and the first passage that the triples pair it with",
    licence="Apache-2.0 (as others report); MS MARCO itself: non-commercial research",
    citation="Bonifacio et al. 2021, arXiv 2108.13897",
    relies_on="the repository's file listing at that commit and its loading script, for the form "
    "of the files; the script is not run",
    notes="2 to 8 GB a language and 1 GB of triples are downloaded. The triples' negatives are "
    "not used: batches have their own",
)

MR_TYDI = Declaration(
    name="mr-tydi",
    kind="questions asked in their language",
    layout="mteb",
    sources=(
        Source(
            repository="mteb/mrtidy",
            revision="fc24a3ce8f09746410daee3d5cd823ff7a0675b7",
            files={
                "queries": "{config}-queries/train-*.parquet",
                "qrels": "{config}-qrels/train-*.parquet",
                "corpus": "{config}-corpus/train-*.parquet",
            },
            configs={
                "ar": "arabic",
                "bn": "bengali",
                "en": "english",
                "fi": "finnish",
                "id": "indonesian",
                "ja": "japanese",
                "ko": "korean",
                "ru": "russian",
                "sw": "swahili",
                "te": "telugu",
                "th": "thai",
            },
        ),
    ),
    row="a training question and the first passage of Wikipedia that was judged relevant",
    licence="CC BY-SA 3.0 (MTEB's card), Apache-2.0 (its authors' card)",
    citation="Zhang et al. 2021, arXiv 2108.08787",
    relies_on="the revision and the columns in the source of mteb, the folders in the hub's "
    "listings",
    notes="no question exists in two languages, so it fills monolingual batches alone. The whole "
    "corpus of a language is downloaded",
)

MKQA = Declaration(
    name="mkqa",
    kind="translated questions with short answers",
    layout="mteb",
    sources=(
        Source(
            repository="mteb/MKQARetrieval",
            revision="3e069e7a30079d214a859741f5a0de75cf878867",
            files={
                "queries": "{config}-queries/train-*.parquet",
                "qrels": "{config}-qrels/train-*.parquet",
                "corpus": "{config}-corpus/train-*.parquet",
            },
            configs={
                **{code: code for code in "ar de en es fi fr it ja ko nl pt ru th tr vi".split()},
                "zh": "zh_cn",
            },
        ),
    ),
    row="a question and the first of its short answers, such as a name or a date",
    licence="CC BY 3.0 (MTEB's card)",
    citation="Longpre et al. 2021, arXiv 2007.15207",
    relies_on="the revision and the languages in the source of mteb; folders and columns are "
    "those of all data sets that mteb publishes",
    notes="made to evaluate; its answers are no passages. mteb numbered the questions of each "
    "language by themselves, so translations cannot be told and it fills monolingual batches "
    "alone. da he hu km ms no pl sv and Chinese of Hong Kong and Taiwan are left out",
)

_SWIM_IR_NOTE = (
    "the questions were written by a language model; a row with the _id of an earlier row is a "
    "question of its own"
)

SWIM_IR = Declaration(
    name="swim-ir-monolingual",
    kind="generated questions on Wikipedia",
    layout="generated",
    sources=(
        Source(
            repository="nthakur/swim-ir-monolingual",
            revision="834c20f0ceef6a68e029fb4447d17d20bb0288c3",
            files={"rows": "{config}/train-*.parquet"},
            configs={code: code for code in "ar bn de en es fi fr hi id yo".split()},
        ),
    ),
    row="a generated question and the passage of Wikipedia, with its title, that it was made of",
    licence="CC BY-SA 4.0",
    citation="Thakur et al. 2023, arXiv 2311.05800",
    relies_on="the repository's card and file listing at that commit",
    notes=f"{_SWIM_IR_NOTE}. No question exists in two languages, so it fills monolingual "
    "batches alone",
    rows="277,651 ar, 106,816 bn, 446,918 de, 501,538 en, others unknown here",
)

SWIM_IR_CROSS = Declaration(
    name="swim-ir-cross-lingual",
    kind="generated questions on English Wikipedia",
    layout="generated-english",
    sources=(
        Source(
            repository="nthakur/swim-ir-cross-lingual",
            revision="1d4d91d3bb020536b4a88cc4982ae4f9dc87cc5e",
            files={"rows": "{config}/train-*.parquet"},
            configs={
                code: code for code in "ar bn de es fa fi fr hi id ja ko ru sw te th yo zh".split()
            },
        ),
    ),
    row="a generated question and the passage of English Wikipedia, with its title, that it was "
    "made of",
    licence="CC BY-SA 4.0",
    citation="Thakur et al. 2023, arXiv 2311.05800",
    relies_on="the repository's file listing at that commit",
    notes=f"{_SWIM_IR_NOTE}. Its passages are English whatever the language of the question, so "
    "it fills cross-lingual batches alone",
)

DECLARED = {
    declaration.name: declaration
    for declaration in (XQUAD_R, MLQA_R, SQUAD, MMARCO, MR_TYDI, MKQA, SWIM_IR, SWIM_IR_CROSS)
}
