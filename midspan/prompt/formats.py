"""Model families, their control tokens and their layouts: one table, and the family of a given vocabulary.

A family is recognised by the control tokens that its vocabulary holds, never by a file name or a guess: a prompt in the
wrong format makes a model write nonsense without any error. Where the vocabulary leaves a choice between families that
print different prompts, the user must name the family.
"""

from dataclasses import dataclass, replace
from typing import Literal

from midspan.errors import MidspanError
from midspan.prompt.tokenizer import Tokenizer

Order = Literal["psm", "spm"]
Place = Literal["none", "before", "inside"]


@dataclass(frozen=True)
class Format:
    """One family: the names of its control tokens and where everything stands; "" is a token the family lacks.

    A file is headed by the `filename` token, then `heading` with its path, and a context file is closed by the
    `separator` token. `context` and `path` say where the context files and the path of the current file stand: before
    the three parts, or inside the prefix. `split_heading`: the `filename` token stands before, the path inside.
    """

    family: str
    prefix: str
    suffix: str
    middle: str
    end: str
    stops: tuple[str, ...]
    """Tokens beside `end` at which a generation is over."""
    order: Order = "psm"
    both_orders: bool = False
    """Whether the parts keep their tokens in the other order too (needed for pre-training documents only)."""
    bos: str = ""
    filename: str = ""
    heading: str = "{path}\n"
    separator: str = ""
    repository: str = ""
    after_repository: str = ""
    context: Place = "before"
    path: Place = "before"
    split_heading: bool = False
    spaced: bool = False
    """Whether a tokenizer that puts a blank before a text (SentencePiece's) does so before the prefix, too."""
    marks: tuple[str, ...] = ()
    """Tokens that no prompt needs but that tell the family's vocabulary from others."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """All names that the vocabulary must hold."""
        names = (self.prefix, self.suffix, self.middle, self.filename, self.separator, self.repository)
        return tuple(filter(None, (*names, self.bos, self.end, *self.marks)))

    @property
    def ends(self) -> tuple[str, ...]:
        """All names at which a generation is over, the family's own end first."""
        parts = (self.prefix, self.suffix, self.middle, self.filename, self.separator, self.repository)
        return tuple(dict.fromkeys(filter(None, (self.end, *self.stops, *parts))))

    @property
    def plain_headings(self) -> bool:
        """Whether only ordinary text separates the files of the context."""
        return not (self.filename or self.separator)


# Model card of JetBrains/Mellum-4b-base: suffix before prefix, context files first. Its Ollama parameters stop at
# <|endoftext|> and <filename>. Pre-training documents of ours come in both orders.
MELLUM = Format(
    family="mellum",
    prefix="<fim_prefix>",
    suffix="<fim_suffix>",
    middle="<fim_middle>",
    filename="<filename>",
    end="<|endoftext|>",
    stops=("<filename>",),
    order="spm",
    both_orders=True,
)

# Model card of bigcode/starcoder: <fim_prefix>...<fim_suffix>...<fim_middle>. Files begin
# <reponame>R<filename>F<gh_stars>N\n (formats page of its playground; arXiv 2305.06161), each field in some files only.
# Its Megatron-LM rearranged whole documents, so the heading lies inside the prefix; other files are documents before.
STARCODER = Format(
    family="starcoder",
    prefix="<fim_prefix>",
    suffix="<fim_suffix>",
    middle="<fim_middle>",
    filename="<filename>",
    end="<|endoftext|>",
    stops=("<fim_pad>", "<reponame>", "<gh_stars>"),
    path="inside",
    marks=("<fim_pad>", "<reponame>", "<gh_stars>"),
)

# StarCoder 2, arXiv 2402.19173, on repository context:
# <repo_name>R<file_sep>path0\ncode0<file_sep><fim_prefix>path1\nP<fim_suffix>S<fim_middle>M<file_sep>...<|endoftext|>
STARCODER2 = Format(
    family="starcoder2",
    prefix="<fim_prefix>",
    suffix="<fim_suffix>",
    middle="<fim_middle>",
    filename="<file_sep>",
    end="<|endoftext|>",
    stops=("<fim_pad>",),
    repository="<repo_name>",
    path="inside",
    split_heading=True,
)

# Qwen2.5-Coder, its README and arXiv 2409.12186, file-level and repository-level FIM:
# <|repo_name|>R\n<|file_sep|>path1\ncode1\n<|file_sep|>path2\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>
QWEN = Format(
    family="qwen2.5-coder",
    prefix="<|fim_prefix|>",
    suffix="<|fim_suffix|>",
    middle="<|fim_middle|>",
    filename="<|file_sep|>",
    end="<|endoftext|>",
    stops=("<|fim_pad|>", "<|im_start|>", "<|im_end|>"),
    repository="<|repo_name|>",
    after_repository="\n",
)

# Code Llama, arXiv 2308.12950, section 2.3, and `infilling_prompt_tokens` of its reference code: BOS, then
# "<PRE> {pre} <SUF>{suf} <MID>", where only the prefix has SentencePiece's blank. Trained on single files without path.
CODELLAMA = Format(
    family="codellama",
    prefix="▁<PRE>",
    suffix="▁<SUF>",
    middle="▁<MID>",
    end="▁<EOT>",
    stops=("</s>",),
    bos="<s>",
    context="none",
    path="none",
    spaced=True,
)

# DeepSeek-Coder's README: code insertion <｜fim▁begin｜>P<｜fim▁hole｜>S<｜fim▁end｜>; repository: every file headed by
# the comment "#path". Arranged per document, a document being a repository's files (arXiv 2401.14196, 2.2 and 3.1.2).
DEEPSEEK = Format(
    family="deepseek-coder",
    prefix="<｜fim▁begin｜>",
    suffix="<｜fim▁hole｜>",
    middle="<｜fim▁end｜>",
    end="<｜end▁of▁sentence｜>",
    stops=("<|EOT|>",),
    bos="<｜begin▁of▁sentence｜>",
    heading="#{path}\n",
    context="inside",
    path="inside",
)

# CodeGemma, its page on prompt structure and arXiv 2406.11409:
# path/to/first\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>M<|file_separator|>; the tokenizer adds <bos>.
CODEGEMMA = Format(
    family="codegemma",
    prefix="<|fim_prefix|>",
    suffix="<|fim_suffix|>",
    middle="<|fim_middle|>",
    end="<|file_separator|>",
    stops=("<eos>", "<end_of_turn>"),
    bos="<bos>",
    separator="<|file_separator|>",
)

# Codestral: `encode_fim` of mistral-common (versions 2 and up): <s>[SUFFIX]S[PREFIX] P, the blank being
# SentencePiece's (Tekken vocabularies have none). Other files, not documented by Mistral: as Continue's template does.
CODESTRAL = Format(
    family="codestral",
    prefix="[PREFIX]",
    suffix="[SUFFIX]",
    middle="",
    end="</s>",
    stops=("[MIDDLE]",),
    order="spm",
    bos="<s>",
    heading="+++++ {path}\n",
    context="inside",
    path="inside",
    spaced=True,
)

# Granite Code, arXiv 2405.04324: StarCoder's vocabulary and FIM tokens. Its file headings are not published.
GRANITE_CODE = replace(STARCODER, family="granite-code")

# Granite 4: IBM's documentation, "Fill-in-the-middle": <|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>. The vocabulary has
# <|filename|>; where it stands is not published, so as in the vocabularies before it.
GRANITE = Format(
    family="granite",
    prefix="<|fim_prefix|>",
    suffix="<|fim_suffix|>",
    middle="<|fim_middle|>",
    filename="<|filename|>",
    end="<|end_of_text|>",
    stops=("<|fim_pad|>", "<|reponame|>"),
    path="inside",
)

FORMATS: dict[str, Format] = {
    format.family: format
    for format in (
        MELLUM,
        STARCODER,
        STARCODER2,
        QWEN,
        CODELLAMA,
        DEEPSEEK,
        CODEGEMMA,
        CODESTRAL,
        GRANITE_CODE,
        GRANITE,
    )
}


# No family: for models that know no fill-in-the-middle, as a peer. They see nothing of what is below the caret.
LEFT_TO_RIGHT = Format(
    family="left-to-right",
    prefix="",
    suffix="",
    middle="",
    end="<|endoftext|>",
    stops=("<|im_end|>",),
    heading="# {path}\n",
)
_NAMEABLE = {**FORMATS, LEFT_TO_RIGHT.family: LEFT_TO_RIGHT}
"""What a user may name; a vocabulary says nothing of whether a model was trained to continue plain text."""


def detect_format(tokenizer: Tokenizer, family: str | None = None) -> Format:
    """The family whose control tokens the vocabulary holds, or the one called `family`.

    MidspanError if `family` is unknown or its tokens are missing, if no family fits, or if several do whose prompts
    differ: a vocabulary with StarCoder's tokens holds Mellum's as well.
    """
    if family is not None:
        return _named(tokenizer, family)
    fitting = [format for format in FORMATS.values() if tokenizer.specials.issuperset(format.tokens)]
    if not fitting:
        raise MidspanError(
            "the vocabulary holds the control tokens of no known fill-in-the-middle family",
            f"use a model of one of these families: {', '.join(FORMATS)};"
            f" or name the family {LEFT_TO_RIGHT.family}, which shows it nothing below the caret",
        )
    if len({replace(format, family="") for format in fitting}) > 1:
        raise MidspanError(
            f"the vocabulary fits several families: {', '.join(format.family for format in fitting)}",
            "name the model's family",
        )
    return fitting[0]


def _named(tokenizer: Tokenizer, family: str) -> Format:
    if family not in _NAMEABLE:
        raise MidspanError(f"there is no family {family}", f"name one of these: {', '.join(_NAMEABLE)}")
    format = _NAMEABLE[family]
    # The marks only tell vocabularies apart: a fine-tuned model may lack them.
    missing = [name for name in replace(format, marks=()).tokens if name not in tokenizer.specials]
    if missing:
        raise MidspanError(
            f"the vocabulary is not one of {family}: it has no control token {missing[0]}", "name the model's family"
        )
    return format
