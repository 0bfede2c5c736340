"""What happened on the way from the sources to the corpus, and what the corpus is made of, as one JSON value.

`report_page` shows it. Every number of the corpus is counted over the finished file, every other one on the way.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import midspan
from midspan.data.corpus import SPLITS
from midspan.data.drops import Drops
from midspan.data.entries import Entry
from midspan.data.filters.rules import describe
from midspan.data.forks import Kinship
from midspan.data.listing import Listing
from midspan.recipe.schema import DataConfig

LARGEST_CLUSTERS = 10
STEPS = ("listed", "read", "licensed", "filtered", "unique")
"""Stations of the funnel: all files in a known language; those that could be read; that are permissive; that pass the
filters, opt-out and guard; that are no duplicates, which are the corpus."""
COLUMNS = ["project", "source", "revision", "url", "language", "licence", "bytes", "split", "repeats", "redacted"]


def build_report(
    corpus: Path,
    listing: Listing,
    drops: Drops,
    sample: Sequence[Mapping[str, Any]],
    clusters: Sequence[Sequence[Entry]],
    kinships: Sequence[Kinship],
    commits: Mapping[str, int],
    lineage: Mapping[str, Any],
) -> dict[str, Any]:
    """The whole report; `sample` are the rows of the dropped files to look at, `commits` the counts of pairs."""
    table = pq.read_table(corpus, columns=COLUMNS)
    redactions: Counter[str] = Counter()
    for found in table["redacted"].to_pylist():
        redactions.update(dict(found))
    projects = _projects(table)
    splits = _by(table, "split")
    for split in SPLITS:
        splits[split]["projects"] = sum(about["split"] == split for about in projects.values())
    return {
        "listed": {
            "projects": len(listing.projects),
            "files": sum(len(project.files) for project in listing.projects.values()),
            "bytes": sum(file.bytes for project in listing.projects.values() for file in project.files),
        },
        "read": {
            "files": len(listing.candidates),
            "bytes": sum(candidate.bytes for candidate in listing.candidates),
        },
        "kept": {"projects": len(projects), **_sum(table)},
        "funnel": funnel(_sum(table), drops),
        "broken": [{"source": broken.source, "reason": broken.reason} for broken in listing.broken],
        "skipped": dict(listing.skipped),
        "dropped": {reason: {"files": count, "bytes": drops.bytes[reason]} for reason, count in drops.files.items()},
        "samples": [dict(row) for row in sample],
        "refused_licences": dict(drops.refused_licences),
        "duplicates": {
            "exact": drops.files["exact_duplicate"],
            "near": drops.files["near_duplicate"],
            "clusters": len(clusters),
            "sizes": dict(sorted(Counter(_bin(len(cluster)) for cluster in clusters).items())),
            "largest": [_cluster(cluster) for cluster in sorted(clusters, key=len, reverse=True)[:LARGEST_CLUSTERS]],
        },
        "related_projects": [vars(kinship) for kinship in kinships],
        "redactions": dict(redactions),
        "licences": _by(table, "licence"),
        "languages": _by(table, "language"),
        "sources": _by(table, "source"),
        "sizes": dict(sorted(Counter(map(_bin, table["bytes"].to_pylist())).items())),
        "mix": {"languages": _mix(table, "language"), "sources": _mix(table, "source")},
        "splits": splits,
        "projects": projects,
        "commits": dict(commits),
        "lineage": dict(lineage),
    }


def lineage(name: str, seed: int, config: DataConfig, listing: Listing, contents: Mapping[str, str]) -> dict[str, Any]:
    """What the corpus depends on: settings, code, and the sources as they were found.

    `contents` is the SHA-256 over names and contents of what was read, for each source of which something was.
    """
    sources: dict[str, dict[str, Any]] = {}
    for project in listing.projects.values():
        if project.source not in contents:
            continue
        about = sources.setdefault(
            project.source, {"projects": 0, "files": 0, "revisions": [], "sha256": contents[project.source]}
        )
        about["projects"] += 1
        about["files"] += len(project.files)
        about["revisions"] = sorted({*about["revisions"], project.revision} - {""})
    return {
        "recipe": name,
        "seed": seed,
        "settings": config.model_dump(mode="json"),
        "thresholds": describe(config.filters),
        "code": f"midspan {midspan.__version__}",
        "sources": sources,
    }


def funnel(kept: Mapping[str, int], drops: Drops) -> list[dict[str, Any]]:
    """Files and bytes at each station, from the last backwards: what is there, and what was lost on the way to it."""
    lost = {step: Counter[str]() for step in STEPS}
    for reason, count in drops.files.items():
        lost[_step(reason, drops)].update(files=count, bytes=drops.bytes[reason])
    stations: list[dict[str, Any]] = []
    files, size = kept["files"], kept["bytes"]
    for step in reversed(STEPS):
        stations.append({"step": step, "files": files, "bytes": size, "lost": lost[step]["files"]})
        files, size = files + lost[step]["files"], size + lost[step]["bytes"]
    return stations[::-1]


def _step(reason: str, drops: Drops) -> str:
    """On the way to which station files are lost for this reason."""
    if reason in drops.unread:
        return "read"
    if reason.startswith("licence_"):
        return "licensed"
    return "unique" if reason.endswith("_duplicate") or reason == "fork" else "filtered"


def _projects(table: pa.Table) -> dict[str, dict[str, Any]]:
    keys = ["project", "source", "revision", "url", "split"]
    grouped = table.group_by(keys).aggregate([("bytes", "count"), ("bytes", "sum"), ("licence", "distinct")])
    return {
        row["project"]: {name: row[name] for name in keys[1:]}
        | {"files": row["bytes_count"], "bytes": row["bytes_sum"], "licences": sorted(row["licence_distinct"])}
        for row in sorted(grouped.to_pylist(), key=lambda row: str(row["project"]))
    }


def _sum(table: pa.Table) -> dict[str, int]:
    return {"files": len(table), "bytes": sum(table["bytes"].to_pylist())}


def _by(table: pa.Table, column: str) -> dict[str, dict[str, int]]:
    grouped = table.group_by(column).aggregate([("bytes", "count"), ("bytes", "sum")]).to_pylist()
    return {row[column]: {"files": row["bytes_count"], "bytes": row["bytes_sum"]} for row in grouped}


def _mix(table: pa.Table, column: str) -> dict[str, dict[str, float]]:
    """Bytes of the training split as they stand there and as an epoch shows them, with both shares."""
    groups: dict[str, dict[str, float]] = {}
    trained = table.filter(pa.array([split == "train" for split in table["split"].to_pylist()]))
    for name, size, times in zip(*(trained[each].to_pylist() for each in (column, "bytes", "repeats")), strict=True):
        group = groups.setdefault(name, {"bytes": 0, "shown": 0.0})
        group["bytes"] += size
        group["shown"] += size * times
    for of, share in ("bytes", "share"), ("shown", "shown_share"):
        total = sum(group[of] for group in groups.values())
        for group in groups.values():
            group[share] = round(group[of] / total, 6) if total else 0.0
    for group in groups.values():
        group["shown"] = round(group["shown"])
    return groups


def _cluster(cluster: Sequence[Entry]) -> dict[str, Any]:
    best = cluster[0]
    return {
        "best": f"{best.project}/{best.path}",
        "files": len(cluster),
        "projects": len({entry.project for entry in cluster}),
        "bytes": sum(entry.bytes for entry in cluster),
    }


def _bin(number: int) -> int:
    """The power of two at or below."""
    return 1 << max(0, number.bit_length() - 1)
