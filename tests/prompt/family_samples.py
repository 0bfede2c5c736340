"""A small tokenizer for every family, of the structure and with the control tokens of the published ones."""

import argparse
import functools
import inspect
import json.decoder
import textwrap
from collections.abc import Iterator

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers

from midspan.prompt.formats import FORMATS
from midspan.prompt.tokenizer import Tokenizer

STARCODER = [
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<filename>",
    "<gh_stars>",
    "<issue_start>",
    "<reponame>",
]
VOCABULARIES = {
    "mellum": ["<|endoftext|>", "<filename>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>"],
    "starcoder": STARCODER,
    "granite-code": STARCODER,
    "starcoder2": [
        *("<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>", "<file_sep>")
    ],
    "qwen2.5-coder": [
        *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "<|fim_prefix|>", "<|fim_middle|>"),
        *("<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
    ],
    "deepseek-coder": [
        *("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"),
        *("<pad>", "<|User|>", "<|Assistant|>", "<|EOT|>"),
    ],
    "granite": [
        *("<|pad|>", "<|end_of_text|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
        *("<|filename|>", "<|reponame|>", "<|start_of_role|>", "<think>"),
    ],
    "codellama": ["<unk>", "<s>", "</s>", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"],
    "codegemma": [
        *("<unk>", "<pad>", "<eos>", "<bos>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        *("<|file_separator|>", "<start_of_turn>", "<end_of_turn>"),
    ],
    "codestral": ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[PREFIX]", "[SUFFIX]", "[MIDDLE]"],
}
UNMARKED = {"qwen2.5-coder", "deepseek-coder", "granite"}
"""Families that do not mark their control tokens as special."""
SENTENCEPIECE = {"codellama", "codegemma", "codestral"}
NAMES = sorted({name for names in VOCABULARIES.values() for name in names})


def train(specials: list[str], vocab_size: int = 1200) -> str:
    """JSON of a small tokenizer that splits text as our own do."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    splits = [
        pre_tokenizers.Split(Regex(pattern), "isolated")
        for pattern in ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥]+")
    ]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts: Iterator[str] = map(inspect.getsource, (argparse, json.decoder, textwrap))
    tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str())


@functools.cache
def family_json(family: str, form: str = "normalizer") -> str:
    """The tokenizer.json; for SentencePiece families in the form with a normalizer or with a Metaspace."""
    names = VOCABULARIES[family]
    if family in SENTENCEPIECE:
        return sentencepiece_json(names, form, leading_blank=family != "codegemma")
    document = json.loads(train(names, 700))
    for token in document["added_tokens"]:
        token["special"] = family not in UNMARKED
    return json.dumps(document)


@functools.cache
def family_tokenizer(family: str, form: str = "normalizer") -> Tokenizer:
    return Tokenizer.from_json(family_json(family, form))


def pieces(size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Pieces and merges learnt from lines of code, as SentencePiece has them: no line break, a blank as "▁"."""
    learner = tokenizers.Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False)
    lines = inspect.getsource(textwrap).splitlines() + ["        = =", "    return ==== ----"] * 40
    learner.train_from_iterator(lines, trainer)
    model = json.loads(learner.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def sentencepiece_json(names: list[str], form: str, leading_blank: bool) -> str:
    learnt, merges = pieces(500)
    head = [*names[:3], *(f"<0x{byte:02X}>" for byte in range(256))]
    runs = ["▁▁", "▁▁▁▁"]
    merges = [("▁", "▁"), ("▁▁", "▁▁"), *(merge for merge in merges if "".join(merge) not in runs)]
    inner = [piece for piece in learnt if piece not in runs]
    vocabulary = {piece: id for id, piece in enumerate([*head, *runs, *inner, *names[3:]])}
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if form == "metaspace":
        scheme = "first" if leading_blank else "never"
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    elif leading_blank:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        steps.append(decoders.Strip(" ", 1, 0))
    else:
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in names])
    return str(tokenizer.to_str())


assert set(VOCABULARIES) == set(FORMATS)
