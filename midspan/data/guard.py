"""The evaluation guard: what training must not see of benchmarks and of the held-out projects.

Benchmarks are JSONL files; every text in a row counts, and the docstrings in it. A file is kept out if, white space
and case aside,

- it contains a text of a benchmark whole, of at least `SHORTEST` characters (BigCode's rule for docstrings and
  solutions, arXiv 2305.06161, section 3.4), or
- it shares a run of `LONG` characters with a longer one, or
- at least `NEAR` of the grams of a benchmark's whole program stand in it, in whatever order: a near duplicate. Copies
  with a Jaccard similarity of 0.7 over word 5-grams, one word changed in about fourteen, keep more than that.

Held-out projects: duplicates are dropped across projects before the split, so no whole copy is left on both sides. What
may be left is a file of the training split that holds most of a held-out file inside a larger one, a bundle for
example: it is kept out if at least `NEAR` of a held-out file's fingerprints (`grams`) stand in it, those aside that
many files share, such as licence headers.

Cost: one pass over the texts, about 40 MB/s on one core; memory for the grams of the benchmarks and the fingerprints of
the held-out files.
"""

import glob
import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from midspan.data.entries import Entry, tables
from midspan.data.grams import GRAM, Hashes, gram_hashes, normalised, winnow
from midspan.errors import MidspanError

BENCHMARK = "benchmark"
HELD_OUT = "held_out"
SHORTEST = 48
"""Characters of the shortest text that is looked for; many a solution of one line stands in every project."""
LONG = 128
NEAR = 0.5
FEWEST = 8
"""Fingerprints that a held-out file must have of its own; a shorter one, 300 characters or so, says too little."""
SHARED_BY = 8
"""Files that may have a fingerprint before it is taken for boilerplate."""
NAMES = frozenset({"task_id", "id", "entry_point", "name", "url", "repo", "path", "file_path", "language", "lang"})
"""Fields of a row that say which one it is."""
WHOLE = ("prompt", "canonical_solution", "suffix")
"""Fields that make a whole program, in this order (HumanEval-Infilling)."""

_FILTER_BITS = 22
_DOCSTRING = re.compile(r"(?s)(?:\"{3}|'{3})(.*?)(?:\"{3}|'{3})")


@dataclass(frozen=True)
class Piece:
    """One text of a benchmark, normalised; `whole` if it is a program of its own."""

    benchmark: str
    normal: bytes
    whole: bool


class Guard:
    """Finds what texts hold of benchmarks."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        unique = {piece.normal: piece for piece in pieces if len(piece.normal) >= SHORTEST}
        self._pieces = [unique[normal] for normal in sorted(unique)]
        hashes = [gram_hashes(np.frombuffer(piece.normal, np.uint8)) for piece in self._pieces]
        owners = np.repeat(np.arange(len(hashes)), [len(each) for each in hashes])
        known = np.concatenate([np.zeros(0, np.uint64), *hashes])
        order = np.argsort(known, kind="stable")
        self._hashes, self._owners = known[order], owners[order]
        self._sizes = [len(np.unique(each)) for each in hashes]
        self._filter = np.zeros(1 << _FILTER_BITS, np.bool_)
        self._filter[self._hashes >> np.uint64(64 - _FILTER_BITS)] = True

    def finds(self, text: str) -> str:
        """The benchmark of which a text holds too much, "" if of none."""
        normal = normalised(text)
        hashes = gram_hashes(normal)
        places = np.flatnonzero(self._filter[hashes >> np.uint64(64 - _FILTER_BITS)])
        if not len(places):
            return ""
        first = np.searchsorted(self._hashes, hashes[places])
        real = first < len(self._hashes)
        real[real] = self._hashes[first[real]] == hashes[places[real]]
        places = places[real]
        if not len(places):
            return ""
        return self._judge(bytes(normal), np.unique(hashes[places]), places)

    def _judge(self, text: bytes, found: Hashes, places: npt.NDArray[np.int64]) -> str:
        owners: Counter[int] = Counter()
        starts, ends = np.searchsorted(self._hashes, found), np.searchsorted(self._hashes, found, side="right")
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            owners.update(set(self._owners[start:end].tolist()))
        runs = _runs(places, LONG)
        for owner in sorted(owners):
            piece = self._pieces[owner]
            if piece.whole and owners[owner] >= NEAR * self._sizes[owner]:
                return piece.benchmark
            if len(piece.normal) <= LONG and piece.normal in text:
                return piece.benchmark
            if any(text[at : at + LONG] in piece.normal for at in runs):
                return piece.benchmark
        return ""


def _runs(places: npt.NDArray[np.int64], length: int) -> list[int]:
    """Where runs of so many characters begin whose every gram is known; a longer run begins at each of its places."""
    grams = length - GRAM + 1
    if len(places) < grams:
        return []
    begins = places[: len(places) - grams + 1]
    return [int(place) for place in begins[places[grams - 1 :] - begins == grams - 1]]


def benchmarks_folder() -> Path:
    """Where benchmarks are that a recipe names: $MIDSPAN_BENCHMARKS, or `benchmarks` in the current directory."""
    return Path(os.environ.get("MIDSPAN_BENCHMARKS", "benchmarks"))


def benchmark_rows(parts: Sequence[Path], entries: Sequence[Entry], guard: Guard) -> dict[int, str]:
    """The files that hold too much of a benchmark: row -> its name."""
    return {row: name for row, text in _texts(parts, entries) if (name := guard.finds(text))}


def held_out_rows(parts: Sequence[Path], entries: Sequence[Entry], splits: Mapping[str, str]) -> dict[int, str]:
    """The files of the training split that hold most of a held-out file: row -> that file's project and path."""
    train = [entry for entry in entries if splits[entry.project] == "train"]
    names = {entry.row: f"{entry.project}/{entry.path}" for entry in entries if splits[entry.project] != "train"}
    held_out = [entry for entry in entries if entry.row in names]
    return leaks(_texts(parts, train), ((names[row], text) for row, text in _texts(parts, held_out)))


def _texts(parts: Sequence[Path], entries: Sequence[Entry]) -> Iterator[tuple[int, str]]:
    for table in tables(parts, [entry.row for entry in entries], ["text"]):
        for row, text in zip(table["row"], table["text"], strict=True):
            yield row.as_py(), text.as_py()


def read_benchmarks(benchmarks: Sequence[str], folder: Path) -> Iterator[Piece]:
    """The pieces of benchmarks: names of folders in `folder`, or paths of folders or of JSONL files (`*`, gzip).

    Raises MidspanError for a benchmark that is not there, or is no JSONL.
    """
    for benchmark in benchmarks:
        for path in benchmark_files(benchmark, folder):
            name = path.name.removesuffix(".gz").removesuffix(".jsonl")
            for number, row in _json_rows(path):
                if not isinstance(row, dict):
                    raise MidspanError(f"{path}:{number} is not a JSON object", "a benchmark has one a line")
                texts = {key: text for key, text in row.items() if isinstance(text, str) and key not in NAMES}
                docstrings = [found[1] for text in texts.values() for found in _DOCSTRING.finditer(text)]
                for text in (*texts.values(), *docstrings):
                    yield Piece(name, bytes(normalised(text)), False)
                program = "".join(texts.get(key, "") for key in WHOLE) if WHOLE[0] in texts else "".join(texts.values())
                yield Piece(name, bytes(normalised(program)), True)


def benchmark_files(benchmark: str, folder: Path) -> list[Path]:
    """The files a benchmark of the recipe stands for, sorted. Raises MidspanError if there is none."""
    for pattern in (str(Path(benchmark).expanduser()), str(folder / benchmark)):
        paths = [Path(path) for path in sorted(glob.glob(pattern))]  # noqa: PTH207  (absolute patterns)
        files = [file for path in paths for file in (sorted(path.glob("*.jsonl*")) if path.is_dir() else [path])]
        if files:
            return files
    raise MidspanError(
        f"data.guard.benchmarks: there is no {benchmark}",
        f"give the path of a JSONL file, or put its folder into {folder} (MIDSPAN_BENCHMARKS)",
    )


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, json.loads(line)
    except (OSError, ValueError, EOFError) as error:
        raise MidspanError(f"cannot read the benchmark {path}: {error}", "it must be JSONL, gzip or not") from None


def leaks(train: Iterable[tuple[int, str]], held_out: Iterable[tuple[str, str]]) -> dict[int, str]:
    """Rows of training texts that hold most of a held-out text: row -> the held-out text's name."""
    prints = {name: winnow(gram_hashes(normalised(text))) for name, text in held_out}
    names = list(prints)
    known = np.concatenate([np.zeros(0, np.uint64), *prints.values()])
    owners = np.repeat(np.arange(len(names)), [len(each) for each in prints.values()])
    order = np.argsort(known, kind="stable")
    known, owners = known[order], owners[order]
    rows: list[int] = []
    matches: list[npt.NDArray[np.uint64]] = []
    for row, text in train:
        mine = winnow(gram_hashes(normalised(text)))
        shared = mine[_among(mine, known)]
        if len(shared):
            rows.append(row)
            matches.append(shared)
    found = np.concatenate([np.zeros(0, np.uint64), *matches])
    values, counts = np.unique(np.concatenate([np.unique(known), found]), return_counts=True)
    telling = ~_among(known, values[counts > SHARED_BY])
    known, owners = known[telling], owners[telling]
    sizes = np.bincount(owners, minlength=len(names))
    first, last = np.searchsorted(known, found), np.searchsorted(known, found, side="right")
    places = np.repeat(last - (last - first).cumsum(), last - first) + np.arange((last - first).sum())
    row_of = np.repeat(np.repeat(np.arange(len(rows)), [len(each) for each in matches]), last - first)
    pairs, hits = np.unique(row_of * len(names) + owners[places], return_counts=True)
    of, owner = np.divmod(pairs, max(1, len(names)))
    enough = (sizes[owner] >= FEWEST) & (hits >= NEAR * sizes[owner])
    leaked: dict[int, str] = {}
    for place, name in zip(of[enough].tolist(), owner[enough].tolist(), strict=True):
        leaked.setdefault(rows[place], names[name])
    return leaked


def _among(values: npt.NDArray[np.uint64], known: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which values are among the `known` ones, which are sorted: numpy's own `isin` would sort them at every call."""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    found: npt.NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found
