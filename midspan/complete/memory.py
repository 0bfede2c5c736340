"""The last suggestions of each document, for as long as what the user types agrees with them.

What is kept of a suggestion is where it was made and what it says. It is given again only where it still makes the same
document (see `type_through`); at the very caret it was made at, only if the rest of the project is the same as well.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, replace

from midspan.complete.request import CompletionRequest, Suggestion
from midspan.complete.type_through import rest_of
from midspan.prompt.pin import same_elsewhere

SUGGESTIONS = 8
"""Kept of one document: a few keystrokes back, for who deletes what was typed, and the one made ahead."""
CHARACTERS = 16_000_000
"""Bound on the texts of all documents kept; the document unused longest goes first."""


@dataclass(frozen=True)
class _Made:
    """A suggestion and the request that it answers."""

    request: CompletionRequest
    suggestion: Suggestion

    @property
    def size(self) -> int:
        """Characters kept."""
        texts = (self.request.prefix, self.request.suffix, self.suggestion.text)
        return sum(map(len, texts)) + sum(len(part.text) for part in self.suggestion.prompt.parts)


class Memory:
    """Suggestions by document, bounded in number and size."""

    def __init__(self) -> None:
        self._documents: OrderedDict[str, deque[_Made]] = OrderedDict()
        self._size = 0

    def find(self, request: CompletionRequest) -> Suggestion | None:
        """What is left of the newest suggestion that answers the request."""
        made = self._documents.get(request.document, ())
        answers = (carried(one.request, one.suggestion, request) for one in made)
        found = next((answer for answer in answers if answer is not None), None)
        if found is not None:
            self._documents.move_to_end(request.document)
        return found

    def keep(self, request: CompletionRequest, suggestion: Suggestion) -> None:
        """Remember the answer to a request, without the tokens of its prompt; the oldest ones make room."""
        made = _Made(request, replace(suggestion, prompt=replace(suggestion.prompt, ids=[])))
        kept = self._documents.setdefault(request.document, deque())
        self._documents.move_to_end(request.document)
        kept.appendleft(made)
        self._size += made.size
        if len(kept) > SUGGESTIONS:
            self._size -= kept.pop().size
        while self._size > CHARACTERS:
            document, oldest = next(iter(self._documents.items()))
            self._size -= oldest.pop().size
            if not oldest:
                del self._documents[document]


def carried(older: CompletionRequest, suggestion: Suggestion, request: CompletionRequest) -> Suggestion | None:
    """What is left of the suggestion for an older request of the document; None if it is no answer to this one."""
    if not same_settings(older, request):
        return None
    before, now = (older.prefix, older.suffix), (request.prefix, request.suffix)
    if before == now:
        return suggestion if same_context(older, request) else None
    left = rest_of(before, suggestion.text, suggestion.replace, now)
    if left is None:
        return None
    # Where only insertion is possible, what the editor added meanwhile must not be written again either.
    typed = len(request.prefix) - len(older.prefix)
    insertable = suggestion.insertable - typed if suggestion.replace else left[0].find(request.suffix[:1])
    return replace(suggestion, text=left[0], replace=left[1], insertable=max(0, insertable), alternatives=())


def same_settings(one: CompletionRequest, other: CompletionRequest) -> bool:
    """Whether two requests ask the same thing of the same document, caret and context aside."""
    return _bare(one) == _bare(other)


def _bare(request: CompletionRequest) -> CompletionRequest:
    return replace(request, prefix="", suffix="", project=None, recent=(), edited=(), chunks=None, max_ms=None)


def same_context(one: CompletionRequest, other: CompletionRequest) -> bool:
    """Whether two requests of one document may draw on the same texts elsewhere."""
    mine, yours = (request.project.files if request.project else None for request in (one, other))
    return one.chunks == other.chunks and same_elsewhere(mine, yours, other.path)
