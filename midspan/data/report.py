"""The report of a corpus: the funnel from listed files to kept ones, and what the corpus is made of."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from midspan.data.corpus import SPLITS
from midspan.data.drops import Drops
from midspan.data.listing import Listing


def build_report(corpus: Path, listing: Listing, drops: Drops) -> dict[str, Any]:
    """The funnel from listed files to the corpus, and what the corpus is made of."""
    table = pq.read_table(corpus, columns=["project", "language", "licence", "source", "bytes", "split", "redacted"])
    rows = table.to_pylist()
    redactions: Counter[str] = Counter()
    for row in rows:
        redactions.update(dict(row["redacted"]))
    projects: dict[str, dict[str, Any]] = {}
    for row in rows:
        source = listing.projects[row["project"]]
        about = projects.setdefault(
            row["project"],
            {"source": row["source"], "revision": source.revision, "split": row["split"], "files": 0, "bytes": 0}
            | {"licences": []},
        )
        about["files"] += 1
        about["bytes"] += row["bytes"]
        if row["licence"] not in about["licences"]:
            about["licences"] = sorted([*about["licences"], row["licence"]])
    files = sum(len(project.files) for project in listing.projects.values())
    size = sum(file.bytes for project in listing.projects.values() for file in project.files)
    splits = _by(rows, "split")
    for split in SPLITS:
        splits[split]["projects"] = sum(about["split"] == split for about in projects.values())
    return {
        "listed": {"projects": len(listing.projects), "files": files, "bytes": size},
        "read": {
            "files": len(listing.candidates),
            "bytes": sum(candidate.bytes for candidate in listing.candidates),
        },
        "kept": {"projects": len(projects), "files": len(rows), "bytes": sum(row["bytes"] for row in rows)},
        "broken": [{"source": broken.source, "reason": broken.reason} for broken in listing.broken],
        "skipped": dict(listing.skipped),
        "dropped": {reason: {"files": count, "bytes": drops.bytes[reason]} for reason, count in drops.files.items()},
        "refused_licences": dict(drops.refused_licences),
        "duplicates": {kind: drops.files[f"{kind}_duplicate"] for kind in ("exact", "near")},
        "redactions": dict(redactions),
        "licences": _by(rows, "licence"),
        "languages": _by(rows, "language"),
        "sources": _by(rows, "source"),
        "splits": splits,
        "projects": projects,
    }


def _by(rows: Sequence[dict[str, Any]], column: str) -> dict[str, dict[str, int]]:
    groups: dict[str, dict[str, int]] = {}
    for row in rows:
        group = groups.setdefault(row[column], {"files": 0, "bytes": 0})
        group["files"] += 1
        group["bytes"] += row["bytes"]
    return groups
