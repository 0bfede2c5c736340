"""A suggestion must not break code that was whole."""

from midspan.complete.draft import Draft
from midspan.syntax.broken import breaks


def drop_broken(draft: Draft) -> Draft:
    """Drop text that brings more syntax errors into the document than it has without it."""
    if draft.text and breaks(draft.prefix, draft.text, draft.suffix, draft.language, draft.replace):
        return draft.drop("breaks the syntax")
    return draft
