"""The FIM sets of MultiPL-E (SantaCoder, arXiv 2301.03988): one line of a function in Python, JavaScript or Java.

A completion counts as it was generated, white space around it aside, if it is the line that stood there.
"""

from collections.abc import Mapping
from typing import Any

from midspan.evaluate.public.suite import Gap, Scores, Suite

LANGUAGE_OF: Mapping[str, str] = {"py": "python", "js": "javascript", "java": "java"}
FILE = "data/train-00000-of-00001-b6ec1fdd66018baa.parquet"


def gap(subset: str, row: dict[str, Any]) -> Gap | None:
    """The problem of a row, None if it is in another language."""
    if row["language"] != subset:
        return None
    return Gap(
        id=f"{subset}/{row['name']}/{len(row['prompt'])}",
        group=row["name"],
        part=subset,
        language=LANGUAGE_OF[subset],
        path=f"solution.{subset}",
        prefix=row["prompt"],
        suffix=row["suffix"],
        truth=row["canonical_solution"],
    )


def judge(problem: Gap, completion: str) -> Scores:
    """`em`."""
    return {"em": float(completion.strip() == problem.truth.strip())}


SANTACODER_FIM = Suite(
    name="santacoder-fim",
    title="SantaCoder FIM (MultiPL-E)",
    origin="https://huggingface.co/datasets/bigcode/santacoder-fim-task",
    files=dict.fromkeys(LANGUAGE_OF, FILE),
    gap=gap,
    judge=judge,
)
