"""Writing the lines above once more is what a model does that has no idea."""

from midspan.complete.draft import Draft, only_closes


def drop_repeated_above(draft: Draft) -> Draft:
    """Drop a suggestion whose lines are those right above the caret, blank lines and indentation aside.

    The caret's line counts as a whole. Lines that only close something may well repeat those above.
    """
    lines = [line.strip() for line in (draft.line_before + draft.text).splitlines() if line.strip()]
    above = draft.prefix[: len(draft.prefix) - len(draft.line_before)]
    last = [line.strip() for line in above.splitlines() if line.strip()][-len(lines) :]
    if lines and lines == last and not all(only_closes(line) for line in lines):
        return draft.drop("repeats the lines above")
    return draft
