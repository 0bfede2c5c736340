"""The recipe of a benchmark: which projects, which of their files, how many cases of what."""

import tomllib
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from midspan.errors import MidspanError
from midspan.recipe.invalid import Over, invalid
from midspan.recipe.schema import DataConfig
from midspan.recipe.section import Positive, Section

BENCHMARKS = ("packages",)
"""Names of the recipes that come with the package."""


class BenchmarkRecipe(Section):
    """Everything a benchmark depends on. A *stratum* is a language and a kind of caret."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0)] = 0
    cases_per_stratum: Positive = 30
    cases_per_project: Positive = 6
    """The most cases of one stratum that come from one project."""
    cases_per_file: Positive = 4
    """The most cases, of all strata, that come from one file."""
    max_middle_chars: Positive = 700
    since: date | None = None
    """Of a git repository only files that were first committed after this day are asked about."""
    data: DataConfig
    """As in the recipe of a build; split, mix and guard mean nothing here."""


def load_benchmark_recipe(source: str) -> BenchmarkRecipe:
    """Read the recipe `source`, one of `BENCHMARKS` or the path of a TOML file; its name is that of the file.

    Raises MidspanError naming file, line, key and allowed values for whatever is wrong with it.
    """
    origin, text = _text(source)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MidspanError(f"{origin}: not valid TOML: {error}") from None
    try:
        return BenchmarkRecipe.model_validate({"name": Path(source).stem} | table)
    except ValidationError as error:
        raise invalid(error, BenchmarkRecipe, [(origin, text)], Over(frozenset(), "")) from None


def _text(source: str) -> tuple[str, str]:
    """(What to call it in errors, the recipe's text)."""
    if source in BENCHMARKS:
        file = resources.files("midspan.recipe") / "benchmarks" / f"{source}.toml"
        return f"benchmark {source}", file.read_text("utf-8")
    try:
        return source, Path(source).read_text("utf-8")
    except FileNotFoundError:
        raise MidspanError(
            f"no benchmark recipe {source}", f"give the path of a TOML file, or one of: {', '.join(BENCHMARKS)}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MidspanError(f"cannot read the benchmark recipe {source}: {error}") from None
