"""What the completion logic is asked and what it answers."""

from dataclasses import dataclass
from typing import Literal

from midspan.context.caret import Spot
from midspan.context.project import Chunk, Project
from midspan.engine.protocol import StopReason
from midspan.prompt.build import Prompt

Caret = Literal["auto", "line", "block"]
Source = Literal["engine", "memory", "in_flight"]
"""Where a suggestion comes from: it was made for this request, remembered, or being made for an earlier one."""


@dataclass(frozen=True)
class CompletionRequest:
    """A caret in the file `path`.

    `recent` are paths opened and `edited` places edited lately, the last one first; `caret` says how many lines are
    wanted, "auto" leaves it to where the caret is. `max_new_tokens` does not count the healed text; the text ends
    before any string of `stop`. `document` is an opaque key of the editor buffer (such as user and path): of requests
    with the same one the newest counts, and they share a cache; "" is no particular buffer. `chunks` is context that
    the client chose, best first; it takes the place of what would be ranked from `project`. `candidates` is how many
    different suggestions are wanted, `skip` names steps that are not to be taken either. `max_new_tokens` and
    `min_confidence` are the model's own if they are None. After `max_ms` milliseconds of generating no line is begun
    any more, except for the first.
    """

    path: str
    prefix: str
    suffix: str
    project: Project | None = None
    recent: tuple[str, ...] = ()
    edited: tuple[Spot, ...] = ()
    caret: Caret = "auto"
    max_new_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    document: str = ""
    chunks: tuple[Chunk, ...] | None = None
    candidates: int = 1
    skip: frozenset[str] = frozenset()
    min_confidence: float | None = None
    max_ms: float | None = None


@dataclass(frozen=True)
class Timings:
    """Milliseconds: reading the prompt, generating, and the whole request."""

    prompt_ms: float
    generate_ms: float
    total_ms: float


@dataclass(frozen=True)
class StepReport:
    """What one step did to the text, in words, empty if it left the text alone, and how long it took."""

    name: str
    did: str
    ms: float


@dataclass(frozen=True)
class Suggestion:
    """What to show: `text`, empty if there is nothing (then `dropped` says why).

    The text takes the place of the `replace` characters right behind the caret, on its line; nearly always none. Where
    an editor can only insert, `insertion` is what to show.
    `logprob` is the mean over the generated tokens, 0 if there are none; `confidence` the probability that the
    suggestion is right, and `figures` what that is computed from. `caret` is the kind of place, `steps` says what each
    step did. `alternatives` are the other candidates, the best first, none of them empty. `source` is where the
    suggestion comes from; tokens and times count what this request cost.
    """

    text: str
    logprob: float
    stop_reason: StopReason
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    timings: Timings
    dropped: str
    prompt: Prompt
    steps: tuple[StepReport, ...]
    caret: str = ""
    replace: int = 0
    insertable: int = 0
    figures: tuple[float, ...] = ()
    confidence: float = 0.0
    alternatives: "tuple[Suggestion, ...]" = ()
    source: Source = "engine"

    @property
    def insertion(self) -> str:
        """The text as far as it can be inserted without replacing anything: up to where it writes that again."""
        return self.text[: self.insertable] if self.replace else self.text
