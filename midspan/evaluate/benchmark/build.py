"""Building a benchmark: sources to documents, as for a corpus, and documents to cases.

The way of a file is that of the stage `data`: listed, read, its licence found, measured, redacted; what the filters or
the licence policy refuse and what is a duplicate leaves. Then what training saw and, by git's history, what is too old
leaves. What stays are the projects that every case has as its context, and the files that cases are drawn from. Here a
source that cannot be had is an error: without it the benchmark would be another one.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from midspan.data.corpus import CORPUS_FILE, Document
from midspan.data.dataframe import start_runner
from midspan.data.drops import Drops
from midspan.data.duplicates import find_clusters
from midspan.data.entries import Entry, entries, tables
from midspan.data.filters.rules import Filters
from midspan.data.listing import list_candidates
from midspan.data.measure import measure, signals_of
from midspan.data.opt_out import read_opt_out
from midspan.data.read import read_parts
from midspan.data.sources.project import Broken
from midspan.data.stage import check_languages, drop_duplicates, filtered, refusal
from midspan.errors import MidspanError
from midspan.evaluate.benchmark.draw import draw_benchmark
from midspan.evaluate.benchmark.format import SPLIT, Benchmark, digest_of, write_benchmark
from midspan.evaluate.benchmark.unseen import newer, unseen
from midspan.recipe.benchmark import BenchmarkRecipe
from midspan.recipe.progress import Progress
from midspan.recipe.schema import DataConfig

COLUMNS = ("project", "path", "language", "text", "licence", "source", "revision", "sha256")


def build_benchmark(recipe: BenchmarkRecipe, out: Path, corpora: Sequence[Path], progress: Progress) -> Benchmark:
    """Build the benchmark of a recipe in the new directory `out`, apart from the corpora in these stage directories.

    The same recipe, sources and corpora give the same bytes. Raises MidspanError if `out` is there, a source cannot be
    had, or nothing is left to ask about.
    """
    if out.exists():
        raise MidspanError(f"{out} is there already", "name a directory that is not, with --out")
    removed_files: Counter[str] = Counter()
    removed_cases: Counter[str] = Counter()
    documents = _documents(recipe.data, removed_files, progress)
    for corpus in corpora:
        documents = unseen(documents, corpus, removed_files)
    asked = documents if recipe.since is None else newer(documents, recipe.data.sources, recipe.since, removed_files)
    progress.log(f"drawing cases from {len(asked):,} files")
    cases = draw_benchmark(asked, recipe, removed_cases)
    if not cases:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in (removed_files + removed_cases).most_common())
        raise MidspanError(f"the sources hold no place to complete ({counts or 'no file at all'})", "add sources")
    used = {case.project for case in cases}
    return write_benchmark(
        out,
        cases,
        [document for document in documents if document.project in used],
        name=recipe.name,
        seed=recipe.seed,
        recipe=recipe.model_dump(mode="json", exclude_defaults=True),
        removed_files=removed_files,
        removed_cases=removed_cases,
        not_in=[digest_of(corpus / CORPUS_FILE) for corpus in corpora],
    )


def _documents(config: DataConfig, removed: Counter[str], progress: Progress) -> list[Document]:
    """The files of all sources that may be shown and asked about, by project and path."""
    check_languages(config)
    processes = start_runner()
    drops = Drops()
    refused = read_opt_out(config.opt_out)
    progress.log(f"listing {len(config.sources):,} sources")
    listing = list_candidates(config, refused, drops)
    if listing.broken:
        raise _broken(listing.broken)
    filters = Filters(config.filters)
    with tempfile.TemporaryDirectory(prefix="midspan-benchmark-") as scratch:
        parts = read_parts(listing.candidates, refused, Path(scratch), processes, progress)
        kept: list[Entry] = []
        for entry, signals in entries(parts):
            if why := refusal(entry, signals, config, filters):
                drops.add(entry, why.reason, why.detail)
            else:
                kept.append(entry)
        clusters = find_clusters(parts, kept, config.duplicates, Path(scratch))
        kept = drop_duplicates(kept, clusters, (), config.duplicates, drops)
        measured = measure(parts, kept, config.filters.parse, processes, progress)
        kept = filtered(kept, signals_of(parts, measured, kept), filters, drops)
        found = [
            Document(**{name: row[name] for name in COLUMNS}, split=SPLIT)
            for table in tables(parts, [entry.row for entry in kept], COLUMNS)
            for row in table.to_pylist()
        ]
    removed.update(drops.files)
    return found


def _broken(broken: Sequence[Broken]) -> MidspanError:
    lines = [f"{each.source}: {each.reason}{f' ({each.hint})' if each.hint else ''}" for each in broken]
    return MidspanError("\n".join(["sources that cannot be had:", *lines]), "the benchmark needs all of its sources")
