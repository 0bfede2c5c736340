"""CrossCodeEval (Ding et al. 2023, arXiv 2310.11248): a statement that needs other files of its repository.

Of what a model writes one statement counts: in Python the shortest beginning that ends with its line and makes, with
the prompt, a program that parses; elsewhere up to the first `;`, `{` or `}`. Comments do not count. EM compares the
non-blank lines, ES is fuzzywuzzy's ratio in whole percents; of the identifiers, keywords and strings aside, there are
EM, as a list, and F1, as sets. Retrieved chunks are the project of a problem and the right context its suffix, so the
prompt is ours. Keywords are those of our grammars, where the authors have lists.
"""

import re
from typing import Any

from rapidfuzz import fuzz

from midspan.evaluate.public.suite import Gap, Scores, Suite
from midspan.syntax.languages import LANGUAGES, Language
from midspan.syntax.parse import parse
from midspan.syntax.words import keywords

NAMES = ("python", "java", "typescript", "csharp")
_STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_COMMENT = re.compile(r"#.*|//.*")
_ENDS = re.compile(r"[;{}]")


def gap(subset: str, row: dict[str, Any]) -> Gap:
    """The problem of a row."""
    about = row["metadata"]
    found = (row.get("crossfile_context") or {}).get("list") or ()
    return Gap(
        id=about["task_id"],
        group=about["repository"],
        part=subset,
        language=subset,
        path=about["file"],
        prefix=row["prompt"],
        suffix=row["right_context"],
        truth=row["groundtruth"],
        context=tuple((each["filename"], each["retrieved_chunk"]) for each in found),
    )


def judge(problem: Gap, completion: str) -> Scores:
    """`em`, `es`, `id_em` and `id_f1`."""
    language = LANGUAGES[problem.language]
    written = _COMMENT.sub("", statement(problem.prefix, completion, language))
    wanted = _COMMENT.sub("", problem.truth)
    names, true_names = identifiers(written, language), identifiers(wanted, language)
    shared = len(set(names) & set(true_names))
    either = len(set(names)) + len(set(true_names))
    return {
        "em": float(_lines(written) == _lines(wanted)),
        "es": round(fuzz.ratio(written.strip(), wanted.strip())) / 100,
        "id_em": float(names == true_names),
        "id_f1": 2 * shared / either if either else 0.0,
    }


def statement(prompt: str, completion: str, language: Language) -> str:
    """The statement that counts; the whole completion if none ends in it."""
    if language.name != "python":
        end = _ENDS.search(completion, 1)
        return completion if end is None or _ENDS.match(completion) else completion[: end.end()]
    for line_break in re.finditer("\n", completion):
        begun = completion[: line_break.start()]
        if begun and not parse((prompt + begun).encode(), language).root_node.has_error:
            return begun.rstrip()
    return completion


def identifiers(code: str, language: Language) -> list[str]:
    """The names in the code, in their order."""
    words = _WORD.findall(_STRING.sub("", code))
    return [word for word in words if _NAME.match(word) and word not in keywords(language)]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


CROSSCODEEVAL = Suite(
    name="crosscodeeval",
    title="CrossCodeEval",
    origin="https://github.com/amazon-science/cceval (data/crosscodeeval_data.tar.xz, unpacked)",
    files={name: f"{name}/line_completion_rg1_bm25.jsonl" for name in NAMES},
    gap=gap,
    judge=judge,
)
