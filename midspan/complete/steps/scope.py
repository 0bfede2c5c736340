"""Suggestions end with the statement or block that the caret stands in."""

from midspan.complete.draft import Draft
from midspan.complete.steps.overlap import closers_behind
from midspan.syntax.scope import scope_end


def stop_at_scope_end(draft: Draft) -> Draft:
    """Cut where the caret's scope ends; see `midspan.syntax.scope`.

    A text that writes the closers behind the caret again may replace them and go on (see `steps.overlap`), so they are
    no end; the statement they are part of has one.
    """
    end = scope_end(draft.prefix, draft.text, draft.suffix, draft.language)
    closers = closers_behind(draft)
    if end is not None and closers and draft.text.startswith(closers[0], end):
        end = scope_end(draft.prefix, draft.text, draft.suffix[len(closers) :], draft.language)
    return draft if end is None else draft.cut(end)
