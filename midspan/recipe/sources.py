"""The kinds of sources a recipe can name, each one entry of `[[data.sources]]`."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from midspan.recipe.section import Section


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


class GitSource(Section):
    """A git repository at one revision, read from its objects: nothing is checked out, no hook runs."""

    kind: Literal["git"]
    url: Annotated[str, Field(min_length=1, pattern=r"^[^-]")]
    """A path or a URL; credentials come from git's own helpers, never from the recipe."""
    revision: Annotated[str, Field(pattern=r"^[^-+:\s][^:\s]*$")] = "HEAD"
    """A branch, a tag or a commit."""

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: str) -> str:
        if re.match(r"[a-z][a-z0-9+.-]*://[^/@]*:[^/@]*@", url):
            raise ValueError("holds a password, which the run's records would repeat; use a git credential helper")
        return url


Source = Annotated[EnvironmentSource | FolderSource | GitSource, Field(discriminator="kind")]
