"""The files worth reading: sources listed, licences by directory found, and the filters that need no reading applied.

In this order: opt-out, language, size, then the cap on each project, which keeps files in the order of sha256(path) so
that what stays is an even sample of the project. Cost: the listing itself and one match per distinct licence text.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from midspan.data import opt_out
from midspan.data.corpus import TEXT
from midspan.data.drops import Drops
from midspan.data.licence import LicenceFinder
from midspan.data.opt_out import OptOut
from midspan.data.read import Candidate
from midspan.data.sources import list_projects
from midspan.data.sources.project import Broken, SourceFile, SourceProject
from midspan.recipe.schema import DataConfig

READ_BYTES = 1_000_000
"""Files up to this size are read whatever `filters.max_bytes` is, so that lowering it reads nothing again."""


@dataclass(frozen=True)
class Listing:
    """Everything known before reading."""

    candidates: list[Candidate] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    projects: dict[str, SourceProject] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)


def list_candidates(config: DataConfig, refused: OptOut, drops: Drops) -> Listing:
    """List the files to read, sorted by (project, path); those that need no reading to be dropped go to `drops`."""
    listing = Listing()
    for found in list_projects(config.sources):
        if isinstance(found, SourceProject):
            listing.projects[found.name] = found
        else:
            listing.broken.append(found)
    finder = LicenceFinder()
    for _, project in sorted(listing.projects.items()):
        listing.skipped.update(project.skipped)
        licences = finder.by_directory(project)
        for file in _capped(project, config, refused, drops):
            licence = finder.declared(file.declared) if file.declared else licences[file.path.rpartition("/")[0]]
            listing.candidates.append(
                Candidate(
                    project=project.name,
                    path=file.path,
                    location=file.location,
                    language=file.language,
                    bytes=file.bytes,
                    source=project.source,
                    revision=project.revision,
                    url=project.url,
                    licence=licence.expression,
                    licence_evidence=licence.evidence,
                    licence_confidence=licence.confidence,
                )
            )
    return listing


def _capped(project: SourceProject, config: DataConfig, refused: OptOut, drops: Drops) -> list[SourceFile]:
    """Files within the language and size limits, taken in the order of sha256(path) up to the project's cap."""
    limit = max(config.filters.max_bytes, READ_BYTES)
    fitting: list[SourceFile] = []
    whole = refused.refuses_project(project.name, project.url or project.source)
    for file in project.files:
        if whole or refused.refuses_path(project.name, file.path):
            drops.count(opt_out.REASON, file.bytes)
        elif config.languages and file.language not in (*config.languages, TEXT):
            drops.count("other_language", file.bytes)
        elif file.bytes > limit:
            drops.count("too_large", file.bytes)
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
