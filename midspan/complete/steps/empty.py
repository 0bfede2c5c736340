"""Nothing is not a suggestion."""

from midspan.complete.draft import Draft


def drop_empty(draft: Draft) -> Draft:
    """Drop text without a visible character."""
    return draft if draft.text.strip() else draft.drop("empty")
