"""GBNF, llama.cpp's grammar notation: the one grammar token healing needs."""


def starting_with(text: str) -> str:
    """A grammar of all texts that begin with `text`; `text` must not be empty or hold NUL characters."""
    return f'root ::= "{"".join(_escaped(character) for character in text)}" [^\\x00]*'


def _escaped(character: str) -> str:
    code = ord(character)
    if character.isascii() and character.isprintable() and character not in '"\\':
        return character
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
