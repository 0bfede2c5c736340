"""A model may know secrets by heart; nobody is to get them from a suggestion."""

from midspan.complete.draft import Draft
from midspan.complete.secrets import contains_secret


def drop_secret(draft: Draft) -> Draft:
    """Drop text that, read with the rest of the caret's line, holds a secret which was not there before."""
    before, behind = draft.line_before, draft.line_behind[draft.replace :]
    if contains_secret(before + draft.text + behind) and not contains_secret(before + behind):
        return draft.drop("holds a secret")
    return draft
