"""How sure a model is to stop where the truth stops: the probability of an end token right behind the true middle.

The prompt is the one that completion uses; behind it come the healed text and the true middle, and what is read off is
the probability, at temperature 1, that the next token is one at which a generation is over. It isolates stopping from
writing: a model may know where to stop in text it would not have written. Cost: one forward pass per case.
"""

from collections.abc import Callable, Iterable

import torch

from midspan.context.project import Project
from midspan.data.cases import Case, with_projects
from midspan.data.corpus import Document
from midspan.model.llama import Llama
from midspan.prompt.build import make_prompt
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.progress import Task
from midspan.recipe.schema import PromptConfig

Projects = Callable[[], Iterable[tuple[str, list[Document]]]]


def end_probabilities(
    model: Llama,
    tokenizer: Tokenizer,
    format: Format,
    config: PromptConfig,
    cases: list[Case],
    projects: Projects,
    task: Task,
) -> list[float | None]:
    """One probability per case, None where prompt and middle do not fit into the model's context."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    ends = [tokenizer.special(name) for name in format.ends if name in tokenizer.specials]
    found: dict[str, float | None] = {}
    for key, (case, project) in with_projects(cases, projects):
        found[key] = _end_probability(model, tokenizer, format, config, case, project, ends)
        task.advance()
    return [found[case.id] for case in cases]


def _end_probability(
    model: Llama,
    tokenizer: Tokenizer,
    format: Format,
    config: PromptConfig,
    case: Case,
    project: Project,
    ends: list[int],
) -> float | None:
    prompt = make_prompt(
        tokenizer,
        format,
        project,
        path=case.path,
        prefix=case.prefix,
        suffix=case.suffix,
        strategy=config.strategy,
        config=config,
    )
    ids = [*prompt.ids, *tokenizer.encode(prompt.healed + case.middle)]
    if len(ids) > model.config.context_length:
        return None
    device = model.lm_head.weight.device
    last = torch.zeros(1, len(ids), dtype=torch.bool)
    last[0, -1] = True
    with torch.no_grad():
        logits = model(torch.tensor([ids], device=device), select=last.to(device))
    return float(logits[0].double().softmax(0)[ends].sum())
