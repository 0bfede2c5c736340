"""A suggestion that has arrived at the next line of the document has done its work."""

from midspan.complete.draft import Draft, only_closes


def stop_at_following_line(draft: Draft) -> Draft:
    """Cut before a line that equals, with its indentation, the next non-blank line below the caret.

    Lines that only close something are alike everywhere and do not count; brackets are matched by
    `trim_suffix_overlap`.
    """
    below = draft.suffix.partition("\n")[2].splitlines()
    following = next((line.rstrip() for line in below if line.strip()), "")
    if only_closes(following):
        return draft
    start, line_before = 0, draft.line_before
    for line in draft.text.splitlines(keepends=True):
        if (line_before + line).rstrip() == following:
            return draft.cut(len(draft.text[:start].rstrip()))
        start, line_before = start + len(line), ""
    return draft
