"""A generation that met its token limit ends somewhere; a suggestion ends with a statement."""

from midspan.complete.draft import Draft
from midspan.syntax.scope import statement_ends


def cut_unfinished(draft: Draft) -> Draft:
    """Of a truncated block keep its whole statements, if it has any."""
    if not (draft.truncated and draft.block):
        return draft
    ends = statement_ends(draft.prefix, draft.text, draft.suffix, draft.language)
    return draft.cut(ends[-1]) if ends else draft
