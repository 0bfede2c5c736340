"""What a request in another client's protocol means: the caret it stands at, its document, what can be inserted there.

Such requests pass the whole completion logic like any other; only one that asks for raw text passes none of it.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from midspan.complete.pipeline import NAMES
from midspan.complete.request import CompletionRequest, Suggestion
from midspan.context.project import Chunk
from midspan.errors import MidspanError
from midspan.prompt.foreign import parse
from midspan.serve.caller import Caller
from midspan.serve.dialects.fields import MAX_NEW_TOKENS
from midspan.serve.service import Service

MAX_TEMPERATURE = 2.0
"""More makes noise, and remote servers refuse it."""
GENERATED_SHARE = 4
"""At most one part in so many of the model's context is generated, whatever a client asks for."""
SEEDS = 2**31
START_CHARS = 1_000
END_CHARS = 200
WHY = "sent along by the client"


@dataclass(frozen=True)
class Sampling:
    """How a client wants the text generated, None where it leaves that open.

    Below 0 `max_tokens` sets no limit. `raw` asks for the text as it was generated, by no step shortened or dropped.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | Sequence[str] | None = None
    candidates: int | None = None
    raw: bool = False
    max_ms: int | None = None


def request_at(
    service: Service,
    caller: Caller,
    sampling: Sampling,
    *,
    prefix: str,
    suffix: str = "",
    path: str = "",
    chunks: Sequence[tuple[str, str]] = (),
) -> CompletionRequest:
    """The completion of a caret in `path`; `chunks` are paths and texts of context, the best first.

    What a client leaves open is chosen for suggestions: no randomness; with some, another seed for every request.
    """
    temperature = min(sampling.temperature or 0.0, MAX_TEMPERATURE)
    seed = sampling.seed
    if seed is None or seed < 0:
        seed = secrets.randbelow(SEEDS) if temperature else 0
    stop = [sampling.stop] if isinstance(sampling.stop, str) else sampling.stop or ()
    return CompletionRequest(
        path=path,
        prefix=prefix,
        suffix=suffix,
        chunks=tuple(Chunk(path, text, place, 1.0, WHY) for place, (path, text) in enumerate(chunks)),
        max_new_tokens=new_tokens(service, sampling.max_tokens),
        temperature=temperature,
        top_p=1.0 if sampling.top_p is None else sampling.top_p,
        seed=seed % SEEDS,
        stop=tuple(filter(None, stop)),
        document=document_key(caller.user, path, prefix, suffix),
        candidates=sampling.candidates or 1,
        skip=frozenset(NAMES if sampling.raw else ()),
        max_ms=sampling.max_ms or None,
    )


def prompt_request(
    service: Service, caller: Caller, sampling: Sampling, prompt: str, suffix: str = "", *, exact: bool = False
) -> CompletionRequest:
    """The completion of a prompt: of the caret in it if any family's template made it, else of its end.

    Clients ask for raw text to have their template left alone, so a caret is completed with all steps nonetheless;
    unless they are `exact` and know the served model themselves.
    """
    found = None if suffix else parse(prompt)
    if found is None:
        return request_at(service, caller, sampling, prefix=prompt, suffix=suffix)
    return request_at(
        service,
        caller,
        replace(sampling, raw=sampling.raw and exact),
        prefix=found.prefix,
        suffix=found.suffix,
        path=found.path,
        chunks=found.context,
    )


def decoded(service: Service, ids: Sequence[int]) -> str:
    """The text of a prompt sent as token ids. Raises MidspanError for an id that the vocabulary does not have."""
    try:
        return service.completer.engine.tokenizer.decode(ids)
    except IndexError:
        size = service.completer.engine.tokenizer.vocab_size
        raise MidspanError(f"a token id of the prompt is not in the vocabulary of {size}", "send text") from None


def new_tokens(service: Service, asked: int | None) -> int | None:
    """How many tokens to generate at most where a client asks for so many or, below 0, for no limit.

    None, the model's own number, where it leaves that open.
    """
    if asked is None:
        return None
    room = min(MAX_NEW_TOKENS, max(1, service.completer.engine.context_length // GENERATED_SHARE))
    return room if asked < 0 else min(max(1, asked), room)


def document_key(user: str, path: str, prefix: str, suffix: str) -> str:
    """An opaque key of the user's document: of its path, or where none is sent of what stays while its user types.

    That is the start of the text in whole lines and its end. "" if there is no text.
    """
    if path:
        named = [path]
    else:
        start = prefix[:START_CHARS]
        named = [start[: start.rfind("\n") + 1], suffix[-END_CHARS:]]
        if not any(named):
            return ""
    return hashlib.blake2b("\0".join([user, *named]).encode(), digest_size=16).hexdigest()


def texts(suggestion: Suggestion) -> list[str]:
    """The different candidates for a client that can only insert, the best first; one at least, "" for nothing."""
    found = [one.insertion for one in (suggestion, *suggestion.alternatives)]
    return list(dict.fromkeys(text for text in found if text)) or [""]
