"""Hard checks: what fails one of them is never the preferred answer, whatever its score.

A check that the true middle fails too says nothing about the place (the truth may be `pass`, or repeat a line) and is
not applied there. The check `verbatim`, which needs the training text, is in its own module.
Cost: two parses of the file per completion, and patterns over the completion.
"""

import re

from midspan.data.cases import Case
from midspan.data.redact import PLACEHOLDER, redact
from midspan.syntax.broken import is_broken
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.stubs import is_stub

# A piece of 4 to 80 characters four times in a row.
_LOOP = re.compile(r"(.{4,80}?)\1{3}", re.DOTALL)
REPEATED_LINES = 3
COPIED_CHARACTERS = 8


def failed_check(case: Case, text: str) -> str:
    """Name of the first check that `text` fails and the true middle does not; "" if there is none."""
    if not text.strip():
        return "empty"
    if is_stub(case.prefix, text) and not is_stub(case.prefix, case.middle):
        return "stub"
    if is_repetitive(text) and not is_repetitive(case.middle):
        return "repetition"
    if copies_suffix(case.prefix, text, case.suffix) and not copies_suffix(case.prefix, case.middle, case.suffix):
        return "copied suffix"
    if adds_secret(case.prefix, text, case.suffix) and not adds_secret(case.prefix, case.middle, case.suffix):
        return "secret"
    language = LANGUAGES.get(case.language)
    if is_broken(case.prefix, text, case.suffix, language) and not is_broken(
        case.prefix, case.middle, case.suffix, language
    ):
        return "syntax"
    return ""


def is_repetitive(text: str) -> bool:
    """Whether a line stands three times in a row, or a shorter piece with a letter or digit four times."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for start in range(len(lines) - REPEATED_LINES + 1):
        if len(set(lines[start : start + REPEATED_LINES])) == 1 and any(map(str.isalnum, lines[start])):
            return True
    return any(any(map(str.isalnum, match.group(1))) for match in _LOOP.finditer(text))


def copies_suffix(prefix: str, text: str, suffix: str) -> bool:
    """Whether `text` ends by writing once more what follows: the next line, or eight characters of the caret's line.

    Lines that are only brackets do not count.
    """
    rest, _, below = suffix.partition("\n")
    written = prefix[prefix.rfind("\n") + 1 :] + text
    last = next((line for line in reversed(written.splitlines()) if line.strip()), "")
    following = next((line for line in below.splitlines() if line.strip()), "")
    if any(map(str.isalnum, following)) and last.rstrip() == following.rstrip():
        return True
    return len(rest.strip()) >= COPIED_CHARACTERS and text.rstrip().endswith(rest.strip())


def adds_secret(prefix: str, text: str, suffix: str) -> bool:
    """Whether `text`, read with the rest of the caret's line, brings a secret, personal data or a mark of removed ones.

    The rules are those of the corpus (`data.redact`); a model trained on it writes its placeholders.
    """
    before, after = prefix[prefix.rfind("\n") + 1 :], suffix.partition("\n")[0]
    return PLACEHOLDER in text or _found(before + text + after) > _found(before + after)


def _found(text: str) -> int:
    return sum(redact(text)[1].values())
