"""Where text comes from: every entry of `[[data.sources]]`, listed as projects with their files before any is read.

Each kind of source is one module with a function that lists it. A source that cannot be listed (no such path, nothing
in a known language, an archive that is damaged) is reported as broken and the others go on: a corpus of many sources is
not held up by one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, count

from midspan.data.sources.archive import archive_identity, archive_projects
from midspan.data.sources.environment import distributions, environment_projects
from midspan.data.sources.folder import folder_projects
from midspan.data.sources.git import git_projects, open_revision, plain
from midspan.data.sources.package import package_projects
from midspan.data.sources.parquet import parquet_identity, parquet_projects
from midspan.data.sources.project import Broken, SourceProject, project_identity
from midspan.data.sources.text import text_identity, text_projects
from midspan.errors import MidspanError
from midspan.recipe.sources import (
    ArchiveSource,
    CommitsSource,
    EnvironmentSource,
    FolderSource,
    GitSource,
    PackageSource,
    ParquetSource,
    Source,
    TextSource,
)


def list_projects(sources: Sequence[Source]) -> Iterator[SourceProject | Broken]:
    """List the projects of all sources, each name once (a second project of the same name becomes `name#2`)."""
    taken: set[str] = set()
    for source in sources:
        try:
            for project in _projects(source):
                if isinstance(project, SourceProject):
                    numbered = (f"{project.name}#{number}" for number in count(2))
                    name = next(name for name in chain([project.name], numbered) if name not in taken)
                    taken.add(name)
                    yield project if name == project.name else replace(project, name=name)
                else:
                    yield project
        except MidspanError as error:
            yield Broken(label(source), error.message, error.hint)


def fingerprint(sources: Sequence[Source]) -> str:
    """Identity of what the sources hold: packages and versions, or paths, sizes and times; no content is read.

    Licence texts count as well as code: a project that changes its licence must not stay in the corpus. A source that
    is broken counts as such, so that the corpus is built anew once it is mended.
    """
    digest = hashlib.sha256()
    for source in sources:
        try:
            lines = list(_identity(source))
        except MidspanError as error:
            lines = [f"broken: {error.message}"]
        digest.update("\n".join([source.model_dump_json(), *lines, ""]).encode())
    return digest.hexdigest()


def label(source: Source) -> str:
    """A source in one word, as the report names it."""
    match source:
        case EnvironmentSource():
            return f"environment:{source.path}" if source.path else "environment"
        case FolderSource():
            return f"folder:{source.path}"
        case GitSource():
            return f"git:{plain(source.url)}"
        case CommitsSource():
            return f"commits:{plain(source.url)}"
        case ArchiveSource():
            return f"archive:{source.path}"
        case PackageSource():
            return f"{source.registry}:{source.name}"
        case ParquetSource():
            return f"parquet:{source.path}"
        case TextSource():
            return f"text:{source.path}"


def _identity(source: Source) -> Iterator[str]:
    match source:
        case EnvironmentSource():
            for name, version, _ in distributions(source):
                yield f"{name}=={version}"
        case FolderSource():
            for project in folder_projects(source):
                yield project_identity(project)
        case GitSource():
            yield open_revision(source.url, source.revision)[1]
        case CommitsSource():
            yield open_revision(source.url, source.revision, history=True)[1]
        case ArchiveSource():
            yield from archive_identity(source)
        case PackageSource():  # the recipe says which archive, to the byte
            pass
        case ParquetSource():
            yield from parquet_identity(source)
        case TextSource():
            yield from text_identity(source)


def _projects(source: Source) -> Iterator[SourceProject | Broken]:
    match source:
        case EnvironmentSource():
            return environment_projects(source)
        case FolderSource():
            return folder_projects(source)
        case GitSource():
            return git_projects(source)
        case CommitsSource():  # no files: `data.commits` reads them
            return iter(())
        case ArchiveSource():
            return archive_projects(source)
        case PackageSource():
            return package_projects(source)
        case ParquetSource():
            return parquet_projects(source)
        case TextSource():
            return text_projects(source)
