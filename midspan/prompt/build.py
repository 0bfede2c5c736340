"""The one prompt: what the model sees in training, in evaluation and in the editor.

Layout (suffix before prefix, context first), with the names of the mellum family; `formats` has that of the others:

    <filename>a.py\\n...<filename>b.py\\n...<filename>current.py\\n<fim_suffix>...<fim_prefix>...<fim_middle>

Typing changes only the end of it, so an engine's cache holds for the rest: context stands in the order of paths and not
of scores, its budget does not depend on the file being edited, the start of a long prefix moves in steps of lines, and
the half-typed word is healed (see `heal`). Budget: the caret's line first, then the suffix and the context up to their
shares, the prefix takes what is left. Cost: about 1 ms when most blocks of lines were seen before.

A prompt depends on nothing but the arguments: that is right for training and evaluation. While somebody types, `Pins`
keep the choice of context and the start of the prefix as they were; without a pin that holds, the prompt is the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from midspan.context.caret import Spot
from midspan.context.project import Chunk, Project
from midspan.context.strategies import rank
from midspan.errors import MidspanError
from midspan.fim.split import Split
from midspan.prompt.budget import Fitted, fit_grown, fit_head, fit_tail, step_lines, with_lead
from midspan.prompt.formats import Format
from midspan.prompt.heal import heal
from midspan.prompt.pin import Pin, Pins, Purpose
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import PromptConfig, Strategy


@dataclass(frozen=True)
class Part:
    """A stretch of the prompt: `kind` is context, path, suffix, prefix or control; `text` names control tokens.

    The repository's name is a part of kind control.
    """

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


UNNAMED = "project"
"""Name of the repository in families that print one, where it has none."""


@dataclass(frozen=True)
class _Piece:
    """A stretch to be printed: a `Part` with its tokens."""

    kind: str
    path: str
    fitted: Fitted
    reason: str = ""


class _Printer:
    """Collects ids and parts in the order of printing."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.parts: list[Part] = []

    def print(self, control: str, pieces: Iterable[_Piece]) -> None:
        """A control token, if the family has it, and the pieces that follow it."""
        if control:
            pieces = [_Piece("control", "", Fitted((self.tokenizer.special(control),), control)), *pieces]
        for piece in pieces:
            self.ids += piece.fitted.ids
            self.parts.append(Part(piece.kind, piece.path, len(piece.fitted.ids), piece.reason, piece.fitted.text))


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
    edited: Sequence[Spot] = (),
    max_tokens: int | None = None,
    pins: Pins | None = None,
) -> Prompt:
    """Choose context from `project` and print the prompt: the one way from a caret to tokens.

    With `pins` the choices of an earlier prompt at the same spot are taken over, and those of this one remembered.
    """
    limit = config.max_tokens if max_tokens is None else max_tokens
    repository = project.name if project is not None else ""
    files = project.files if project is not None else None
    purpose = Purpose(path, repository, strategy, config, limit, tokenizer, format)
    pin = pins.find(purpose, files, prefix, suffix) if pins is not None else None
    chunks: Sequence[Chunk] = pin.chunks if pin is not None else ()
    if pin is None and project is not None:
        chunks = rank(
            project,
            path,
            prefix,
            suffix,
            strategy,
            encoder=tokenizer,
            token_budget=context_budget(config, limit),
            recent=recent,
            edited=edited,
        )
    prompt, start = _build(purpose, prefix, suffix, chunks, pin.start if pin is not None else None)
    if pins is not None:
        if pin is None:
            pins.keep(Pin.at(purpose, files, chunks, start, prefix, suffix), instead=None)
        else:
            pins.keep(pin.moved(files, start, prefix), instead=pin)
    return prompt


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
    repository: str = "",
) -> Prompt:
    """Print the prompt for a caret in `path` with `chunks` (best first) as context, in at most `max_tokens` tokens.

    `max_tokens` overrides the config's. An empty `path` is not printed; chunks and `repository`, the project's name,
    are only in families that have a place for them. MidspanError if not even the path fits.
    """
    limit = config.max_tokens if max_tokens is None else max_tokens
    # The strategy is no matter here: the chunks are given.
    purpose = Purpose(path, repository, "none", config, limit, tokenizer, format)
    return _build(purpose, prefix, suffix, chunks, None)[0]


def _build(
    purpose: Purpose, prefix: str, suffix: str, chunks: Sequence[Chunk], start: int | None
) -> tuple[Prompt, int]:
    """The prompt, and where its prefix starts. If `start` is given it starts there, as long as that is sensible."""
    tokenizer, format, path, config, limit = (
        purpose.tokenizer,
        purpose.format,
        purpose.path,
        purpose.config,
        purpose.max_tokens,
    )
    kept, healed = heal(prefix, tokenizer) if config.heal else (prefix, "")
    if format.context == "none":
        chunks = ()
    heading = name = Fitted((), "")
    if _shows_path(format, path, chunks):
        heading = _heading(tokenizer, format, path)
    if format.repository and (heading.text or chunks):
        name = _printed(tokenizer, format.repository, (purpose.repository or UNNAMED) + format.after_repository)
    lead = " " if format.spaced and tokenizer.leading_blank else ""
    controls = len(list(filter(None, (format.bos, format.prefix, format.suffix, format.middle))))
    fixed = len(heading.ids) + len(name.ids) + controls + len(tokenizer.encode_block(lead))
    room = limit - fixed
    if room < 1:
        raise MidspanError(
            f"the path of the current file leaves no room in a prompt of {limit} tokens",
            f"set prompt.max_tokens well above {fixed}",
        )
    step = step_lines(limit)
    caret_line = fit_tail(tokenizer, kept[kept.rfind("\n") + 1 :], room, step)
    free = room - len(caret_line.ids)
    share = config.suffix_share if format.suffix else 0.0
    below = fit_head(tokenizer, suffix, min(int(share * limit), free))
    context = _fit_chunks(tokenizer, format, chunks, min(context_budget(config, limit), free - len(below.ids)))
    left = room - len(below.ids) - sum(len(fitted.ids) for _, fitted in context)

    before = [_Piece("control", "", name)] if name.text else []
    inside: list[_Piece] = []
    for chunk, fitted in sorted(context, key=lambda item: (item[0].path, item[0].first_line)):
        (inside if format.context == "inside" else before).append(_Piece("context", chunk.path, fitted, chunk.reason))
    if format.split_heading and heading.text:
        before.append(_Piece("control", "", Fitted(heading.ids[:1], format.filename)))
        heading = Fitted(heading.ids[1:], heading.text.removeprefix(format.filename))
    if heading.text:
        (inside if format.path == "inside" else before).append(_Piece("path", path, heading))
    if lead and inside:
        inside[0] = replace(inside[0], fitted=with_lead(tokenizer, lead, inside[0].fitted))
        lead = ""
    if start is None:
        above = fit_tail(tokenizer, kept, left, step, lead)
    else:
        above = fit_grown(tokenizer, kept, start, left, step, lead)
    start = len(kept) - len(above.text) + (len(lead) if above.text else 0)
    inside.append(_Piece("prefix", path, above, _cut_reason(start)))
    after = [_Piece("suffix", path, below, _cut_reason(len(suffix) - len(below.text)))]

    printer = _Printer(tokenizer)
    printer.print(format.bos, [])
    printer.print("", before)
    parts = [(format.suffix, after), (format.prefix, inside)]
    for control, pieces in parts if format.order == "spm" else reversed(parts):
        printer.print(control, pieces)
    printer.print(format.middle, [])
    return Prompt(printer.ids, healed, tuple(printer.parts)), start


def _shows_path(format: Format, path: str, chunks: Sequence[Chunk]) -> bool:
    """Whether the current file gets a heading; one of mere text only serves to part it from other files."""
    return bool(path) and format.path != "none" and (bool(chunks) or not format.plain_headings)


def _cut_reason(characters: int) -> str:
    return f"{characters} characters left out" if characters else ""


def _heading(tokenizer: Tokenizer, format: Format, path: str) -> Fitted:
    """What stands above the text of the file `path`."""
    return _printed(tokenizer, format.filename, format.heading.format(path=path))


def _printed(tokenizer: Tokenizer, control: str, text: str) -> Fitted:
    """A control token, if the family has it, and text behind it."""
    ids = tokenizer.encode_block(text)
    return Fitted((tokenizer.special(control), *ids) if control else ids, control + text)


def _fit_chunks(tokenizer: Tokenizer, format: Format, chunks: Iterable[Chunk], room: int) -> list[tuple[Chunk, Fitted]]:
    """The best chunks that fit with their headings; the first that does not is cut at a whole line and is the last."""
    fitted: list[tuple[Chunk, Fitted]] = []
    line_end = _printed(tokenizer, "", "\n") if format.plain_headings else Fitted((), "")
    closing = _printed(tokenizer, format.separator, "")
    for chunk in chunks:
        heading = _heading(tokenizer, format, chunk.path)
        head = fit_head(tokenizer, chunk.text, max(0, room - len(heading.ids) - len(line_end.ids) - len(closing.ids)))
        if head.text:
            # A heading of mere text is one at the start of a line only.
            end = closing if head.text.endswith("\n") or not line_end.text else line_end
            whole = Fitted(heading.ids + head.ids + end.ids, heading.text + head.text + end.text)
            fitted.append((chunk, whole))
            room -= len(whole.ids)
        if len(head.text) < len(chunk.text):
            break
    return fitted


def target_ids(tokenizer: Tokenizer, format: Format, prompt: Prompt, middle: str) -> list[int]:
    """Tokens that should follow `prompt`: the healed text, the middle, and the end token."""
    return [*tokenizer.encode(prompt.healed + middle), tokenizer.special(format.end)]


def fim_document(tokenizer: Tokenizer, format: Format, split: Split, psm: bool | None = None) -> list[int]:
    """A pre-training document rearranged, without healing, in the family's order, or in that which `psm` asks for.

    The three parts are encoded apart, so that a cut inside a token is seen as it will be seen at the caret.
    MidspanError if the family is not trained in the order asked for.
    """
    order = format.order if psm is None else "psm" if psm else "spm"
    if order != format.order and not format.both_orders:
        raise MidspanError(
            f"models of the family {format.family} know no documents in the order {order}",
            f"print them in the order {format.order}",
        )
    lead = " " if format.spaced and tokenizer.leading_blank and split.prefix else ""
    prefix = [tokenizer.special(format.prefix), *tokenizer.encode(lead + split.prefix)]
    suffix = [tokenizer.special(format.suffix), *tokenizer.encode(split.suffix)]
    start, border = ([tokenizer.special(name)] if name else [] for name in (format.bos, format.middle))
    given = prefix + suffix if order == "psm" else suffix + prefix
    return [*start, *given, *border, *tokenizer.encode(split.middle), tokenizer.special(format.end)]
