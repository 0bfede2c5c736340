"""From the recipe's settings to the judge."""

import os
from pathlib import Path

from midspan.prefer.judges.chat import ChatClient
from midspan.prefer.judges.feedback import FeedbackJudge, read_feedback
from midspan.prefer.judges.human import HumanJudge, Labels
from midspan.prefer.judges.judge import Judge
from midspan.prefer.judges.llm import LlmJudge
from midspan.prefer.judges.reference import ReferenceJudge
from midspan.recipe.progress import Progress
from midspan.recipe.schema import PreferConfig

ANSWERS_FILE = "judge-answers.jsonl"
"""Where a run keeps the answers of a paid judge: beside its stages, as a change of the budget starts a stage anew."""
ASIDE_FILE = "judge-disagreements.jsonl"


def judge_for(config: PreferConfig, cache_path: Path, progress: Progress) -> Judge:
    """The judge the recipe asks for; answers that cost something are kept in `cache_path`, disagreements beside it.

    The judge belongs to the event loop that uses it; `close` it there. Raises MidspanError if the settings cannot be
    used.
    """
    if config.judge == "reference":
        return ReferenceJudge()
    if config.judge in ("human", "feedback"):
        file = Path(config.labels or "").expanduser()
        return HumanJudge(Labels(file)) if config.judge == "human" else FeedbackJudge(read_feedback(file))
    key = os.environ.get(config.llm.api_key_env, "").strip() or None
    client = ChatClient(config.llm.endpoint, config.llm.model, key, config.llm.timeout_s)
    return LlmJudge(client, config.llm, cache_path, cache_path.with_name(ASIDE_FILE), progress.log)
