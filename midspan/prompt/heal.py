"""Token healing: give the half-typed word before the caret back to the model.

A prompt that ends inside a word ends in tokens the model never saw there: "retu" is not the beginning of the tokens
of "return". So the prompt stops before the word, and the generation must first reproduce what was cut. The blank
before the word goes with it, since byte-level BPE joins one blank to the word that follows.

The rule looks at characters only, so the kept text, and with it every token of the prompt, stays the same while the
user types along a word.
"""

MAX_CUT = 64


def heal(prefix: str) -> tuple[str, str]:
    """Split `prefix` into (kept, cut) with `kept + cut == prefix`; `cut` is at most MAX_CUT + 1 characters.

    `cut` is the trailing run of word characters (letters, digits, underscore) and one space or tab before it. Of a run
    longer than MAX_CUT only what follows its last full MAX_CUT characters is cut, so that even then the border moves
    once in MAX_CUT keystrokes.
    """
    start = len(prefix)
    while start and (prefix[start - 1].isalnum() or prefix[start - 1] == "_"):
        start -= 1
    run = len(prefix) - start
    if run > MAX_CUT:
        start += (run - 1) // MAX_CUT * MAX_CUT
    elif start and prefix[start - 1] in " \t":
        start -= 1
    return prefix[:start], prefix[start:]
