"""The one table of languages: how a file is recognised, which grammar reads it, and what its node types mean.

Adding a language is one entry here (and one sample in the tests, which parse it for real and check every node type
against the grammar). Statements need no list of types: they are the named children of a block and of the root.
"""

import importlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import PurePosixPath

import tree_sitter

NO_TYPES: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Language:
    """One language. Node types are those of the tree-sitter grammar.

    `blocks` are bodies: of functions, classes, loops, branches; in data formats, containers of entries. `delimiters`
    are named children of a block that only frame its content (an opening tag, the header of a table). `arguments` are
    bracketed lists of arguments or parameters. `strings` (quoted text) and
    `comments` hold text that is not code.

    `indented` says that leaving a block shows in the indentation (Python, and languages whose blocks end with a word),
    otherwise brackets alone decide. `continuations` are words that carry a statement on at its own indentation.
    `unpaired` nodes hold a closing bracket without an opening one. `opening_tag` is what a fragment of a file needs in
    front of it to be read as code.
    """

    name: str
    extensions: tuple[str, ...]
    blocks: frozenset[str]
    arguments: frozenset[str] = NO_TYPES
    strings: frozenset[str] = NO_TYPES
    comments: frozenset[str] = frozenset({"comment"})
    delimiters: frozenset[str] = NO_TYPES
    filenames: tuple[str, ...] = ()
    line_comment: str | None = None
    block_comment: tuple[str, str] | None = None
    indented: bool = False
    continuations: frozenset[str] = NO_TYPES
    unpaired: frozenset[str] = NO_TYPES
    opening_tag: str = ""
    module: str = ""
    """Python module of the grammar, if it is not `tree_sitter_<name>`."""
    function: str = "language"

    @cached_property
    def grammar(self) -> tree_sitter.Language:
        """The grammar, loaded on first use."""
        module = importlib.import_module(self.module or f"tree_sitter_{self.name}")
        return tree_sitter.Language(getattr(module, self.function)())


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SLASHES = ("/*", "*/")
_JS_STRINGS = _words("string template_string regex")
_JS_CONTINUATIONS = _words("else catch finally while")

_ENTRIES = (
    Language(
        "python",
        (".py", ".pyi", ".pyw"),
        _words("block"),
        _words("argument_list parameters"),
        _words("string"),
        line_comment="#",
        indented=True,
        continuations=_words("elif else except finally case"),
    ),
    Language(
        "java",
        (".java",),
        _words(
            "block class_body constructor_body interface_body enum_body annotation_type_body module_body"
            " switch_block switch_block_statement_group"
        ),
        _words("argument_list formal_parameters annotation_argument_list"),
        _words("string_literal character_literal"),
        _words("line_comment block_comment"),
        _words("switch_label"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else catch finally while"),
    ),
    Language(
        "kotlin",
        (".kt", ".kts"),
        _words("block class_body enum_class_body lambda_literal"),
        _words("value_arguments function_value_parameters class_parameters"),
        _words("string_literal multiline_string_literal character_literal"),
        _words("line_comment block_comment"),
        _words("lambda_parameters"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else catch finally while"),
    ),
    Language(
        "javascript",
        (".js", ".mjs", ".cjs", ".jsx"),
        _words("statement_block class_body switch_body class_static_block"),
        _words("arguments formal_parameters"),
        _JS_STRINGS,
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_JS_CONTINUATIONS,
    ),
    Language(
        "typescript",
        (".ts", ".mts", ".cts"),
        _words("statement_block class_body interface_body enum_body switch_body class_static_block"),
        _words("arguments formal_parameters"),
        _JS_STRINGS,
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_JS_CONTINUATIONS,
        function="language_typescript",
    ),
    Language(
        "tsx",
        (".tsx",),
        _words("statement_block class_body interface_body enum_body switch_body class_static_block jsx_element"),
        _words("arguments formal_parameters"),
        _JS_STRINGS,
        delimiters=_words("jsx_opening_element jsx_closing_element"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_JS_CONTINUATIONS,
        module="tree_sitter_typescript",
        function="language_tsx",
    ),
    Language(
        "go",
        (".go",),
        _words("statement_list field_declaration_list import_spec_list var_spec_list"),
        _words("argument_list parameter_list"),
        _words("interpreted_string_literal raw_string_literal rune_literal"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else"),
    ),
    Language(
        "rust",
        (".rs",),
        _words("block declaration_list field_declaration_list enum_variant_list match_block field_initializer_list"),
        _words("arguments parameters"),
        _words("string_literal raw_string_literal char_literal"),
        _words("line_comment block_comment"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else"),
    ),
    Language(
        "c",
        (".c", ".h"),
        _words("compound_statement declaration_list field_declaration_list enumerator_list"),
        _words("argument_list parameter_list"),
        _words("string_literal char_literal system_lib_string"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else while"),
    ),
    Language(
        "cpp",
        (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".ipp", ".inl", ".cu", ".cuh"),
        _words("compound_statement declaration_list field_declaration_list enumerator_list"),
        _words("argument_list parameter_list"),
        _words("string_literal char_literal system_lib_string raw_string_literal"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else while catch"),
    ),
    Language(
        "csharp",
        (".cs", ".csx"),
        _words("block declaration_list enum_member_declaration_list switch_body accessor_list"),
        _words("argument_list parameter_list bracketed_argument_list"),
        _words(
            "string_literal verbatim_string_literal raw_string_literal interpolated_string_expression character_literal"
        ),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else catch finally while"),
        module="tree_sitter_c_sharp",
    ),
    Language(
        "ruby",
        (".rb", ".rake", ".gemspec", ".ru"),
        _words("body_statement block_body then do"),
        _words("argument_list method_parameters"),
        _words("string heredoc_body regex string_array"),
        filenames=("Rakefile", "Gemfile", "Vagrantfile", "Podfile"),
        line_comment="#",
        indented=True,
        continuations=_words("else elsif end ensure rescue when in"),
    ),
    Language(
        "php",
        (".php", ".phtml"),
        _words("compound_statement declaration_list enum_declaration_list switch_block match_block colon_block"),
        _words("arguments formal_parameters"),
        _words("string encapsed_string heredoc nowdoc_string"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else elseif catch finally while"),
        opening_tag="<?php ",
        function="language_php",
    ),
    Language(
        "swift",
        (".swift",),
        _words("statements class_body enum_class_body protocol_body"),
        _words("value_arguments"),
        _words("line_string_literal multi_line_string_literal raw_string_literal"),
        _words("comment multiline_comment"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else catch while"),
    ),
    Language(
        "scala",
        (".scala", ".sc", ".sbt"),
        _words("block template_body indented_block case_block indented_cases enum_body with_template_body"),
        _words("arguments parameters class_parameters"),
        _words("string interpolated_string_expression character_literal"),
        _words("comment block_comment"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_words("else catch finally yield"),
    ),
    Language(
        "bash",
        (".sh", ".bash", ".zsh", ".ksh"),
        _words("compound_statement do_group"),
        NO_TYPES,
        _words("string raw_string ansi_c_string heredoc_body"),
        filenames=(".bashrc", ".bash_profile", ".profile", ".zshrc", "PKGBUILD"),
        line_comment="#",
        indented=True,
        continuations=_words("else elif fi then do done esac"),
        unpaired=_words("case_item"),
    ),
    Language(
        "lua",
        (".lua",),
        _words("block"),
        _words("arguments parameters"),
        _words("string"),
        line_comment="--",
        block_comment=("--[[", "]]"),
        indented=True,
        continuations=_words("else elseif end until"),
    ),
    Language(
        "sql",
        (".sql", ".ddl", ".dml"),
        _words("block statement"),
        _words("column_definitions function_arguments list"),
        _words("literal"),
        _words("comment marginalia"),
        line_comment="--",
        block_comment=_SLASHES,
        indented=True,
        continuations=_words("from where group order having limit union join left inner values set and or on end"),
    ),
    Language(
        "html",
        (".html", ".htm", ".xhtml"),
        _words("element"),
        NO_TYPES,
        _words("quoted_attribute_value"),
        delimiters=_words("start_tag end_tag"),
        block_comment=("<!--", "-->"),
        indented=True,
    ),
    Language(
        "css",
        (".css",),
        _words("block keyframe_block_list"),
        _words("arguments"),
        _words("string_value"),
        _words("comment js_comment"),
        block_comment=_SLASHES,
    ),
    Language(
        "json",
        (".json", ".jsonc", ".webmanifest", ".geojson", ".ipynb"),
        _words("object array"),
        NO_TYPES,
        _words("string"),
        filenames=(".prettierrc", ".eslintrc"),
    ),
    Language(
        "yaml",
        (".yaml", ".yml"),
        _words("block_mapping block_sequence"),
        NO_TYPES,
        _words("double_quote_scalar single_quote_scalar block_scalar"),
        filenames=(".clang-format", ".clang-tidy"),
        line_comment="#",
        indented=True,
    ),
    Language(
        "toml",
        (".toml",),
        _words("table table_array_element"),
        _words("array inline_table"),
        _words("string"),
        delimiters=_words("bare_key dotted_key quoted_key"),
        filenames=("Cargo.lock", "poetry.lock", "uv.lock", "Pipfile"),
        line_comment="#",
    ),
    Language(
        "markdown",
        (".md", ".markdown", ".mdx"),
        _words("section list"),
        NO_TYPES,
        _words("code_fence_content"),
        _words("html_block"),
        _words("atx_heading setext_heading"),
        block_comment=("<!--", "-->"),
        indented=True,
    ),
)

LANGUAGES: dict[str, Language] = {language.name: language for language in _ENTRIES}


@cache
def _by_extension() -> dict[str, Language]:
    return {extension: language for language in _ENTRIES for extension in language.extensions}


@cache
def _by_filename() -> dict[str, Language]:
    return {name: language for language in _ENTRIES for name in language.filenames}


def language_of(path: str) -> Language | None:
    """The language of a file by its name, or None if no grammar is known for it."""
    name = PurePosixPath(path).name
    return _by_filename().get(name) or _by_extension().get(PurePosixPath(name).suffix.lower())
