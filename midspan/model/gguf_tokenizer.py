"""The tokenizer inside a GGUF file, as `midspan.prompt.tokenizer.Tokenizer` (no torch).

Our own files carry their tokenizer.json. For others it is rebuilt from the tokens, their types and the merges; the rule
that splits text before merging is only named in the file (`tokenizer.ggml.pre`), so the rules of the code-model
families are listed here, as llama.cpp's `llama-vocab.cpp` defines them. A name that is not listed is refused: a wrong
split gives wrong tokens and a silently worse model.

SentencePiece's BPE (`tokenizer.ggml.model = llama`) has no merges but a score for every piece: the neighbours that make
the best piece are joined first. That is a BPE with every way to make a piece as a merge, in the order of scores, as
Transformers converts it. It differs only where one piece can be made to the left and to the right of the same token.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gguf import TokenType
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as BPE

from midspan.errors import MidspanError
from midspan.model.gguf_metadata import read_metadata
from midspan.model.tokenizer import deepseek_coder_pre_tokenizer
from midspan.prompt.tokenizer import BLANK, Tokenizer

CONTRACTIONS = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST
GPT2_NAMES = {"gpt-2", "phi-2", "jina-es", "jina-de", "mpt", "olmo", "jais"}
DIGIT_NAMES = {"starcoder", "smollm", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}
QWEN2_NAMES = {"qwen2", "stablelm2", "deepseek-r1-qwen", "hunyuan"}
LLAMA3_NAMES = {"llama3", "llama-v3", "llama-bpe", "dbrx", "smaug-bpe"}


def read_tokenizer(path: Path, metadata: Mapping[str, Any] | None = None) -> Tokenizer:
    """The tokenizer of the GGUF file `path`; `metadata` is the file's, if it has been read already.

    Raises MidspanError if the file is no GGUF or its tokenizer is not understood.
    """
    metadata = read_metadata(path) if metadata is None else metadata
    if "tokenizer.huggingface.json" in metadata:
        return Tokenizer.from_json(metadata["tokenizer.huggingface.json"])
    kind = metadata.get("tokenizer.ggml.model")
    if kind == "llama":
        return Tokenizer.from_json(rebuild_sentencepiece(path, metadata).to_str())
    if kind != "gpt2":
        raise MidspanError(f"{path} has a tokenizer of kind {kind!r}", "only BPE models are supported")
    return Tokenizer.from_json(rebuild(path, metadata).to_str())


def rebuild(path: Path, metadata: Mapping[str, Any]) -> BPE:
    """Put a byte-level BPE together from the lists in the file."""
    pre = metadata.get("tokenizer.ggml.pre", "default")
    pre_tokenizer = pre_tokenizer_named(pre)
    if pre_tokenizer is None:
        raise MidspanError(f"{path} splits text by the unknown rule {pre!r}", "use another model, or report its name")
    tokens: list[str] = metadata.get("tokenizer.ggml.tokens", [])
    types: list[int] = metadata.get("tokenizer.ggml.token_type", [TokenType.NORMAL] * len(tokens))
    merges = [tuple(merge.split(" ", 1)) for merge in metadata.get("tokenizer.ggml.merges", [])]
    bpe = BPE(
        models.BPE(
            vocab={token: id for id, token in enumerate(tokens)}, merges=merges, ignore_merges=pre in LLAMA3_NAMES
        )
    )
    bpe.pre_tokenizer = pre_tokenizer
    bpe.decoder = decoders.ByteLevel()
    added = [
        AddedToken(token, special=kind == TokenType.CONTROL, normalized=False)
        for token, kind in zip(tokens, types, strict=True)
        if kind in (TokenType.CONTROL, TokenType.USER_DEFINED)
    ]
    bpe.add_tokens(added)
    return bpe


def rebuild_sentencepiece(path: Path, metadata: Mapping[str, Any]) -> BPE:
    """Put a SentencePiece BPE together from the pieces and scores in the file."""
    tokens: list[str] = metadata.get("tokenizer.ggml.tokens", [])
    scores: list[float] = metadata.get("tokenizer.ggml.scores", [0.0] * len(tokens))
    types: list[int] = metadata.get("tokenizer.ggml.token_type", [TokenType.NORMAL] * len(tokens))
    typed = list(zip(tokens, types, strict=True))
    if any(kind == TokenType.USER_DEFINED and (BLANK in token or not token.strip()) for token, kind in typed):
        raise MidspanError(
            f"{path} defines runs of blanks as tokens of their own, which cannot be rebuilt exactly",
            "give the model's Hugging Face directory with its tokenizer.json",
        )
    unknown = next((token for token, kind in typed if kind == TokenType.UNKNOWN), None)
    pieces = {token: score for (token, kind), score in zip(typed, scores, strict=True) if kind == TokenType.NORMAL}
    ways = [
        (-score, cut, (piece[:cut], piece[cut:]))
        for piece, score in pieces.items()
        for cut in range(1, len(piece))
        if piece[:cut] in pieces and piece[cut:] in pieces
    ]
    bpe = BPE(
        models.BPE(
            vocab={token: id for id, token in enumerate(tokens)},
            merges=[way for _, _, way in sorted(ways, key=lambda item: (item[0], -item[1]))],
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    steps: list[normalizers.Normalizer] = [normalizers.Replace(" ", BLANK)]
    if metadata.get("tokenizer.ggml.add_space_prefix", True):
        steps.insert(0, normalizers.Prepend(BLANK))
    bpe.normalizer = normalizers.Sequence(steps)
    standing = (TokenType.CONTROL, TokenType.UNKNOWN, TokenType.USER_DEFINED)
    bpe.add_special_tokens([AddedToken(token, normalized=False) for token, kind in typed if kind in standing])
    return bpe


def pre_tokenizer_named(name: str) -> pre_tokenizers.PreTokenizer | None:
    """The rule that llama.cpp calls `name`, None if it is not known here."""
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if name == "deepseek-coder":
        return deepseek_coder_pre_tokenizer()
    if name in GPT2_NAMES:
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if name in DIGIT_NAMES:
        digits = pre_tokenizers.Digits(individual_digits=True)
        return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    if name in QWEN2_NAMES:
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), to_bytes])
    if name in LLAMA3_NAMES:
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), to_bytes])
    return None
