"""The benchmark as a directory, which can be kept, checked and passed on.

    manifest.json    version of the format, recipe, seed, counts, and the digests of the other two
    cases.parquet    the cases: where in which document, of what kind, with licence, source and revision
    corpus.parquet   the documents of the projects, all in the split `test`, read by `midspan.data.corpus`

A case holds offsets, in characters, into a document that is stored once: its prefix, middle and suffix are cut out of
it when the benchmark is read, so they make the document again by construction. Nothing in the directory depends on when
or where it was written. A directory whose digests do not fit is refused, never read in part.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

import midspan
from midspan.data.cases import Case
from midspan.data.corpus import CORPUS_FILE, Document, projects
from midspan.errors import MidspanError
from midspan.recipe.disk import sync
from midspan.recipe.section import Section

MANIFEST_FILE = "manifest.json"
CASES_FILE = "cases.parquet"
Format = Literal["midspan-benchmark"]
FORMAT: Format = "midspan-benchmark"
VERSION = 1
SPLIT = "test"

_TEXTS = ("id", "project", "path", "language", "kind", "unit", "licence", "source", "revision")
CASES_SCHEMA = pa.schema(
    [*(pa.field(name, pa.string()) for name in _TEXTS), pa.field("start", pa.int64()), pa.field("end", pa.int64())]
)
DOCUMENTS_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("project", "path", "language", "text", "licence", "source")),
        *(pa.field(name, pa.string()) for name in ("revision", "sha256", "split")),
        pa.field("repeats", pa.float64()),
    ]
)
ROW_GROUP = 1_024


class Manifest(Section):
    """What a benchmark is. `strata` counts cases by language and kind, `removed_` what was left out by reason."""

    format: Format = FORMAT
    version: int = VERSION
    name: str
    seed: int
    code: str = midspan.__version__
    recipe: dict[str, Any]
    not_in: list[str]
    """SHA-256 of each corpus that the documents were kept apart from."""
    projects: int
    documents: int
    cases: int
    strata: dict[str, dict[str, int]]
    removed_files: dict[str, int]
    removed_cases: dict[str, int]
    files: dict[str, str]
    """SHA-256 of each file beside the manifest."""


@dataclass(frozen=True)
class Benchmark:
    """A benchmark that was read whole; `cases` are in the order of (project, path, place)."""

    path: Path
    manifest: Manifest
    cases: list[Case]

    def projects(self) -> Iterator[tuple[str, list[Document]]]:
        """Every project with its documents, in the order of names; read from disk at each call."""
        return projects(self.path, SPLIT)


def write_benchmark(
    path: Path,
    cases: Iterable[Case],
    documents: Iterable[Document],
    *,
    name: str,
    seed: int,
    recipe: dict[str, Any],
    removed_files: dict[str, int],
    removed_cases: dict[str, int],
    not_in: Sequence[str] = (),
) -> Benchmark:
    """Write a benchmark to `path`, which must be new, and return it. Raises MidspanError if it is not, or cannot be."""
    if path.exists():
        raise MidspanError(f"{path} is there already", "name a directory that is not, with --out")
    ordered = sorted(cases, key=lambda case: (case.project, case.path, len(case.prefix), case.id))
    kept = sorted(documents, key=lambda document: (document.project, document.path))
    strata: dict[str, Counter[str]] = {}
    for case in ordered:
        strata.setdefault(case.language, Counter())[case.kind] += 1
    aside = path.with_name(f".{path.name}.partial")
    try:
        aside.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.Table.from_pylist([_row(case) for case in ordered], CASES_SCHEMA), aside / CASES_FILE, compression="zstd"
        )
        table = pa.Table.from_pylist([asdict(document) for document in kept], DOCUMENTS_SCHEMA)
        pq.write_table(table, aside / CORPUS_FILE, compression="zstd", row_group_size=ROW_GROUP)
        manifest = Manifest(
            name=name,
            seed=seed,
            recipe=recipe,
            not_in=list(not_in),
            projects=len({document.project for document in kept}),
            documents=len(kept),
            cases=len(ordered),
            strata={language: dict(sorted(kinds.items())) for language, kinds in sorted(strata.items())},
            removed_files=dict(sorted(removed_files.items())),
            removed_cases=dict(sorted(removed_cases.items())),
            files={file: digest_of(aside / file) for file in (CASES_FILE, CORPUS_FILE)},
        )
        text = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
        (aside / MANIFEST_FILE).write_text(text, encoding="utf-8")
        for file in (CASES_FILE, CORPUS_FILE, MANIFEST_FILE):
            sync(aside / file)
        aside.rename(path)
    except OSError as error:
        raise MidspanError(f"cannot write the benchmark {path}: {error.strerror}") from None
    return Benchmark(path, manifest, ordered)


def read_benchmark(path: Path) -> Benchmark:
    """The benchmark in a directory. Raises MidspanError if there is none, or one that is damaged or of a newer version.

    Every file is checked against its digest first. Cost: one pass over the documents.
    """
    manifest = read_manifest(path)
    for file, digest in manifest.files.items():
        if digest_of(path / file) != digest:
            raise MidspanError(f"{path / file} is not what the benchmark was written with", "get or build it again")
    rows = pq.read_table(path / CASES_FILE).to_pylist()
    wanted = {(row["project"], row["path"]) for row in rows}
    texts = {
        (document.project, document.path): document.text
        for _, documents in projects(path, SPLIT)
        for document in documents
        if (document.project, document.path) in wanted
    }
    return Benchmark(path, manifest, [_case(row, texts[row["project"], row["path"]]) for row in rows])


def read_manifest(path: Path) -> Manifest:
    """What the benchmark in a directory is, its files unread. Raises MidspanError if it is none that we can read."""
    file = path / MANIFEST_FILE
    try:
        table = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise MidspanError(
            f"{path} is no benchmark: it has no {MANIFEST_FILE}", "`midspan eval build` makes one"
        ) from None
    except (OSError, ValueError) as error:
        raise MidspanError(f"cannot read {file}: {error}", "get or build the benchmark again") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise MidspanError(f"{path} is no benchmark: {MANIFEST_FILE} is of something else", "check the path")
    version = table.get("version")
    if isinstance(version, int) and version > VERSION:
        raise MidspanError(
            f"{path} is a benchmark of version {version}; this Midspan reads versions up to {VERSION}",
            "update Midspan, or build the benchmark with this one",
        )
    try:
        return Manifest.model_validate(table)
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"]))
        raise MidspanError(f"{file} is damaged: {where}: {detail['msg']}", "get or build the benchmark again") from None


def digest_of(file: Path) -> str:
    """SHA-256 of a file of a benchmark. Raises MidspanError if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise MidspanError(f"cannot read {file}: {error.strerror}", "get or build the benchmark again") from None


def _row(case: Case) -> dict[str, Any]:
    start = len(case.prefix)
    return {name: getattr(case, name) for name in _TEXTS} | {"start": start, "end": start + len(case.middle)}


def _case(row: dict[str, Any], text: str) -> Case:
    start, end = row.pop("start"), row.pop("end")
    return Case(prefix=text[:start], middle=text[start:end], suffix=text[end:], **row)
