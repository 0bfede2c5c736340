"""The tokenizer as the whole system sees it: a BPE over bytes whose control tokens cannot be written by source code.

A thin wrapper over Hugging Face `tokenizers`, for byte-level BPE (GPT-2's) and for SentencePiece's BPE with byte
fallback (CodeLlama's, CodeGemma's, Codestral's). Three rules hold for every family:

* `encode` reads its argument as source text. The name of a control token inside it becomes ordinary tokens, so a
  file that contains `<fim_middle>` cannot end the prompt. Control tokens enter a prompt only through `special`.
* `encode` puts nothing before the text: where a family begins a text with a blank, the prompt says so.
* `decode` joins the bytes of the tokens, so it needs no decoder and loses nothing but a character cut in its middle.

SentencePiece writes blanks as "▁" and cannot tell them from that character in a text. Here its bytes are encoded.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

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
BLANK = "▁"
"""How SentencePiece writes a blank."""
_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")
_TAG = re.compile(
    r"</?(table|caption|thead|tbody|tfoot|tr|th|td|h[1-6]|blockquote|strong|em|[bius]|su[bp]|code|[uo]l|li|d[ltd])>"
)


def _is_text(added: str) -> bool:
    """Whether an added token not marked as special is a piece of text: whitespace, a letter, a tag of HTML."""
    return len(added) == 1 or not added.replace(BLANK, "").strip() or _TAG.fullmatch(added) is not None


def _steps(part: dict[str, Any] | None, list_name: str) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, whether it is a sequence, one alone or none."""
    if part is None:
        return []
    return list(part[list_name]) if part["type"] == "Sequence" else [part]


def _without_leading_blank(document: dict[str, Any]) -> tuple[bool, bool]:
    """Make a tokenizer.json put no blank before texts; whether it is SentencePiece's kind, and whether it put one."""
    normalizers = _steps(document.get("normalizer"), "normalizers")
    metaspaces = [
        step for step in _steps(document.get("pre_tokenizer"), "pretokenizers") if step["type"] == "Metaspace"
    ]
    replaces = any(step["type"] == "Replace" and step["content"] == BLANK for step in normalizers)
    kept = [step for step in normalizers if step != {"type": "Prepend", "prepend": BLANK}]
    put = len(kept) < len(normalizers)
    if put:
        document["normalizer"] = {"type": "Sequence", "normalizers": kept}
    for step in metaspaces:
        put |= step.get("prepend_scheme", "always") != "never" and step.get("add_prefix_space", True)
        step |= {"prepend_scheme": "never"} | ({"add_prefix_space": False} if "add_prefix_space" in step else {})
    return replaces or bool(metaspaces), put


def _byte_level_bytes(token: str) -> bytes:
    return bytes(_BYTE_OF[character] for character in token)


def _sentencepiece_bytes(token: str) -> bytes:
    byte = _BYTE_TOKEN.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace(BLANK, " ").encode()


def _bytes_by_id(vocabulary: Mapping[str, int], added: Mapping[int, str], sentencepiece: bool) -> list[bytes]:
    """Bytes of every token, `added` the text of those that stand for themselves.

    MidspanError if the ordinary ones are not written in the byte alphabet, or if a byte has no token.
    """
    spelled = _sentencepiece_bytes if sentencepiece else _byte_level_bytes
    table = [b""] * (max(vocabulary.values(), default=-1) + 1)
    try:
        for token, id in vocabulary.items():
            table[id] = added[id].encode() if id in added else spelled(token)
    except KeyError as error:
        raise MidspanError(
            f"the tokenizer is not a byte-level BPE: its tokens contain {error}",
            "use a model with a byte-level BPE, or a SentencePiece BPE with byte fallback",
        ) from None
    if sentencepiece and any(f"<0x{byte:02X}>" not in vocabulary for byte in range(256)):
        raise MidspanError("the tokenizer has no tokens for single bytes", "use a model with byte fallback")
    return table


class Tokenizer:
    """A vocabulary with its merges; equal only to itself, safe to share between threads."""

    def __init__(self, text: str) -> None:
        try:
            document = json.loads(text)
            # Some families (Qwen, DeepSeek) do not mark their control tokens as special, and only special tokens can
            # be kept from matching inside source text. Pieces of text stay as they are.
            for token in document.get("added_tokens") or ():
                token["special"] = token["special"] or not _is_text(token["content"])
            self._sentencepiece, self.leading_blank = _without_leading_blank(document)
            """`leading_blank`: whether the family begins an encoded text with a blank; `encode` never does."""
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
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        standing = {id: token.content for id, token in added.items() if token.special or not self._sentencepiece}
        self._bytes = _bytes_by_id(vocabulary, standing, self._sentencepiece)
        self._blank_bytes = [vocabulary[f"<0x{byte:02X}>"] for byte in BLANK.encode()] if self._sentencepiece else []
        self._blocks = lru_cache(maxsize=BLOCKS_REMEMBERED)(lambda block: tuple(self.encode(block)))
        self.vocab_size: int = len(self._bytes)
        self.longest_token: int = max(
            (len(token) for id, token in enumerate(self._bytes) if id not in added), default=1
        )
        """Bytes of the longest ordinary token: the most text that one token can stand for."""
        self._json = text
        self.fingerprint: str = hashlib.sha256(text.encode()).hexdigest()

    def __reduce__(self) -> tuple[type["Tokenizer"], tuple[str]]:
        """Another process makes it from the same text."""
        return Tokenizer, (self._json,)

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
        if self._sentencepiece and BLANK in text:
            first, *rest = map(self.encode, text.split(BLANK))
            return first + [id for ids in rest for id in (*self._blank_bytes, *ids)]
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_block(self, text: str) -> tuple[int, ...]:
        """`encode` with a memory, for blocks of lines that come back at every keystroke; longer text is not kept."""
        return self._blocks(text) if len(text) <= MAX_BLOCK_CHARS else tuple(self.encode(text))

    def pre_token_borders(self, text: str) -> list[int]:
        """Character offsets inside `text` between the stretches that are encoded apart, in rising order.

        No token crosses them, in this text. A vocabulary that is not split before merging has none.
        """
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        stretches = encoding.word_ids
        starts = zip(stretches, stretches[1:], encoding.offsets[1:], strict=False)
        return [start for one, following, (start, _) in starts if one != following]

    @cached_property
    def word_borders(self) -> bool:
        """Whether, in ASCII text, no token reaches over the border from a letter or digit to another character."""
        signs = [character for character in map(chr, range(128)) if not character.isalnum()]
        probe = "".join(word + sign for sign in signs for word in "aZ1")
        return set(self.pre_token_borders(probe)).issuperset(range(1, len(probe), 2))

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
