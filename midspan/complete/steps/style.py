"""Suggestions look like the file they are for."""

from dataclasses import replace

from midspan.complete.draft import Draft
from midspan.complete.style import restyled, style_of


def take_style(draft: Draft) -> Draft:
    """Write line breaks and indentation as the lines around the caret do; see `midspan.complete.style`."""
    if "\n" not in draft.text and "\r" not in draft.text:
        return draft
    return replace(draft, text=restyled(draft.text, draft.line_before, style_of(draft.prefix, draft.suffix)))
