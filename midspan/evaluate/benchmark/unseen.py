"""Keeping a benchmark apart from what models were trained on: the corpora of runs, and the past of a repository.

A file is *seen* if its text, white space aside, is in a corpus, or if at least `NEAR` of its fingerprints (see
`data.grams`) stand in one file of it: a near duplicate, or a part of something larger. Fingerprints that more than
`SHARED_BY` files of the benchmark have, as those of licence headers, do not count. A project leaves whole if the
corpus has one of its name, or if at least `SEEN_SHARE` of its files were seen. All splits of the corpus count.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from midspan.data.corpus import CORPUS_FILE, Document
from midspan.data.grams import Hashes, fingerprints
from midspan.data.guard import FEWEST, NEAR, SHARED_BY
from midspan.data.read import normal_digest
from midspan.data.sources import label
from midspan.data.sources.first_commits import first_commits
from midspan.data.who import load_index, shared
from midspan.errors import MidspanError
from midspan.recipe.sources import GitSource, Source

SEEN_SHARE = 0.2


def unseen(documents: Sequence[Document], corpus: Path, removed: Counter[str]) -> list[Document]:
    """The documents that the corpus in a stage's directory does not hold; the others are counted by reason.

    Raises MidspanError if there is no corpus.
    """
    file = corpus / CORPUS_FILE
    if not file.is_file():
        raise MidspanError(f"there is no corpus at {file}", "name a run whose stage `data` is done")
    table = pq.read_table(file, columns=["project", "sha256", "normal_sha256"])
    names = set(table["project"].to_pylist())
    digests = {digest for name in table.column_names[1:] for digest in table[name].to_pylist()}
    index = load_index(corpus)
    reasons: dict[int, str] = {}
    sizes = Counter(document.project for document in documents)
    seen: Counter[str] = Counter()
    for number, (document, prints) in enumerate(zip(documents, _telling(documents), strict=True)):
        most = max(shared(index, prints).values(), default=0)
        if document.sha256 in digests or normal_digest(document.text) in digests:
            reasons[number] = "in_training"
        elif len(prints) >= FEWEST and most >= NEAR * len(prints):
            reasons[number] = "near_in_training"
        seen[document.project] += number in reasons
    whole = {name for name in sizes if name in names or seen[name] >= SEEN_SHARE * sizes[name]}
    for number, document in enumerate(documents):
        if document.project in whole:
            reasons[number] = "project_in_training"
    removed.update(reasons.values())
    return [document for number, document in enumerate(documents) if number not in reasons]


def _telling(documents: Sequence[Document]) -> list[Hashes]:
    """The fingerprints of each document that are not boilerplate."""
    prints = [fingerprints(document.text) for document in documents]
    values, counts = np.unique(np.concatenate([np.zeros(0, np.uint64), *prints]), return_counts=True)
    boilerplate = values[counts > SHARED_BY]
    return [each[~np.isin(each, boilerplate)] for each in prints]


def newer(
    documents: Sequence[Document], sources: Sequence[Source], since: date, removed: Counter[str]
) -> list[Document]:
    """The documents that were not committed on `since` or before, as far as git says; the others are counted.

    Where there is no history, as in a package, nothing is known and nothing is left out.
    """
    days = {label(source): first_commits(source) for source in sources if isinstance(source, GitSource)}
    kept = []
    for document in documents:
        day = days.get(document.source, {}).get(document.path)
        if day is None or day > since:
            kept.append(document)
        else:
            removed["older"] += 1
    return kept
