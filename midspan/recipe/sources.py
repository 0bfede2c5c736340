"""The kinds of sources a recipe can name, each one entry of `[[data.sources]]`."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from midspan.recipe.section import Positive, Section


class EnvironmentSource(Section):
    """The packages installed in a Python environment: the running one, or the one whose `site-packages` is `path`."""

    kind: Literal["environment"]
    path: str | None = None
    packages: tuple[str, ...] = ()
    """Only these packages; empty takes all."""


class FolderSource(Section):
    """A folder of code: one project, or with `split = true` each direct subfolder a project of its own."""

    kind: Literal["folder"]
    path: str
    split: bool = False


class _Repository(Section):
    url: Annotated[str, Field(min_length=1, pattern=r"^[^-]")]
    """A path or a URL; credentials come from git's own helpers, never from the recipe."""
    revision: Annotated[str, Field(pattern=r"^[^-+:\s][^:\s]*$")] = "HEAD"
    """A branch, a tag or a commit."""

    @field_validator("url")
    @classmethod
    def _without_credentials(cls, url: str) -> str:
        if re.match(r"https?://[^/@]*@|[a-z][a-z0-9+.-]*://[^/@]*:[^/@]*@", url):
            raise ValueError("holds credentials, which the run's records would repeat; use a git credential helper")
        return url


class GitSource(_Repository):
    """A git repository at one revision, read from its objects: nothing is checked out, no hook runs."""

    kind: Literal["git"]


class CommitsSource(_Repository):
    """Commits of a git repository that change one file: before, after, message. They go to `commits.parquet`."""

    kind: Literal["commits"]
    commits: Positive = 10_000
    """The most pairs to take, newest first."""


class ArchiveSource(Section):
    """Archives, each a project: sdists, wheels, npm tarballs, zips, tarballs."""

    kind: Literal["archive"]
    path: str
    """An archive, a folder of archives, or a glob."""


class PackageSource(Section):
    """A package of a registry at one version, downloaded by the registry's own client and checked against its hash.

    From PyPI it is the wheel, so that nothing of the package is run to get it; from npm the tarball.
    """

    kind: Literal["package"]
    registry: Literal["pypi", "npm"]
    name: Annotated[str, Field(pattern=r"^(@[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9][\w.+!-]*$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the archive. Another archive is refused."""
    folders: tuple[str, ...] = ()
    """Only files in these folders of the package; empty takes all. Many npm packages ship compiled code as well."""


class ParquetColumns(Section):
    """Names of the columns that hold what is known of a file; "" where there is none."""

    text: str = "text"
    path: str = ""
    """Path in the project, which also tells the language."""
    project: str = ""
    revision: str = ""
    licence: str = ""
    """SPDX expression, or a list of licences that all hold."""
    bytes: str = ""
    """Size of the text; without it the listing reads the texts."""


class ParquetSource(Section):
    """Parquet files whose rows are files of code, such as The Stack's."""

    kind: Literal["parquet"]
    path: str
    """A Parquet file, a folder of them, or a glob."""
    format: Literal["columns", "the-stack", "the-stack-v2", "starcoderdata"] = "columns"
    """What the columns are called; single ones can be renamed in `columns`."""
    columns: ParquetColumns = ParquetColumns()
    name: str = ""
    """Name of the project that rows without one belong to; else it is the name of their file."""
    language: str = ""
    """Language of all rows, where no path tells it."""
    licence: str = ""
    """SPDX expression for rows that state none: whoever writes it answers for it."""


class TextSource(Section):
    """Natural language: plain text, Wikipedia dumps (`pages-articles`), JSONL or Parquet with a column of text."""

    kind: Literal["text"]
    path: str
    """A file, a folder, or a glob."""
    licence: Annotated[str, Field(min_length=1)]
    """SPDX expression of all documents: whoever writes it answers for it."""
    column: str = "text"
    """The column, or key, of the text in Parquet and JSONL."""
    name: str = ""
    """What its projects are called; else after the file or folder."""
    projects: Positive = 16
    """Into how many projects the documents are divided, which is what splits and caps go by."""
    url: str = ""
    """Where the documents come from."""


Source = Annotated[
    EnvironmentSource
    | FolderSource
    | GitSource
    | CommitsSource
    | ArchiveSource
    | PackageSource
    | ParquetSource
    | TextSource,
    Field(discriminator="kind"),
]
