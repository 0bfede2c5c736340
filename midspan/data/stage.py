"""The stage `data`: from the recipe's sources to `corpus.parquet` and `report.json`.

Steps, cheap before dear: list files by `stat`; drop by language and size; cap each project; read, license, filter and
redact (resumable parts); drop duplicates; split by project; write. Reading and writing hold the text of one part at
a time, the search for near duplicates that of its candidates. The same files, settings and seed give the same bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from midspan.data.corpus import CORPUS_FILE, SPLITS
from midspan.data.duplicates import Entry, exact_duplicates, near_duplicates
from midspan.data.listing import list_candidates
from midspan.data.read import ROW_FIELDS, Tally, read_parts
from midspan.data.report import build_report
from midspan.data.sources import SourceProject, distributions, list_projects
from midspan.data.split import split_projects
from midspan.errors import MidspanError
from midspan.recipe.schema import DataConfig, EnvironmentSource
from midspan.recipe.stage import Metrics, StageContext
from midspan.syntax.languages import LANGUAGES

REPORT_FILE = "report.json"
ROW_GROUP = 1_024
CORPUS_SCHEMA = pa.schema([*ROW_FIELDS, pa.field("split", pa.string())])


def run(context: StageContext) -> Metrics:
    """Build the corpus in `context.work`.

    Raises MidspanError for missing or empty sources, unknown languages, a corpus without permissive files, and fewer
    than three projects.
    """
    config = context.recipe.data
    check_languages(config)
    listing = list_candidates(config)
    context.progress.log(f"data: {len(listing.candidates):,} files of {len(listing.projects):,} projects to read")
    parts, tally = read_parts(
        listing.candidates, config.filters, config.licence_tier, context.resume / "parts", context.progress
    )
    tally.add(listing.dropped)
    entries = list(_entries(parts))
    if not entries:
        raise _nothing_left(tally, listing.skipped)
    exact = exact_duplicates(entries)
    unique = [entry for entry in entries if entry.row not in exact]
    context.progress.log(f"data: looking for near duplicates among {len(unique):,} files")
    near = near_duplicates(parts, unique, config.duplicates)
    for entry in entries:
        if entry.row in exact or entry.row in near:
            tally.drop("exact_duplicate" if entry.row in exact else "near_duplicate", entry.bytes)
    kept = [entry for entry in unique if entry.row not in near]
    sizes: Counter[str] = Counter()
    for entry in kept:
        sizes[entry.project] += entry.bytes
    splits = split_projects(sizes, context.recipe.seed, config.valid_share, config.test_share)
    write_corpus(parts, {entry.row for entry in kept}, splits, context.work / CORPUS_FILE)
    report = build_report(context.work / CORPUS_FILE, listing, tally)
    text = json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False)
    (context.work / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
    return {
        "files": len(kept),
        "bytes": sum(sizes.values()),
        "projects": len(sizes),
        "duplicates": len(exact) + len(near),
        "redactions": sum(tally.redactions.values()),
        **{f"{split}_bytes": report["splits"][split]["bytes"] for split in SPLITS},
    }


def fingerprint(config: DataConfig) -> str:
    """Identity of what the sources hold: packages and versions, or paths, sizes and times; no file is read.

    Licence texts count as well as code: a project that changes its licence must not stay in the corpus.
    """
    digest = hashlib.sha256()
    for source in config.sources:
        if isinstance(source, EnvironmentSource):
            lines = [f"{name}=={version}" for name, version, _ in distributions(source)]
        else:
            lines = [
                f"{project.name}/{path}\0{size}\0{mtime_ns}\0{project.revision}"
                for project in list_projects([source])
                for path, size, mtime_ns in _stamps(project)
            ]
        digest.update("\n".join([source.model_dump_json(), *lines, ""]).encode())
    return digest.hexdigest()


def _stamps(project: SourceProject) -> Iterator[tuple[str, int, int]]:
    """(path, bytes, time of change) of the project's files, then of its licence texts."""
    for file in project.files:
        yield file.path, file.bytes, file.mtime_ns
    for directory, texts in sorted(project.licence_files.items()):
        for text in texts:
            status = text.lstat()
            yield f"{directory}/{text.name}", status.st_size, status.st_mtime_ns


def check_languages(config: DataConfig) -> None:
    """Raise MidspanError if the recipe names a language that does not exist."""
    unknown = sorted(set(config.languages) - set(LANGUAGES))
    if unknown:
        raise MidspanError(
            f"data.languages: unknown language {', '.join(unknown)}", f"known are {', '.join(sorted(LANGUAGES))}"
        )


def _entries(parts: Sequence[Path]) -> Iterator[Entry]:
    for part in parts:
        columns = ["row", "project", "path", "bytes", "normal_sha256"]
        for row in pq.read_table(part, columns=columns).to_pylist():
            yield Entry(**row)


def write_corpus(parts: Sequence[Path], rows: set[int], splits: dict[str, str], path: Path) -> None:
    """Write the kept rows, sorted by (split, project, path), in row groups of `ROW_GROUP`.

    The parts are in the order of (project, path), so one pass per split gives the order without holding the corpus.
    """
    wanted = pa.array(sorted(rows), pa.int64())
    with pq.ParquetWriter(path, CORPUS_SCHEMA, compression="zstd") as writer:
        pending = CORPUS_SCHEMA.empty_table()
        for split in sorted(SPLITS):
            names = pa.array([name for name, each in splits.items() if each == split], pa.string())
            for part in parts:
                table = pq.read_table(part)
                table = table.filter(
                    pc.and_(pc.is_in(table["row"], value_set=wanted), pc.is_in(table["project"], value_set=names))
                )
                table = table.append_column("split", pa.array([split] * len(table), pa.string()))
                pending = pa.concat_tables([pending, table.select(CORPUS_SCHEMA.names).cast(CORPUS_SCHEMA)])
                while len(pending) >= ROW_GROUP:
                    writer.write_table(pending.slice(0, ROW_GROUP).combine_chunks(), row_group_size=ROW_GROUP)
                    pending = pending.slice(ROW_GROUP)
        if len(pending):
            writer.write_table(pending.combine_chunks(), row_group_size=ROW_GROUP)


def _nothing_left(tally: Tally, skipped: Counter[str]) -> MidspanError:
    counts = Counter(tally.dropped_files) + skipped
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items(), key=lambda x: (-x[1], x[0])))
    return MidspanError(
        f"no file of the sources can be used ({reasons or 'no file at all'})",
        "add sources with a permissive licence, or change data.languages, data.licence_tier or data.filters",
    )
