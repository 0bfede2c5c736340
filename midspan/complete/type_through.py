"""Type-through: what is left of a suggestion after the user has typed along it.

The editor may have put closing brackets and quotes behind the caret by itself meanwhile, or let one be typed over. What
is left makes the document that the suggestion would have made, to the character; where that is not certain there is
nothing left, and a new suggestion has to be asked for.
"""

CLOSERS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}


def rest_of(before: tuple[str, str], text: str, replace: int, now: tuple[str, str]) -> tuple[str, int] | None:
    """What is left of `text`, which was to replace `replace` characters at the caret between the texts `before`.

    `now` are the texts around the caret today. The answer, a text and how many characters behind the caret it replaces,
    makes of them what the suggestion would have made of `before`. None if it cannot, if the text is typed to its end,
    or if characters that somebody may have typed would be replaced.
    """
    typed = typed_between(before[0], now[0])
    if typed is None or not text.startswith(typed):
        return None
    added = added_between(before[1], now[1], replace, typed)
    if added is None:
        return None
    rest = text[len(typed) :]
    if not _in_order(added, rest):
        return None
    behind = now[1][: len(now[1]) - (len(before[1]) - replace)]
    shared = _shared_end(rest, behind)
    rest, behind = rest[: len(rest) - shared], behind[: len(behind) - shared]
    return (rest, len(behind)) if rest and "\n" not in behind and "\r" not in behind else None


def typed_between(before: str, now: str) -> str | None:
    """What was typed to make the prefix `before` into the prefix `now`; None if it was not by typing alone."""
    return now[len(before) :] if now.startswith(before) else None


def added_between(before: str, now: str, replace: int, typed: str) -> str | None:
    """The closers that the editor added to the suffix `before` while `typed` was typed, blanks left out.

    Of the first `replace` characters some may be gone, typed over. None if the suffix has changed otherwise.
    """
    kept = before[replace:]
    if not now.endswith(kept):
        return None
    behind = now[: len(now) - len(kept)]
    if before[:replace].endswith(behind):
        return ""
    if not behind.endswith(before[:replace]):
        return None
    added = "".join(behind[: len(behind) - replace].split())
    return added if added and _in_order(added, _closers_of(typed)) else None


def _closers_of(typed: str) -> str:
    """The closers of what `typed` leaves open, the innermost first."""
    owed: list[str] = []
    for character in typed:
        if owed and character == owed[-1]:
            owed.pop()
        elif character in CLOSERS:
            owed.append(CLOSERS[character])
    return "".join(reversed(owed))


def _in_order(characters: str, text: str) -> bool:
    """Whether `text` holds the characters in their order, whatever stands between them."""
    rest = iter(text)
    return all(character in rest for character in characters)


def _shared_end(one: str, other: str) -> int:
    size = 0
    while size < min(len(one), len(other)) and one[-1 - size] == other[-1 - size]:
        size += 1
    return size
