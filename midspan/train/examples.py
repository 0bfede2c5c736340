"""Examples of fine-tuning: a document cut at syntax, printed as the prompt an editor would send, and what follows.

The prompt comes from `make_prompt`, the function that also serves evaluation and the editor, with the same settings: an
example that is too long for a row is left out, never given a shorter prompt. Examples are made in an order that is a
function of (seed, epoch, content), and only as many as the token budget needs: ranking and packing context costs
milliseconds each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

from midspan.context.project import File, Project
from midspan.data.corpus import TEXT, Document
from midspan.errors import MidspanError
from midspan.fim.split import document_rng
from midspan.fim.syntax import syntax_split
from midspan.prompt.build import make_prompt, target_ids
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import FimConfig, PromptConfig, SftConfig, Strategy
from midspan.syntax.languages import language_of
from midspan.train.packing import document_id, shuffled
from midspan.train.rows import Segment


@dataclass
class Skipped:
    """Attempts that gave no example, by reason."""

    no_cut: int = 0
    too_long: int = 0


@dataclass(frozen=True)
class ExampleMaker:
    """Everything an example depends on beside its document."""

    tokenizer: Tokenizer
    format: Format
    fim: FimConfig
    prompt: PromptConfig
    sft: SftConfig
    seed: int
    skipped: Skipped = field(default_factory=Skipped)

    def make(self, document: Document, project: Project, rng: Random) -> Segment | None:
        """One example, its prompt not counted in the loss; None if the document cannot give one that fits."""
        split = syntax_split(document.text, language_of(document.path), rng, self.fim)
        strategy = self._strategy(rng)
        if split is None:
            self.skipped.no_cut += 1
            return None
        try:
            prompt = make_prompt(
                self.tokenizer,
                self.format,
                project,
                path=document.path,
                prefix=split.prefix,
                suffix=split.suffix,
                strategy=strategy,
                config=self.prompt,
            )
        except MidspanError:  # a path that fills the prompt
            self.skipped.too_long += 1
            return None
        target = target_ids(self.tokenizer, self.format, prompt, split.middle)
        if len(prompt.ids) + len(target) > self.sft.sequence_length + 1:
            self.skipped.too_long += 1
            return None
        return Segment([*prompt.ids, *target], counted_from=len(prompt.ids))

    def _strategy(self, rng: Random) -> Strategy:
        names = sorted(self.sft.strategies)  # a recipe may list them in any order
        return rng.choices(names, [self.sft.strategies[name] for name in names])[0]


def make_examples(maker: ExampleMaker, documents: Sequence[Document], tokens: int) -> Iterator[Segment]:
    """Examples from as many epochs as `tokens` tokens take, none of natural language.

    Raises MidspanError if the documents give none.
    """
    if not any(maker.sft.strategies.values()):
        raise MidspanError("all weights in [sft.strategies] are zero", "give at least one strategy a weight above zero")
    documents = [document for document in documents if document.language != TEXT]
    files: dict[str, list[File]] = {}
    for document in documents:
        files.setdefault(document.project, []).append(File(document.path, document.text))
    projects = {name: Project.of(name, members) for name, members in files.items()}
    made = 0
    for epoch in count():
        before = made
        for document in shuffled(documents, maker.seed, epoch):
            rng = document_rng(maker.seed, epoch, document_id(document))
            for _ in range(maker.sft.examples_per_file):
                example = maker.make(document, projects[document.project], rng)
                if example is None:
                    continue
                yield example
                made += len(example.ids)
                if made >= tokens:
                    return
        if made == before:
            raise MidspanError(
                f"no training document gives an example: {maker.skipped.no_cut} could not be cut,"
                f" {maker.skipped.too_long} were too long",
                "add sources to [data], raise sft.sequence_length or lower prompt.max_tokens",
            )
