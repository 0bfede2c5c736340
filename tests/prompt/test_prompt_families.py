"""Every family's prompt against its published template, and what must hold for all of them."""

import pytest
from family_samples import NAMES, SENTENCEPIECE, VOCABULARIES, family_json, family_tokenizer, train
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Plain

from midspan.context.project import Chunk, File, Project
from midspan.errors import MidspanError
from midspan.fim.split import Split
from midspan.prompt.build import Prompt, build_prompt, context_budget, fim_document, make_prompt, target_ids
from midspan.prompt.foreign import ForeignPrompt, parse
from midspan.prompt.formats import FORMATS, detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import PromptConfig

CONFIG = PromptConfig(max_tokens=2048, heal=False)
FAMILIES = sorted(FORMATS)
PREFIX = "from cart import total\n\ndef pay(order):\n    return "
SUFFIX = "(order)\n\npay(1)\n"
CART = "def total(order):\n    return 1\n"

# One file: what the family's card, paper or reference code prints for a prefix and a suffix.
FILE = {
    # JetBrains/Mellum-4b-base, model card: <fim_suffix>...<fim_prefix>...<fim_middle>
    "mellum": f"<fim_suffix>{SUFFIX}<fim_prefix>{PREFIX}<fim_middle>",
    # bigcode/starcoder, model card, "Fill-in-the-middle"
    "starcoder": f"<fim_prefix>{PREFIX}<fim_suffix>{SUFFIX}<fim_middle>",
    # arXiv 2402.19173, section 5.1, without repository
    "starcoder2": f"<fim_prefix>{PREFIX}<fim_suffix>{SUFFIX}<fim_middle>",
    # arXiv 2409.12186, figure 3, and the README, "File-Level Code Completion"
    "qwen2.5-coder": f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>",
    # codellama/llama/generation.py: "<PRE> {pre} <SUF>{suf} <MID>" after BOS, "▁" being the blank of the tokens
    "codellama": f"<s>▁<PRE> {PREFIX}▁<SUF>{SUFFIX}▁<MID>",
    # DeepSeek-Coder's README, "Code Insertion"; its tokenizer puts BOS before it
    "deepseek-coder": f"<｜begin▁of▁sentence｜><｜fim▁begin｜>{PREFIX}<｜fim▁hole｜>{SUFFIX}<｜fim▁end｜>",
    # Google's page "CodeGemma formatting"; its tokenizer puts <bos> before it
    "codegemma": f"<bos><|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>",
    # mistral-common, tests/test_fim_tokenizer.py: <s>[SUFFIX]return▁a▁+▁b[PREFIX]▁def▁f(
    "codestral": f"<s>[SUFFIX]{SUFFIX}[PREFIX] {PREFIX}",
    # arXiv 2405.04324: FIM with StarCoder's tokens
    "granite-code": f"<fim_prefix>{PREFIX}<fim_suffix>{SUFFIX}<fim_middle>",
    # IBM's documentation of Granite 4.0, "Fill-in-the-middle"
    "granite": f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>",
}

# The same caret in shop/pay.py of the repository "shop" with shop/cart.py as context.
REPOSITORY = {
    # Model card, "Fill in the middle with additional files as context generation"
    "mellum": (
        f"<filename>shop/cart.py\n{CART}<filename>shop/pay.py\n<fim_suffix>{SUFFIX}<fim_prefix>{PREFIX}<fim_middle>"
    ),
    # arXiv 2305.06161: <reponame>R<filename>F<gh_stars>N\ncode<|endoftext|>, arranged as a whole
    "starcoder": (
        f"<filename>shop/cart.py\n{CART}<fim_prefix><filename>shop/pay.py\n{PREFIX}<fim_suffix>{SUFFIX}<fim_middle>"
    ),
    # arXiv 2402.19173, section 5.1:
    # <repo_name>reponame<file_sep>filepath0\ncode0<file_sep><fim_prefix>filepath1\ncode1_pre<fim_suffix>...
    "starcoder2": (
        f"<repo_name>shop<file_sep>shop/cart.py\n{CART}<file_sep><fim_prefix>shop/pay.py\n{PREFIX}"
        f"<fim_suffix>{SUFFIX}<fim_middle>"
    ),
    # arXiv 2409.12186, figure 4
    "qwen2.5-coder": (
        f"<|repo_name|>shop\n<|file_sep|>shop/cart.py\n{CART}<|file_sep|>shop/pay.py\n"
        f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"
    ),
    # No form for other files is published
    "codellama": FILE["codellama"],
    # README, "Repository Level Code Completion": #utils.py\n...#model.py\n...
    "deepseek-coder": (
        f"<｜begin▁of▁sentence｜><｜fim▁begin｜>#shop/cart.py\n{CART}#shop/pay.py\n{PREFIX}"
        f"<｜fim▁hole｜>{SUFFIX}<｜fim▁end｜>"
    ),
    # arXiv 2406.11409, figure 2: path\n<|fim_prefix|>...<|file_separator|>
    "codegemma": (
        f"<bos>shop/cart.py\n{CART}<|file_separator|>shop/pay.py\n"
        f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"
    ),
    # continuedev/continue, codestralMultifileFimTemplate: +++++ path\n...
    "codestral": f"<s>[SUFFIX]{SUFFIX}[PREFIX] +++++ shop/cart.py\n{CART}+++++ shop/pay.py\n{PREFIX}",
    "granite-code": (
        f"<filename>shop/cart.py\n{CART}<fim_prefix><filename>shop/pay.py\n{PREFIX}<fim_suffix>{SUFFIX}<fim_middle>"
    ),
    "granite": (
        f"<|filename|>shop/cart.py\n{CART}<|fim_prefix|><|filename|>shop/pay.py\n{PREFIX}"
        f"<|fim_suffix|>{SUFFIX}<|fim_middle|>"
    ),
}


def chunk(path: str, text: str, first_line: int = 0) -> Chunk:
    return Chunk(path, text, first_line, 1.0, "because")


def build(family: str, prefix: str, suffix: str, chunks: list[Chunk], path: str = "", **more: object) -> Prompt:
    arguments = {"config": CONFIG, "repository": "shop"} | more
    return build_prompt(
        family_tokenizer(family),
        FORMATS[family],
        path=path,
        prefix=prefix,
        suffix=suffix,
        chunks=chunks,
        **arguments,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_one_file_as_published(family: str) -> None:
    assert build(family, PREFIX, SUFFIX, []).render(family_tokenizer(family)) == FILE[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_repository_as_published(family: str) -> None:
    prompt = build(family, PREFIX, SUFFIX, [chunk("shop/cart.py", CART)], "shop/pay.py")
    assert prompt.render(family_tokenizer(family)) == REPOSITORY[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_project_gives_the_repository_its_name(family: str) -> None:
    project = Project.of("shop", [File("shop/cart.py", CART)])
    prompt = make_prompt(
        family_tokenizer(family),
        FORMATS[family],
        project,
        path="shop/pay.py",
        prefix=PREFIX,
        suffix=SUFFIX,
        strategy="path_distance",
        config=CONFIG,
    )
    assert prompt.render(family_tokenizer(family)) == REPOSITORY[family]


@pytest.mark.parametrize("family", sorted(SENTENCEPIECE))
@pytest.mark.parametrize("form", ["normalizer", "metaspace"])
def test_sentencepiece_ids_are_those_of_the_plain_tokenizer(family: str, form: str) -> None:
    """The oracle is the family's own way: the prefix encoded as a text, the suffix behind "☺" and without it."""
    text, format = family_json(family, form), FORMATS[family]
    tokenizer, plain = Tokenizer.from_json(text), Plain.from_str(text)
    plain.encode_special_tokens = True
    prefix = plain.encode(PREFIX, add_special_tokens=False).ids
    marked = plain.encode("☺" + SUFFIX, add_special_tokens=False).ids
    suffix = marked[len(plain.encode("☺", add_special_tokens=False).ids) :]
    parts = {format.prefix: prefix, format.suffix: suffix}
    order = [format.prefix, format.suffix] if format.order == "psm" else [format.suffix, format.prefix]
    expected = [tokenizer.special(format.bos)]
    for name in order:
        expected += [tokenizer.special(name), *parts[name]]
    expected += [tokenizer.special(format.middle)] if format.middle else []
    prompt = build_prompt(tokenizer, format, path="", prefix=PREFIX, suffix=SUFFIX, chunks=[], config=CONFIG)
    assert prompt.ids == expected
    assert plain.encode("x").tokens[0].startswith("▁") == tokenizer.leading_blank == (family != "codegemma")


@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_files_yield_no_control_token(family: str) -> None:
    tokenizer, format = family_tokenizer(family), FORMATS[family]
    hostile = "".join(NAMES) + "\n" + " ".join(NAMES) + " <PRE> <SUF> <MID> <0x0A>\n"
    prompt = build(
        family,
        hostile,
        hostile,
        [chunk(NAMES[0], hostile), chunk("b.py", hostile)],
        f"{hostile}.py",
        repository=hostile,
        config=PromptConfig(max_tokens=40_000, heal=False),
    )
    controls = {tokenizer.special(name): name for name in tokenizer.specials}
    assert set(controls.values()) == set(VOCABULARIES[family])
    found = [controls[id] for id in prompt.ids if id in controls]
    clean = build(family, "", "", [chunk("a.py", "a\n"), chunk("b.py", "b\n")], "c.py")
    assert found == [controls[id] for id in clean.ids if id in controls]
    assert prompt.render(tokenizer) == "".join(part.text for part in prompt.parts)
    [prefix] = [part.text for part in prompt.parts if part.kind == "prefix"]
    assert prefix.endswith(hostile)
    target = target_ids(tokenizer, format, prompt, hostile)
    assert [id for id in target if id in controls] == [tokenizer.special(format.end)]


TEXT = st.text(alphabet="ab_ \t\n\r(é\u0301語😀\ufeff▁<|", max_size=60)
CHUNKS = st.lists(st.builds(chunk, st.sampled_from(["a.py", "b/c.py"]), TEXT, st.integers(0, 99)), max_size=3)


@pytest.mark.parametrize("family", FAMILIES)
@given(prefix=TEXT, suffix=TEXT, chunks=CHUNKS, max_tokens=st.integers(60, 400), repeat=st.sampled_from([1, 9]))
def test_never_longer_than_allowed_and_always_true_to_the_text(
    family: str, prefix: str, suffix: str, chunks: list[Chunk], max_tokens: int, repeat: int
) -> None:
    tokenizer, config = family_tokenizer(family), PromptConfig()
    prompt = build(family, prefix * repeat, suffix, chunks, "x.py", config=config, max_tokens=max_tokens)
    assert len(prompt.ids) == sum(part.tokens for part in prompt.parts) <= max_tokens
    assert prompt.render(tokenizer) == "".join(part.text for part in prompt.parts)
    texts = {part.kind: part.text for part in prompt.parts}
    assert (prefix * repeat).endswith(texts["prefix"].removeprefix(" ") + prompt.healed)
    assert suffix.startswith(texts["suffix"])
    context = [part for part in prompt.parts if part.kind == "context"]
    assert sum(part.tokens for part in context) <= context_budget(config, max_tokens) + 1
    assert [part.path for part in context] == sorted(part.path for part in context)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "text",
    ["", "\ufeffa = 1\r\nb\r\n", "\tif x:\r\n\t\ty", "é e\u0301 語😀👩\u200d💻", "x" * 9_000, " " * 7, "▁a▁▁b ▁"],
    ids=["empty", "crlf", "tabs", "unicode", "giant", "blanks", "blank sign"],
)
def test_encoding_loses_nothing(family: str, text: str) -> None:
    for form in ("normalizer", "metaspace"):
        tokenizer = family_tokenizer(family, form)
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
        assert tokenizer.longest_token * len(ids) >= len(text.encode())


@pytest.mark.parametrize("family", sorted(SENTENCEPIECE))
@given(text=st.one_of(st.text(), TEXT, st.lists(st.sampled_from(NAMES)).map("".join)))
def test_sentencepiece_loses_nothing_and_yields_no_control_token(family: str, text: str) -> None:
    tokenizer = family_tokenizer(family)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not set(ids) & {tokenizer.special(name) for name in tokenizer.specials}


SPECIFIC = sorted(set(FAMILIES) - {"starcoder", "granite-code"})


@pytest.mark.parametrize("family", SPECIFIC)
def test_the_vocabulary_tells_the_family(family: str) -> None:
    assert detect_format(family_tokenizer(family)) == FORMATS[family]


@pytest.mark.parametrize("family", ["starcoder", "granite-code"])
def test_starcoders_vocabulary_does_not_settle_the_family(family: str) -> None:
    tokenizer = family_tokenizer(family)
    with pytest.raises(MidspanError, match="mellum, starcoder, granite-code"):
        detect_format(tokenizer)
    for name in ("mellum", "starcoder", "granite-code"):
        assert detect_format(tokenizer, name) == FORMATS[name]
    with pytest.raises(MidspanError, match=r"not one of qwen2\.5-coder.*fim_prefix"):
        detect_format(tokenizer, "qwen2.5-coder")
    with pytest.raises(MidspanError, match="no family llama"):
        detect_format(tokenizer, "llama")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_generation_ends_at_every_control_token_of_the_layout(family: str) -> None:
    format = FORMATS[family]
    assert format.ends[0] == format.end
    layout = {format.prefix, format.suffix, format.middle, format.filename, format.separator, format.repository}
    assert set(format.ends) >= layout - {""}
    assert set(format.ends) <= set(VOCABULARIES[family])


@pytest.mark.parametrize("family", FAMILIES)
def test_pre_training_documents_in_the_familys_order(family: str) -> None:
    tokenizer, format = family_tokenizer(family), FORMATS[family]
    split = Split(PREFIX, "total", SUFFIX, "character", "character", "random")
    assert tokenizer.decode(fim_document(tokenizer, format, split)) == f"{FILE[family]}total{format.end}"
    if family != "mellum":
        with pytest.raises(MidspanError, match=family):
            fim_document(tokenizer, format, split, psm=format.order == "spm")


def foreign(prompt: ForeignPrompt | None) -> tuple[object, ...]:
    assert prompt is not None
    return prompt.prefix, prompt.suffix, prompt.path, prompt.context


@pytest.mark.parametrize("family", FAMILIES)
def test_published_prompts_are_taken_apart(family: str) -> None:
    assert foreign(parse(FILE[family])) == (PREFIX, SUFFIX, "", ())
    expected = (PREFIX, SUFFIX, "shop/pay.py", (("shop/cart.py", CART),))
    found = parse(REPOSITORY[family])
    assert foreign(found) == (expected if family != "codellama" else (PREFIX, SUFFIX, "", ()))
    assert found is not None
    assert (found.repository == "shop") == bool(FORMATS[family].repository)
    assert found.family == ("starcoder" if family == "granite-code" else family)


PLAIN = st.text(alphabet="ab_ \t\n\r(é\u0301語😀\ufeff", max_size=60)


@pytest.mark.parametrize("family", FAMILIES)
@given(prefix=PLAIN, suffix=PLAIN, texts=st.lists(PLAIN, max_size=2))
def test_what_was_built_is_taken_apart_again(family: str, prefix: str, suffix: str, texts: list[str]) -> None:
    files = list(zip(["a.py", "b/c.py"], [text for text in texts if text], strict=False))
    prompt = build(family, prefix, suffix, [chunk(*file) for file in files], "d/x.py")
    found = parse(prompt.render(family_tokenizer(family)))
    assert found is not None
    if FORMATS[family].context == "none":
        files = []
    elif FORMATS[family].plain_headings:
        files = [(path, text if text.endswith("\n") else text + "\n") for path, text in files]
        assert found.path == ("d/x.py" if files else "")
    else:
        assert found.path == "d/x.py"
    assert (found.prefix, found.suffix, list(found.context)) == (prefix, suffix, files)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Ollama's and Continue's Code Llama, Code Llama's own suffix first, an answer that has begun
        ("<PRE> def f( <SUF>): pass <MID>", ("def f(", "): pass", "", ())),
        ("<s> <PRE> <SUF>): pass <MID> def f(", ("def f(", "): pass", "", ())),
        ("<fim_prefix>def <fim_suffix>()<fim_middle>main", ("def main", "()", "", ())),
        # bigcode's Megatron-LM, suffix first
        ("<fim_prefix><fim_suffix>()<fim_middle>def main", ("def main", "()", "", ())),
        # llama.cpp's /infill with extra context, for Qwen and for a vocabulary without file tokens
        (
            "<|repo_name|>myproject\n<|file_sep|>a.h\nint f();\n<|file_sep|>filename\n<|fim_prefix|>x<|fim_suffix|>y"
            "<|fim_middle|>",
            ("x", "y", "filename", (("a.h", "int f();\n"),)),
        ),
        (
            "int f();\n\n--- snippet ---\n\n<fim_prefix>x<fim_suffix>y<fim_middle>",
            ("x", "y", "", (("", "int f();\n\n--- snippet ---\n\n"),)),
        ),
        # Continue's StarCoder 2: no paths; Cody's: a path without repository
        (
            "<file_sep>a = 1\n<file_sep><fim_prefix>b<fim_suffix>c<fim_middle>",
            ("b", "c", "", (("", "a = 1\n"),)),
        ),
        ("<file_sep><fim_prefix>src/b.py\nb<fim_suffix>c<fim_middle>", ("b", "c", "src/b.py", ())),
        # StarCoder's metadata
        (
            "<fim_prefix><reponame>me/shop<filename>pay.py<gh_stars>10-100\nb<fim_suffix>c<fim_middle>",
            ("b", "c", "pay.py", ()),
        ),
        (
            "<filename>a.py\n1\n<|endoftext|><filename>b.py\n<fim_prefix>b<fim_suffix>c<fim_middle>",
            ("b", "c", "b.py", (("a.py", "1\n"),)),
        ),
        # Continue's Codestral
        (
            "[SUFFIX]c[PREFIX]+++++ a.py\n1\n\n\n+++++ my file.py\nb",
            ("b", "c", "my file.py", (("a.py", "1\n\n\n"),)),
        ),
        ("[SUFFIX]c[PREFIX] b", (" b", "c", "", ())),
        # DeepSeek-Coder's README writes both forms
        (
            "<｜fim▁begin｜># utils.py\n1\n#main.py\nb<｜fim▁hole｜>c<｜fim▁end｜>",
            ("b", "c", "main.py", (("utils.py", "1\n"),)),
        ),
        (
            "<｜fim▁begin｜>#!/usr/bin/env python\n# see a.py\nb<｜fim▁hole｜>c<｜fim▁end｜>",
            ("#!/usr/bin/env python\n# see a.py\nb", "c", "", ()),
        ),
    ],
)
def test_prompts_of_other_clients(text: str, expected: tuple[object, ...]) -> None:
    assert foreign(parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def main():\n",
        "<fim_prefix>a<fim_suffix>b",
        "x <fim_prefix> <fim_suffix> <fim_middle> are the names of tokens",
        "see [SUFFIX] and [PREFIX]",
        "[PREFIX]a[SUFFIX]b",
        "<fim_middle><fim_prefix><fim_suffix>",
    ],
)
def test_other_texts_are_no_prompts(text: str) -> None:
    assert parse(text) is None


@given(st.lists(st.one_of(st.sampled_from([*NAMES, "<PRE>", "<SUF>", "<MID>", "#a.py\n", "+++++ a\n", "\n"]), TEXT)))
def test_no_text_is_too_hostile(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = parse(text)
    if found is not None:
        kept = [
            found.prefix,
            found.suffix,
            found.path,
            found.repository,
            *(part for file in found.context for part in file),
        ]
        assert sum(map(len, kept)) < len(text)
        prompt = build("mellum", found.prefix, found.suffix, found.chunks, found.path)
        assert prompt.render(family_tokenizer("mellum")).endswith("<fim_middle>")


def test_control_tokens_in_the_code_cut_it_where_the_rules_say() -> None:
    inner = "'<fim_suffix>' '<fim_middle>'"
    found = parse(f"<fim_prefix>a<fim_suffix>{inner}<fim_middle>")
    assert foreign(found) == ("a", inner, "", ())
    found = parse(f"<fim_prefix>{inner}<fim_suffix>b<fim_middle>")
    assert foreign(found) == ("'", "' '<fim_middle>'<fim_suffix>b", "", ())


def test_a_prompt_for_qwen_becomes_ours() -> None:
    tokenizer = family_tokenizer("mellum")
    found = parse(REPOSITORY["qwen2.5-coder"])
    assert found is not None
    prompt = build_prompt(
        tokenizer,
        FORMATS["mellum"],
        path=found.path,
        prefix=found.prefix,
        suffix=found.suffix,
        chunks=found.chunks,
        config=CONFIG,
        repository=found.repository,
    )
    assert prompt.render(tokenizer) == REPOSITORY["mellum"]


def test_a_model_without_a_family_is_shown_nothing_below_the_caret():
    vocabulary = Tokenizer.from_json(train(["<|endoftext|>", "<|im_end|>"]))
    with pytest.raises(MidspanError, match="no known fill-in-the-middle family"):
        detect_format(vocabulary)
    project = Project.of("shop", [File("shop/cart.py", CART)])
    prompt = make_prompt(
        vocabulary,
        detect_format(vocabulary, "left-to-right"),
        project,
        path="shop/pay.py",
        prefix=PREFIX,
        suffix=SUFFIX,
        strategy="path_distance",
        config=CONFIG,
    )
    assert prompt.render(vocabulary) == f"# shop/cart.py\n{CART}# shop/pay.py\n{PREFIX}"
