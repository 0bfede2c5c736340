"""The files worth reading: sources listed, licences by directory found, and the filters that need no reading applied.

In this order: language, size, then the cap on each project, which keeps files in the order of sha256(path) so that what
stays is an even sample of the project. Cost: the `lstat` calls of the listing and one match per distinct licence text.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass

from midspan.data.drops import Drops
from midspan.data.licence import LicenceFinder
from midspan.data.read import Candidate
from midspan.data.sources import SourceFile, SourceProject, list_projects
from midspan.recipe.schema import DataConfig


@dataclass(frozen=True)
class Listing:
    """Everything known before reading."""

    candidates: list[Candidate]
    skipped: Counter[str]
    projects: dict[str, SourceProject]


def list_candidates(config: DataConfig, drops: Drops) -> Listing:
    """List the files to read, sorted by (project, path); those that need no reading to be dropped go to `drops`."""
    listing = Listing([], Counter(), {})
    finder = LicenceFinder()
    for project in sorted(list_projects(config.sources), key=lambda each: each.name):
        listing.projects[project.name] = project
        listing.skipped.update(project.skipped)
        licences = finder.by_directory(project)
        for file in _capped(project, config, drops):
            licence = licences[file.path.rpartition("/")[0]]
            listing.candidates.append(
                Candidate(
                    project=project.name,
                    path=file.path,
                    location=str(file.location),
                    language=file.language,
                    bytes=file.bytes,
                    mtime_ns=file.mtime_ns,
                    source=project.source,
                    revision=project.revision,
                    licence=licence.expression,
                    licence_evidence=licence.evidence,
                )
            )
    return listing


def _capped(project: SourceProject, config: DataConfig, drops: Drops) -> list[SourceFile]:
    """Files within the language and size limits, taken in the order of sha256(path) up to the project's cap."""
    fitting: list[SourceFile] = []
    for file in project.files:
        if config.languages and file.language not in config.languages:
            drops.count("other_language", file.bytes)
        elif file.bytes > config.filters.max_bytes:
            drops.count("too_large", file.bytes)
        elif file.bytes < config.filters.min_bytes:
            drops.count("too_small", file.bytes)
        else:
            fitting.append(file)
    kept: list[SourceFile] = []
    room = config.max_project_bytes
    for file in sorted(fitting, key=lambda each: hashlib.sha256(each.path.encode()).digest()):
        if file.bytes > room:
            drops.count("project_cap", file.bytes)
        else:
            room -= file.bytes
            kept.append(file)
    return sorted(kept, key=lambda each: each.path)
