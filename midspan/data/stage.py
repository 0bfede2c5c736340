"""The stage `data`: from the recipe's sources to `corpus.parquet`, `dropped.parquet`, `report.json` and
`report.html`.

The way of a file, cheap steps before dear ones:

1. Sources are listed; opt-out, language, size and the cap on a project drop files unread.
2. What is left is read in resumable parts (`read`): text redacted, licence, cheap signals. The parts stay beside the
   run in `.parts`, named by what they hold, until a build no longer uses them: a threshold that changes reads nothing
   again.
3. Over the stored columns: licence policy and cheap filters, benchmarks (`guard`), duplicates.
4. What takes long is measured last (`measure`), of the files that are left, and the other filters are held against it.
   A file that goes here takes its duplicates along: they are the same text, or nearly.
5. The split by project, what would leak from held-out projects (`guard`), and the mix.
6. The corpus is written, and a report of what happened to whom and why.

Reading and writing hold the text of one part at a time, the search for near duplicates that of its candidates. The same
files, settings and seed give the same bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.commits import write_commits
from midspan.data.corpus import CORPUS_FILE, SPLITS
from midspan.data.dataframe import start_runner
from midspan.data.drops import DROPPED_FILE, Drops, write_drops
from midspan.data.duplicates import find_clusters
from midspan.data.entries import Entry, entries, tables
from midspan.data.filters.rules import Filters, Refusal
from midspan.data.filters.signals import Signals, dear_columns
from midspan.data.forks import Kinship, families, related_projects
from midspan.data.guard import (
    BENCHMARK,
    HELD_OUT,
    Guard,
    benchmark_rows,
    benchmarks_folder,
    held_out_rows,
    read_benchmarks,
)
from midspan.data.licence import Licence, licence_refusal
from midspan.data.listing import Listing, list_candidates
from midspan.data.measure import measure, measures, signals_of
from midspan.data.mix import Group, repeats
from midspan.data.opt_out import read_opt_out
from midspan.data.read import FILE_FIELDS, read_parts
from midspan.data.report import build_report, lineage
from midspan.data.report_page import write_report_page
from midspan.data.split import split_projects
from midspan.errors import MidspanError
from midspan.recipe.schema import DataConfig, DuplicateConfig, MixConfig
from midspan.recipe.stage import Metrics, StageContext
from midspan.syntax.languages import LANGUAGES

REPORT_FILE = "report.json"
REPORT_PAGE = "report.html"
PARTS = ".parts"
ROW_GROUP = 1_024
CORPUS_SCHEMA = pa.schema(
    [
        *FILE_FIELDS,
        *(pa.field(name, kind) for name, kind in dear_columns().items()),
        pa.field("text", pa.string()),
        pa.field("split", pa.string()),
        pa.field("repeats", pa.float64()),
    ]
)


def run(context: StageContext) -> Metrics:
    """Build the corpus in `context.work`.

    Raises MidspanError for unknown languages, a cluster that does not answer, sources that are all broken or hold no
    permissive file, and fewer than three projects.
    """
    config = context.recipe.data
    check_languages(config)
    processes = start_runner()
    drops = Drops()
    refused = read_opt_out(config.opt_out)
    listing = list_candidates(config, refused, drops)
    for broken in listing.broken:
        context.progress.log(f"data: left out {broken.source}: {broken.reason}")
    context.progress.log(f"data: {len(listing.candidates):,} files of {len(listing.projects):,} projects to read")
    folder = context.work.parent / PARTS
    parts = read_parts(listing.candidates, refused, folder, processes, context.progress)
    kept: list[Entry] = []
    filters = Filters(config.filters)
    contents: dict[str, hashlib._Hash] = {}
    for entry, signals in entries(parts):
        digest = contents.setdefault(entry.source, hashlib.sha256())
        digest.update(f"{entry.project}\0{entry.path}\0{entry.source_sha256}\n".encode())
        if why := refusal(entry, signals, config, filters):
            drops.add(entry, why.reason, why.detail)
        else:
            kept.append(entry)
    if not kept:
        raise _nothing_left(drops, listing)
    benchmarks = config.guard.benchmarks
    guard = Guard(read_benchmarks(benchmarks, benchmarks_folder())) if benchmarks else None
    if guard:
        kept = without(kept, benchmark_rows(parts, kept, guard), BENCHMARK, drops)
    context.progress.log(f"data: looking for duplicates among {len(kept):,} files")
    clusters = find_clusters(parts, kept, config.duplicates, context.resume)
    kinships = related_projects(kept, clusters, config.duplicates.fork_share)
    kept = drop_duplicates(kept, clusters, kinships, config.duplicates, drops)
    measured = measure(parts, kept, config.filters.parse, processes, context.progress)
    kept = filtered(kept, signals_of(parts, measured, kept), filters, drops)
    if not kept:
        raise _nothing_left(drops, listing)
    sizes: Counter[str] = Counter()
    for entry in kept:
        sizes[entry.project] += entry.bytes
    splits = split_projects(sizes, context.recipe.seed, config.valid_share, config.test_share, families(kinships))
    kept = without(kept, held_out_rows(parts, kept, splits), HELD_OUT, drops)
    write_corpus(parts, measured, kept, splits, config.mix, context.work / CORPUS_FILE)
    sample = write_drops(drops, parts, context.work / DROPPED_FILE)
    pairs, broken_too = write_commits(config, refused, guard, splits, context.work, context.progress)
    for broken in broken_too:
        context.progress.log(f"data: left out {broken.source}: {broken.reason}")
    listing.broken.extend(broken_too)
    read = {source: digest.hexdigest() for source, digest in contents.items()}
    origin = lineage(context.recipe.name, context.recipe.seed, config, listing, read)
    report = build_report(context.work / CORPUS_FILE, listing, drops, sample, clusters, kinships, pairs, origin)
    text = json.dumps(report, indent=2, sort_keys=True, ensure_ascii=False)
    (context.work / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
    write_report_page(json.loads(text), context.work / REPORT_PAGE)
    prune(folder, {*parts, *measured})
    return {
        "files": len(kept),
        "bytes": sum(sizes.values()),
        "projects": len(sizes),
        "duplicates": drops.files["exact_duplicate"] + drops.files["near_duplicate"],
        "redactions": sum(report["redactions"].values()),
        **{f"{split}_bytes": report["splits"][split]["bytes"] for split in SPLITS},
    }


def refusal(entry: Entry, signals: Signals, config: DataConfig, filters: Filters) -> Refusal | None:
    """Why the file may not be in the corpus, judged by itself; None if it may."""
    if entry.unusable:
        return Refusal(entry.unusable)
    licence = Licence(entry.licence, entry.licence_evidence, entry.licence_confidence)
    return licence_refusal(licence, config) or filters.drop(signals, entry.language)


def filtered(entries: Sequence[Entry], measured: Iterable[Signals], filters: Filters, drops: Drops) -> list[Entry]:
    """Leave out what breaks a rule on the signals that were measured last."""
    kept: list[Entry] = []
    for entry, signals in zip(entries, measured, strict=True):
        if why := filters.drop(signals, entry.language):
            drops.add(entry, why.reason, why.detail)
        else:
            kept.append(entry)
    return kept


def without(entries: Sequence[Entry], found: Mapping[int, str], reason: str, drops: Drops) -> list[Entry]:
    """Leave out what the evaluation guard found."""
    for entry in entries:
        if entry.row in found:
            drops.add(entry, reason, f"of {found[entry.row]}")
    return [entry for entry in entries if entry.row not in found]


def drop_duplicates(
    entries: Sequence[Entry],
    clusters: Sequence[Sequence[Entry]],
    kinships: Sequence[Kinship],
    config: DuplicateConfig,
    drops: Drops,
) -> list[Entry]:
    """Leave the best of each cluster, after the forks if they are to go: a text only a fork has goes with it."""
    reasons: dict[int, tuple[str, str]] = {}
    if config.forks == "drop":
        forks = {kinship.project: kinship for kinship in kinships}
        for entry in entries:
            if fork := forks.get(entry.project):
                detail = f"{fork.shared:,} of {fork.files:,} files also stand in {fork.other}"
                reasons[entry.row] = ("fork", detail)
    for cluster in clusters:
        left = [entry for entry in cluster if entry.row not in reasons]
        texts = {entry.normal_sha256 for entry in left[:1]}
        for entry in left[1:]:
            reason = "exact_duplicate" if entry.normal_sha256 in texts else "near_duplicate"
            reasons[entry.row] = (reason, f"of {left[0].project}/{left[0].path}")
            texts.add(entry.normal_sha256)
    for entry in entries:
        if entry.row in reasons:
            drops.add(entry, *reasons[entry.row])
    return [entry for entry in entries if entry.row not in reasons]


def prune(folder: Path, used: Collection[Path]) -> None:
    """Remove from the folder of parts what is not in use: older parts, and what a kill left half-written."""
    for path in folder.iterdir():
        if path not in used:
            path.unlink()


def check_languages(config: DataConfig) -> None:
    """Raise MidspanError if the recipe names a language that does not exist."""
    named = {
        "data.languages": config.languages,
        "data.filters.languages": config.filters.languages,
        "data.mix.languages": config.mix.languages,
    }
    for key, names in named.items():
        if unknown := sorted(set(names) - set(LANGUAGES)):
            raise MidspanError(
                f"{key}: unknown language {', '.join(unknown)}", f"known are {', '.join(sorted(LANGUAGES))}"
            )


def write_corpus(
    parts: Sequence[Path],
    measured: Sequence[Path],
    entries: Sequence[Entry],
    splits: Mapping[str, str],
    config: MixConfig,
    path: Path,
) -> None:
    """Write the files of `entries`, sorted by (split, project, path), in row groups of `ROW_GROUP`.

    The parts are in the order of (project, path), so one pass per split gives the order without holding the corpus.
    Only what is trained on is mixed: files of the other splits count once.
    """
    trained: Counter[Group] = Counter()
    for entry in entries:
        if splits[entry.project] == "train":
            trained[Group(entry.source, entry.language)] += entry.bytes
    shown = repeats(trained, config)
    dear = list(dear_columns())
    columns = [name for name in CORPUS_SCHEMA.names if name not in ("split", "repeats", *dear)]
    with pq.ParquetWriter(path, CORPUS_SCHEMA, compression="zstd") as writer:
        pending = CORPUS_SCHEMA.empty_table()
        for split in sorted(SPLITS):
            rows = [entry.row for entry in entries if splits[entry.project] == split]
            found = zip(tables(parts, rows, columns), measures(parts, measured, rows, dear), strict=True)
            for table, signals in found:
                groups = zip(table["source"].to_pylist(), table["language"].to_pylist(), strict=True)
                times = [shown[Group(*group)] if split == "train" else 1.0 for group in groups]
                added = {
                    **dict(zip(dear, signals.columns, strict=True)),
                    "split": pa.array([split] * len(table), pa.string()),
                    "repeats": pa.array(times, pa.float64()),
                }
                for name, column in added.items():
                    table = table.append_column(name, column)
                pending = pa.concat_tables([pending, table.select(CORPUS_SCHEMA.names).cast(CORPUS_SCHEMA)])
                while len(pending) >= ROW_GROUP:
                    writer.write_table(pending.slice(0, ROW_GROUP).combine_chunks(), row_group_size=ROW_GROUP)
                    pending = pending.slice(ROW_GROUP)
        if len(pending):
            writer.write_table(pending.combine_chunks(), row_group_size=ROW_GROUP)


def _nothing_left(drops: Drops, listing: Listing) -> MidspanError:
    if listing.broken and not any(project.files for project in listing.projects.values()):
        first = listing.broken[0]
        return MidspanError(f"data source {first.source} cannot be used: {first.reason}", first.hint)
    counts = Counter(drops.files) + listing.skipped
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items(), key=lambda x: (-x[1], x[0])))
    return MidspanError(
        f"no file of the sources can be used ({reasons or 'no file at all'})",
        "add sources with a permissive licence, or change data.languages, data.licence_tier or data.filters",
    )
