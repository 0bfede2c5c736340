"""Suggestions end with the statement or block that the caret stands in."""

from midspan.complete.draft import Draft
from midspan.syntax.scope import scope_end


def stop_at_scope_end(draft: Draft) -> Draft:
    """Cut where the caret's scope ends; see `midspan.syntax.scope`."""
    end = scope_end(draft.prefix, draft.text, draft.suffix, draft.language)
    return draft if end is None else draft.cut(end)
