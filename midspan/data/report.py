"""The report of a corpus: the funnel from listed files to kept ones, and what the corpus is made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from midspan.data.corpus import SPLITS
from midspan.data.listing import Listing
from midspan.data.read import Tally


def build_report(corpus: Path, listing: Listing, tally: Tally) -> dict[str, Any]:
    """The funnel from listed files to the corpus, and what the corpus is made of."""
    table = pq.read_table(corpus, columns=["project", "language", "licence", "source", "bytes", "split"])
    rows = table.to_pylist()
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
        "skipped": dict(listing.skipped),
        "dropped": {
            reason: {"files": count, "bytes": tally.dropped_bytes[reason]}
            for reason, count in tally.dropped_files.items()
        },
        "refused_licences": dict(tally.refused_licences),
        "duplicates": {kind: tally.dropped_files[f"{kind}_duplicate"] for kind in ("exact", "near")},
        "redactions": dict(tally.redactions),
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
