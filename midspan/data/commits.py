"""Commits for training: `commits.parquet`, pairs of a file before and after a change, apart from the corpus of files.

Apart, because a pair is no file: its two sides are near duplicates of one another and of what stands in the corpus, and
stages that read files must not meet them. What holds for files holds here: opt-out, licence policy, filters, redaction
(one value has one placeholder on both sides and in the message), the guard against benchmarks, and the split of the
project. Pairs of a project that is not in the corpus are for training; they are not compared with held-out files.

Cost: linear in the pairs; written as they are read, one batch in memory.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.corpus import COMMITS_FILE
from midspan.data.decode import decode
from midspan.data.filters.rules import Filters, Refusal
from midspan.data.filters.signals import cheap_signals, dear_signals
from midspan.data.guard import BENCHMARK, Guard
from midspan.data.licence import Licence, LicenceFinder, header_licence, licence_refusal
from midspan.data.opt_out import REASON, OptOut
from midspan.data.redact import redact
from midspan.data.sources import label
from midspan.data.sources.commits import Change, changes
from midspan.data.sources.contents import read_contents
from midspan.data.sources.git import address_of, project_name, tree_of
from midspan.data.sources.project import Broken, Location, SourceFile, SourceProject, sort_files
from midspan.errors import MidspanError
from midspan.recipe.progress import Progress
from midspan.recipe.schema import DataConfig
from midspan.recipe.sources import CommitsSource

MAX_SIDE_CHARS = 50_000
"""Characters of either side, as in CommitPackFT."""
BATCH = 256
COMMITS_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("project", "path", "language", "message", "before", "after")),
        *((name, pa.string()) for name in ("licence", "licence_evidence", "source", "revision", "url", "split")),
        ("redacted", pa.map_(pa.string(), pa.int64())),
    ]
)


def write_commits(
    config: DataConfig,
    refused: OptOut,
    guard: Guard | None,
    splits: Mapping[str, str],
    folder: Path,
    progress: Progress,
) -> tuple[dict[str, int], list[Broken]]:
    """Write the pairs of all sources of commits into `folder`, nothing if there is no such source.

    Returns the counts of pairs kept and, by reason, of commits left out, and the sources that are broken.
    """
    sources = [source for source in config.sources if isinstance(source, CommitsSource)]
    counts: Counter[str] = Counter()
    broken: list[Broken] = []
    if not sources:
        return {}, []
    seen: set[bytes] = set()
    with pq.ParquetWriter(folder / COMMITS_FILE, COMMITS_SCHEMA, compression="zstd") as writer:
        for source in sources:
            pairs = _Pairs(source, config, refused, guard, splits, seen, counts)
            try:
                with progress.task(f"commits of {pairs.project}", total=source.commits) as bar:
                    for rows in pairs.read():
                        writer.write_table(pa.Table.from_pylist(rows, schema=COMMITS_SCHEMA))
                        bar.advance(len(rows))
            except MidspanError as error:
                broken.append(Broken(label(source), error.message, error.hint))
    return dict(counts), broken


class _Pairs:
    """The pairs of one repository."""

    def __init__(
        self,
        source: CommitsSource,
        config: DataConfig,
        refused: OptOut,
        guard: Guard | None,
        splits: Mapping[str, str],
        seen: set[bytes],
        counts: Counter[str],
    ) -> None:
        self.project = project_name(source.url)
        self._source, self._config, self._refused, self._guard = source, config, refused, guard
        self._split = splits.get(self.project, "train")
        self._seen, self._counts = seen, counts
        self._filters = Filters(config.filters)
        self._licences: dict[str, Licence] = {}

    def read(self) -> Iterator[list[dict[str, Any]]]:
        """Rows in batches, newest commit first, at most as many as the source asks for."""
        repository, tip, found = changes(self._source, self._counts)
        address = address_of(self._source.url, repository)
        about = {"project": self.project, "source": label(self._source), "url": address, "split": self._split}
        if self._refused.refuses_project(self.project, address):
            self._counts[REASON] += 1
            return
        left = self._source.commits
        while batch := list(islice(found, BATCH)):
            self._find_licences(repository, tip, batch)
            locations = [Location(str(repository), side, "git") for each in batch for side in (each.before, each.after)]
            limit = min(4 * MAX_SIDE_CHARS, self._config.filters.max_bytes or 4 * MAX_SIDE_CHARS)
            contents = list(read_contents([(location, limit) for location in locations]))
            rows: list[dict[str, Any]] = []
            for change, before, after in zip(batch, contents[::2], contents[1::2], strict=True):
                made = self._row(change, before, after)
                if isinstance(made, str):
                    self._counts[made] += 1
                elif len(rows) < left:
                    rows.append(made | about)
            self._counts["kept"] += len(rows)
            left -= len(rows)
            yield rows
            if not left:
                break

    def _find_licences(self, repository: Path, tip: str, batch: Sequence[Change]) -> None:
        """The licence of each directory, by the licence files that stand at the tip of the history."""
        if not self._licences:
            self._texts = sort_files(tree_of(repository, tip, Counter()), Counter())[1]
        unknown = {each.path for each in batch if each.path.rpartition("/")[0] not in self._licences}
        files = tuple(SourceFile(path, Location(""), "", 0) for path in sorted(unknown))
        project = SourceProject(self.project, "", tip, files, self._texts)
        self._licences |= LicenceFinder().by_directory(project)

    def _refusal(self, text: str, change: Change) -> Refusal | None:
        """The first rule that a side breaks; what takes long is measured only of what the other rules leave."""
        if why := self._filters.drop(cheap_signals(text, change.path, change.language), change.language):
            return why
        (measured,) = dear_signals([text], [change.language], self._config.filters.parse)
        return self._filters.drop(measured, change.language)

    def _row(self, change: Change, before: object, after: object) -> dict[str, Any] | str:
        """The row of one change, or the reason why there is none."""
        config = self._config
        if config.languages and change.language not in config.languages:
            return "other_language"
        if self._refused.refuses_path(self.project, change.path):
            return REASON
        if not isinstance(before, bytes) or not isinstance(after, bytes):
            return "too_large"
        if self._refused.refuses_content(before) or self._refused.refuses_content(after):
            return REASON
        sides = [decode(content) for content in (before, after)]
        if reason := sides[0][1] or sides[1][1]:
            return reason
        old, new = sides[0][0], sides[1][0]
        if not new.strip() or old.split() == new.split():
            return "no_change_of_text"
        if max(len(old), len(new)) > MAX_SIDE_CHARS:
            return "too_large"
        licence = header_licence(new) or header_licence(old) or self._licences[change.path.rpartition("/")[0]]
        if why := licence_refusal(licence, config):
            return why.reason
        if why := self._refusal(new, change):
            return why.reason
        if self._guard and (self._guard.finds(old) or self._guard.finds(new)):
            return BENCHMARK
        identity = hashlib.sha256("\0".join((" ".join(old.split()), " ".join(new.split()))).encode()).digest()
        if identity in self._seen:
            return "exact_duplicate"
        self._seen.add(identity)
        redacted = redact("\0".join((old, change.message, new)))
        old, message, new = redacted.text.split("\0")
        return {
            "path": change.path,
            "language": change.language,
            "message": message,
            "before": old,
            "after": new,
            "licence": licence.expression,
            "licence_evidence": licence.evidence,
            "revision": change.commit,
            "redacted": sorted(redacted.counts.items()),
        }
