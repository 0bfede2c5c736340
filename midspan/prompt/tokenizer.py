"""The tokenizer as the whole system sees it: a byte-level BPE whose control tokens cannot be written by source code.

A thin wrapper over Hugging Face `tokenizers`. Two rules hold for every family:

* `encode` reads its argument as source text. The name of a control token inside it becomes ordinary tokens, so a
  file that contains `<fim_middle>` cannot end the prompt. Control tokens enter a prompt only through `special`.
* `decode` joins the bytes of the tokens, so it needs no decoder and loses nothing but a character cut in its middle.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import tokenizers

from midspan.errors import MidspanError

RESERVED = 27
SPECIAL_TOKENS: tuple[str, ...] = (
    "<|endoftext|>",
    "<filename>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    *(f"<reserved_{number}>" for number in range(RESERVED)),
)
"""The first tokens of our own vocabularies, ids 0 to 31; the reserved ones are free for later uses."""

BLOCKS_REMEMBERED = 2048
MAX_BLOCK_CHARS = 8192


def _byte_alphabet() -> dict[str, int]:
    """The character with which byte-level BPE (GPT-2's table) writes each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTE_OF = _byte_alphabet()


def _bytes_by_id(vocabulary: dict[str, int], added: dict[int, str]) -> list[bytes]:
    """Bytes of every token; MidspanError if the ordinary ones are not written in the byte alphabet."""
    table = [b""] * (max(vocabulary.values(), default=-1) + 1)
    try:
        for token, id in vocabulary.items():
            table[id] = added[id].encode() if id in added else bytes(_BYTE_OF[character] for character in token)
    except KeyError as error:
        raise MidspanError(
            f"the tokenizer is not a byte-level BPE: its tokens contain {error}", "use a model with a byte-level BPE"
        ) from None
    return table


class Tokenizer:
    """A vocabulary with its merges; equal only to itself, safe to share between threads."""

    def __init__(self, text: str) -> None:
        try:
            document = json.loads(text)
            # Some families (Qwen, DeepSeek) do not mark their control tokens as special, and only special tokens can
            # be kept from matching inside source text. Runs of whitespace are real text and stay as they are.
            for token in document.get("added_tokens") or ():
                token["special"] = token["special"] or bool(token["content"].strip())
            self._tokenizer = tokenizers.Tokenizer.from_str(json.dumps(document))
        except Exception as error:  # tokenizers raises bare Exception
            raise MidspanError(
                f"not a tokenizer: {error}", "give a tokenizer.json of the `tokenizers` package"
            ) from None
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        added = self._tokenizer.get_added_tokens_decoder()
        self._specials = {token.content: id for id, token in added.items() if token.special}
        self._bytes = _bytes_by_id(
            self._tokenizer.get_vocab(with_added_tokens=True), {id: token.content for id, token in added.items()}
        )
        self._blocks = lru_cache(maxsize=BLOCKS_REMEMBERED)(lambda block: tuple(self.encode(block)))
        self.vocab_size: int = len(self._bytes)
        self.longest_token: int = max(
            (len(token) for id, token in enumerate(self._bytes) if id not in added), default=1
        )
        """Bytes of the longest ordinary token: the most text that one token can stand for."""
        self.fingerprint: str = hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> "Tokenizer":
        """Read the content of a `tokenizer.json`; MidspanError if it is not one."""
        return cls(text)

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a `tokenizer.json`, or the directory that holds one; MidspanError if there is none."""
        file = path / "tokenizer.json" if path.is_dir() else path
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MidspanError(f"cannot read the tokenizer {file}: {error}", "point to a tokenizer.json") from None
        return cls(text)

    def encode(self, text: str) -> list[int]:
        """Token ids of source text, without any control token."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_block(self, text: str) -> tuple[int, ...]:
        """`encode` with a memory, for blocks of lines that come back at every keystroke; longer text is not kept."""
        return self._blocks(text) if len(text) <= MAX_BLOCK_CHARS else tuple(self.encode(text))

    def decode(self, ids: Iterable[int]) -> str:
        """Text of the tokens; control tokens appear by name, bytes of an incomplete character as U+FFFD."""
        return b"".join(self.token_bytes(id) for id in ids).decode("utf-8", errors="replace")

    def token_bytes(self, id: int) -> bytes:
        """UTF-8 bytes of one token, perhaps a part of a character; IndexError if there is no such id."""
        return self._bytes[id]

    def special(self, name: str) -> int:
        """Id of a control token; MidspanError if the vocabulary has none of that name."""
        if name not in self._specials:
            raise MidspanError(f"the tokenizer has no control token {name}", "use a tokenizer of a known model family")
        return self._specials[name]

    @property
    def specials(self) -> frozenset[str]:
        """Names of the control tokens."""
        return frozenset(self._specials)
