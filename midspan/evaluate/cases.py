"""The benchmark of a run: cases from the projects held out for testing, kept as `cases.parquet`.

The draw itself is `data.cases.draw_cases`; here it sees only the test split, whose projects share no file with
training. Every case carries licence and source, so that the table may be passed on.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.cases import Case, draw_cases
from midspan.data.corpus import projects
from midspan.errors import MidspanError
from midspan.recipe.schema import FimConfig

CASES_FILE = "cases.parquet"
SCHEMA = pa.schema([(field.name, pa.string()) for field in fields(Case)])


def held_out_cases(corpus: Path, count: int, fim: FimConfig, seed: int) -> list[Case]:
    """Up to `count` cases of the test split. Raises MidspanError if it holds none."""
    cases = draw_cases(lambda: projects(corpus, "test"), count, fim, seed)
    if not cases:
        raise MidspanError("the test split holds no place to complete", "add projects to [data] or raise test_share")
    return cases


def write_cases(cases: Sequence[Case], path: Path) -> None:
    """Write the cases in order."""
    pq.write_table(pa.Table.from_pylist([asdict(case) for case in cases], SCHEMA), path, compression="zstd")


def read_cases(path: Path) -> list[Case]:
    """The inverse of `write_cases`."""
    return [Case(**row) for row in pq.read_table(path).to_pylist()]
