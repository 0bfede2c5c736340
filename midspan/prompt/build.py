"""The one prompt: what the model sees in training, in evaluation and in the editor.

Layout (suffix before prefix, context first), with the names of the mellum family:

    <filename>a.py\\n...<filename>b.py\\n...<filename>current.py\\n<fim_suffix>...<fim_prefix>...<fim_middle>

Typing changes only the end of it, so an engine's cache holds for the rest: context stands in the order of paths and not
of scores, its budget does not depend on the file being edited, the start of a long prefix moves in steps of lines, and
the half-typed word is healed (see `heal`). Budget: the caret's line first, then the suffix and the context up to their
shares, the prefix takes what is left. Cost: about 1 ms when most blocks of lines were seen before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from midspan.context.project import Chunk, Project
from midspan.context.strategies import rank
from midspan.errors import MidspanError
from midspan.fim.split import Split
from midspan.prompt.budget import fit_head, fit_tail, step_lines
from midspan.prompt.formats import Format
from midspan.prompt.heal import heal
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import PromptConfig, Strategy


@dataclass(frozen=True)
class Part:
    """A stretch of the prompt: `kind` is context, path, suffix, prefix or control; `text` names control tokens."""

    kind: str
    path: str
    tokens: int
    reason: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """Token ids, and the text `healed` that a generation must reproduce first.

    The parts follow each other as they are printed: their token counts sum up to `len(ids)`.
    """

    ids: list[int]
    healed: str
    parts: tuple[Part, ...]

    def render(self, tokenizer: Tokenizer) -> str:
        """The prompt as text, control tokens by name."""
        return tokenizer.decode(self.ids)


class _Printer:
    """Collects ids and parts in the order of printing."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.parts: list[Part] = []

    def add(self, kind: str, path: str, ids: Sequence[int], text: str, reason: str = "") -> None:
        self.ids += ids
        self.parts.append(Part(kind, path, len(ids), reason, text))

    def control(self, name: str) -> None:
        self.add("control", "", [self.tokenizer.special(name)], name)


def context_budget(config: PromptConfig, max_tokens: int | None = None) -> int:
    """Most tokens that context may take: a share of the whole, whatever the current file needs."""
    return int(config.context_share * (config.max_tokens if max_tokens is None else max_tokens))


def make_prompt(
    tokenizer: Tokenizer,
    format: Format,
    project: Project | None,
    *,
    path: str,
    prefix: str,
    suffix: str,
    strategy: Strategy,
    config: PromptConfig,
    recent: Sequence[str] = (),
    max_tokens: int | None = None,
) -> Prompt:
    """Choose context from `project` and print the prompt: the one way from a caret to tokens."""
    chunks: list[Chunk] = []
    if project is not None:
        chunks = rank(
            project,
            path,
            prefix,
            suffix,
            strategy,
            encode=tokenizer.encode,
            token_budget=context_budget(config, max_tokens),
            recent=recent,
        )
    return build_prompt(
        tokenizer, format, path=path, prefix=prefix, suffix=suffix, chunks=chunks, config=config, max_tokens=max_tokens
    )


def build_prompt(
    tokenizer: Tokenizer,
    format: Format,
    *,
    path: str,
    prefix: str,
    suffix: str,
    chunks: Sequence[Chunk],
    config: PromptConfig,
    max_tokens: int | None = None,
) -> Prompt:
    """Print the prompt for a caret in `path` with `chunks` (best first) as context, in at most `max_tokens` tokens.

    `max_tokens` overrides the config's. MidspanError if not even the path fits.
    """
    limit = config.max_tokens if max_tokens is None else max_tokens
    kept, healed = heal(prefix) if config.heal else (prefix, "")
    heading = _heading(tokenizer, format, path)
    room = limit - len(heading) - 3
    if room < 1:
        raise MidspanError(
            f"the path of the current file leaves no room in a prompt of {limit} tokens",
            f"set prompt.max_tokens well above {len(heading) + 3}",
        )
    step = step_lines(limit)
    caret_line = fit_tail(tokenizer, kept[kept.rfind("\n") + 1 :], room, step)
    free = room - len(caret_line.ids)
    below = fit_head(tokenizer, suffix, min(int(config.suffix_share * limit), free))
    context = _fit_chunks(tokenizer, format, chunks, min(context_budget(config, limit), free - len(below.ids)))
    above = fit_tail(tokenizer, kept, room - len(below.ids) - sum(len(ids) for _, ids, _ in context), step)

    printer = _Printer(tokenizer)
    for chunk, ids, text in sorted(context, key=lambda item: (item[0].path, item[0].first_line)):
        printer.add("context", chunk.path, ids, f"{format.filename}{chunk.path}\n{text}", chunk.reason)
    printer.add("path", path, heading, f"{format.filename}{path}\n")
    printer.control(format.suffix)
    printer.add("suffix", path, below.ids, below.text, _cut_reason(len(suffix) - len(below.text)))
    printer.control(format.prefix)
    printer.add("prefix", path, above.ids, above.text, _cut_reason(len(kept) - len(above.text)))
    printer.control(format.middle)
    return Prompt(printer.ids, healed, tuple(printer.parts))


def _heading(tokenizer: Tokenizer, format: Format, path: str) -> list[int]:
    return [tokenizer.special(format.filename), *tokenizer.encode_block(path + "\n")]


def _cut_reason(characters: int) -> str:
    return f"{characters} characters left out" if characters else ""


def _fit_chunks(
    tokenizer: Tokenizer, format: Format, chunks: Iterable[Chunk], room: int
) -> list[tuple[Chunk, list[int], str]]:
    """The best chunks that fit with their headings; the first that does not is cut at a whole line and is the last."""
    fitted: list[tuple[Chunk, list[int], str]] = []
    for chunk in chunks:
        heading = _heading(tokenizer, format, chunk.path)
        head = fit_head(tokenizer, chunk.text, max(0, room - len(heading)))
        if head.text:
            fitted.append((chunk, [*heading, *head.ids], head.text))
            room -= len(heading) + len(head.ids)
        if len(head.text) < len(chunk.text):
            break
    return fitted


def target_ids(tokenizer: Tokenizer, format: Format, prompt: Prompt, middle: str) -> list[int]:
    """Tokens that should follow `prompt`: the healed text, the middle, and the end token."""
    return [*tokenizer.encode(prompt.healed + middle), tokenizer.special(format.end)]


def fim_document(tokenizer: Tokenizer, format: Format, split: Split, psm: bool = False) -> list[int]:
    """A pre-training document rearranged, without healing, to suffix-prefix-middle or with `psm` prefix-suffix-middle.

    The three parts are encoded apart, so that a cut inside a token is seen as it will be seen at the caret.
    """
    prefix = [tokenizer.special(format.prefix), *tokenizer.encode(split.prefix)]
    suffix = [tokenizer.special(format.suffix), *tokenizer.encode(split.suffix)]
    middle = [tokenizer.special(format.middle), *tokenizer.encode(split.middle), tokenizer.special(format.end)]
    return prefix + suffix + middle if psm else suffix + prefix + middle
