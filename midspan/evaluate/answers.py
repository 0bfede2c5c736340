"""What a system answers in each case, asked once.

A *system* is whatever makes suggestions: a model through the completion logic, a model as it generates, a baseline.
Its `identity` is all that its answers depend on beside the case; together they are the key under which an answer is
kept, so that the same question is never computed twice, also after a kill. Measured times are those of the first time.
Cases of one project follow one another, so that its files are read and ranked once.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from midspan.context.project import Project
from midspan.context.store import default_cache
from midspan.data.cases import Case, Projects, with_projects
from midspan.engine.batch import Journal, Record, run_resumable
from midspan.errors import MidspanError
from midspan.recipe.disk import sole
from midspan.recipe.progress import Task


@dataclass(frozen=True)
class Answer:
    """A suggestion as an editor would get it: empty if it was dropped, in place of `replace` characters of the suffix.

    `latency_ms` is the whole request; `logprob` the mean per token and `confidence` the probability of being right,
    None where the system knows none. `context_tokens` are those of other files in the prompt.
    """

    suggestion: str
    replace: int = 0
    dropped: str = ""
    stop_reason: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    context_tokens: int = 0
    latency_ms: float = 0.0
    logprob: float = 0.0
    confidence: float | None = None
    prompt: str = ""


class System(Protocol):
    """Something that makes suggestions."""

    name: str
    identity: dict[str, Any]
    """JSON values."""

    async def answer(self, case: Case, project: Project) -> Answer:
        """The suggestion at the case's caret; the case's middle is not to be looked at."""
        ...


async def ask(
    system: System, cases: Sequence[Case], projects: Projects, journal: Path, workers: int, task: Task
) -> list[Answer]:
    """One answer per case, in the order of the cases, `workers` at a time; those in the journal are not asked again.

    Raises MidspanError if a case's project is missing, or if another process writes the same journal.
    """
    keys: dict[str, str] = {}

    def items() -> Iterator[tuple[str, tuple[Case, Project]]]:
        for case_id, (case, project) in with_projects(cases, projects):
            keys[case_id] = case_key(case, project)
            yield keys[case_id], (case, project)

    async def work(_: str, item: tuple[Case, Project]) -> Record:
        return asdict(await system.answer(*item))

    # Two writers would take each other's half-written line for the tail of a killed process.
    busy = f"another process evaluates the same model into {journal}"
    with sole(journal.with_suffix(".lock"), busy, "wait for it; its answers will be reused"):
        records = await run_resumable(items(), work, Journal(journal), workers, task)
    missing = [case for case in cases if case.id not in keys]
    if missing:
        raise MidspanError(f"the project {missing[0].project} of a case is not there", "name the cases' own corpus")
    return [Answer(**records[keys[case.id]]) for case in cases]


def case_key(case: Case, project: Project) -> str:
    """What a system sees of a case: the caret, and the other files of its project."""
    digest = hashlib.sha256(project.once("digest", _digest).encode())
    for text in (case.path, case.prefix, case.suffix):
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()[:32]


def answers_file(system: System) -> Path:
    """Where the answers of a system are kept in the user's cache."""
    key = hashlib.sha256(json.dumps(system.identity, sort_keys=True).encode()).hexdigest()
    return default_cache() / "eval" / "answers" / f"{key[:32]}.jsonl"


def _digest(project: Project) -> str:
    digest = hashlib.sha256(project.name.encode())
    for path, file in project.files.items():
        digest.update(path.encode() + b"\0" + file.digest)
    return digest.hexdigest()
