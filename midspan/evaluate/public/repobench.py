"""RepoBench v1.1 (Liu et al. 2024, arXiv 2306.03091): the next line, given the file so far and snippets of others.

Of what a model writes the first line counts that is no comment. EM compares its words, ES is the ratio of Indel
distance (fuzzywuzzy's `ratio`, in whole percents), means per level: the length of the prompt, from 2k to 16k tokens.
CodeBLEU is left out. The snippets are the project of a problem, so the prompt is ours; published figures print them in
the dataset's order.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from rapidfuzz import fuzz

from midspan.evaluate.public.suite import Gap, Scores, Suite

SETTINGS = ("cross_file_first", "cross_file_random", "in_file")
_COMMENTS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "python": ("#", ('"""', "'''"), ('"""', "'''")),
    "java": ("//", ("/*",), ("*/",)),
}
"""The mark of a line comment, and what begins and ends one of several lines."""


def gap(subset: str, row: dict[str, Any]) -> Gap:
    """The problem of a row; nothing is known of what stands behind the line."""
    language = subset.partition("-")[0]
    place = hashlib.sha256(f"{row['cropped_code']}\0{row['next_line']}".encode()).hexdigest()[:12]
    snippets = ((each["path"], each["snippet"]) for each in row["context"])
    return Gap(
        id=f"{row['repo_name']}/{row['file_path']}/{place}",
        group=row["repo_name"],
        part=row["level"],
        language=language,
        path=row["file_path"],
        prefix=f"{row['import_statement']}\n\n{row['cropped_code']}\n",
        suffix="",
        truth=row["next_line"],
        context=tuple((path, text) for path, text in snippets if path != row["file_path"]),
    )


def judge(problem: Gap, completion: str) -> Scores:
    """`em` and `es` of the first line that is no comment."""
    line = first_line(completion, problem.language)
    return {"em": float(line.split() == problem.truth.split()), "es": round(fuzz.ratio(line, problem.truth)) / 100}


def first_line(code: str, language: str) -> str:
    """The first line that is neither blank nor in a comment; the first of all if there is none."""
    mark, begins, ends = _COMMENTS[language]
    lines = code.lstrip("\n").split("\n")
    inside = False
    for line in lines:
        visible = line.strip()
        if not visible:
            continue
        if not inside and visible.startswith(begins):
            inside = True
        elif inside:
            inside = not visible.endswith(ends)
        elif not visible.startswith(mark):
            return line
    return lines[0]


REPOBENCH = Suite(
    name="repobench",
    title="RepoBench v1.1",
    origin="https://huggingface.co/datasets/tianyang/repobench_python_v1.1 (or repobench_java_v1.1)",
    files={
        f"{language}-{setting.replace('_', '-')}": f"repobench_{language}_v1.1/{setting}.parquet"
        for language in _COMMENTS
        for setting in SETTINGS
    },
    gap=gap,
    judge=judge,
)
