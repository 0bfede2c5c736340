"""Single-line suggestions end with their line."""

import re

from midspan.complete.draft import Draft

_BREAK = re.compile(r"[\r\n]")


def stop_at_line_end(draft: Draft) -> Draft:
    """Keep the text before the first line break, unless several lines are wanted."""
    end = None if draft.block else _BREAK.search(draft.text)
    return draft.cut(end.start()) if end else draft
