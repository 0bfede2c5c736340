"""The one table of languages: how a file is recognised, which grammar reads it, and what its node types mean.

Adding a language is one entry here and one file of real-looking code, `tests/syntax/samples/<name>.txt`, in which the
blocks that must be found are marked. The tests check every node type against the grammar.
"""

from functools import cache

from midspan.syntax.language import NO_TYPES, Language, words

__all__ = ["LANGUAGES", "Language", "language_of"]


_SLASHES = ("/*", "*/")
_JS_STRINGS = words("string template_string regex")
_C_BRANCHES = "if_statement/consequence else_clause/else for_statement/body while_statement/body do_statement/body"
_JS_BRANCHES = words(f"{_C_BRANCHES} for_in_statement/body arrow_function/body")
_JS_CONTINUATIONS = words("else catch finally while")

_ENTRIES = (
    Language(
        "python",
        (".py", ".pyi", ".pyw"),
        words("block"),
        words("argument_list parameters"),
        words("string"),
        line_comment="#",
        indented=True,
        continuations=words("elif else except finally case"),
    ),
    Language(
        "java",
        (".java",),
        words(
            "block class_body constructor_body interface_body enum_body annotation_type_body module_body"
            " switch_block switch_block_statement_group"
        ),
        words("argument_list formal_parameters annotation_argument_list"),
        words("string_literal character_literal"),
        words("line_comment block_comment"),
        words("switch_label"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else catch finally while"),
        branches=words(
            "if_statement/consequence if_statement/alternative for_statement/body enhanced_for_statement/body"
            " while_statement/body do_statement/body lambda_expression/body switch_rule/->"
        ),
    ),
    Language(
        "kotlin",
        (".kt", ".kts"),
        words("block class_body enum_class_body lambda_literal"),
        words("value_arguments function_value_parameters class_parameters"),
        words("string_literal multiline_string_literal character_literal"),
        words("line_comment block_comment"),
        words("lambda_parameters"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else catch finally while"),
        branches=words(
            "if_expression/) if_expression/else for_statement/) while_statement/) when_entry/-> function_body/="
        ),
    ),
    Language(
        "javascript",
        (".js", ".mjs", ".cjs", ".jsx"),
        words("statement_block class_body switch_body class_static_block jsx_element"),
        words("arguments formal_parameters"),
        _JS_STRINGS,
        delimiters=words("jsx_opening_element jsx_closing_element"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_JS_CONTINUATIONS,
        branches=_JS_BRANCHES,
        tags=True,
    ),
    Language(
        "typescript",
        (".ts", ".mts", ".cts"),
        words("statement_block class_body interface_body enum_body switch_body class_static_block"),
        words("arguments formal_parameters"),
        _JS_STRINGS,
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_JS_CONTINUATIONS,
        function="language_typescript",
        branches=_JS_BRANCHES,
    ),
    Language(
        "tsx",
        (".tsx",),
        words("statement_block class_body interface_body enum_body switch_body class_static_block jsx_element"),
        words("arguments formal_parameters"),
        _JS_STRINGS,
        delimiters=words("jsx_opening_element jsx_closing_element"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=_JS_CONTINUATIONS,
        module="tree_sitter_typescript",
        function="language_tsx",
        branches=_JS_BRANCHES,
        tags=True,
    ),
    Language(
        "go",
        (".go",),
        words("statement_list field_declaration_list import_spec_list var_spec_list"),
        words("argument_list parameter_list"),
        words("interpreted_string_literal raw_string_literal rune_literal"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else"),
    ),
    Language(
        "rust",
        (".rs",),
        words("block declaration_list field_declaration_list enum_variant_list match_block field_initializer_list"),
        words("arguments parameters"),
        words("string_literal raw_string_literal char_literal"),
        words("line_comment block_comment"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else"),
        branches=words("match_arm/value closure_expression/body"),
    ),
    Language(
        "c",
        (".c", ".h"),
        words("compound_statement declaration_list field_declaration_list enumerator_list"),
        words("argument_list parameter_list"),
        words("string_literal char_literal system_lib_string"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else while"),
        branches=words(_C_BRANCHES),
    ),
    Language(
        "cpp",
        (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".ipp", ".inl", ".cu", ".cuh"),
        words("compound_statement declaration_list field_declaration_list enumerator_list"),
        words("argument_list parameter_list"),
        words("string_literal char_literal system_lib_string raw_string_literal"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else while catch"),
        branches=words(f"{_C_BRANCHES} for_range_loop/body"),
    ),
    Language(
        "csharp",
        (".cs", ".csx"),
        words("block declaration_list enum_member_declaration_list switch_body accessor_list"),
        words("argument_list parameter_list bracketed_argument_list"),
        words(
            "string_literal verbatim_string_literal raw_string_literal interpolated_string_expression character_literal"
        ),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else catch finally while"),
        module="tree_sitter_c_sharp",
        branches=words(
            "if_statement/consequence if_statement/alternative for_statement/body foreach_statement/body"
            " while_statement/body do_statement/body using_statement/body lock_statement/) lambda_expression/body"
            " arrow_expression_clause/=>"
        ),
    ),
    Language(
        "ruby",
        (".rb", ".rake", ".gemspec", ".ru"),
        words("body_statement block_body then do else ensure"),
        words("argument_list method_parameters"),
        words("string heredoc_body regex string_array"),
        filenames=("Rakefile", "Gemfile", "Vagrantfile", "Podfile"),
        line_comment="#",
        indented=True,
        continuations=words("else elsif end ensure rescue when in"),
    ),
    Language(
        "php",
        (".php", ".phtml"),
        words("compound_statement declaration_list enum_declaration_list switch_block match_block colon_block"),
        words("arguments formal_parameters"),
        words("string encapsed_string heredoc nowdoc_string"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else elseif catch finally while"),
        opening_tag="<?php ",
        function="language_php",
        branches=words(
            "if_statement/body else_if_clause/body else_clause/body for_statement/body foreach_statement/body"
            " while_statement/body do_statement/body arrow_function/body"
        ),
    ),
    Language(
        "swift",
        (".swift",),
        words("statements class_body enum_class_body protocol_body"),
        words("value_arguments"),
        words("line_string_literal multi_line_string_literal raw_string_literal"),
        words("comment multiline_comment"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else catch while"),
    ),
    Language(
        "scala",
        (".scala", ".sc", ".sbt"),
        words("block template_body indented_block case_block indented_cases enum_body with_template_body"),
        words("arguments parameters class_parameters"),
        words("string interpolated_string_expression character_literal"),
        words("comment block_comment"),
        line_comment="//",
        block_comment=_SLASHES,
        continuations=words("else catch finally yield"),
        branches=words(
            "if_expression/consequence if_expression/alternative for_expression/body while_expression/body"
            " function_definition/body case_clause/body"
        ),
    ),
    Language(
        "bash",
        (".sh", ".bash", ".zsh", ".ksh"),
        words("compound_statement do_group if_statement elif_clause else_clause case_item"),
        NO_TYPES,
        words("string raw_string ansi_c_string heredoc_body"),
        filenames=(".bashrc", ".bash_profile", ".profile", ".zshrc", "PKGBUILD"),
        line_comment="#",
        indented=True,
        continuations=words("else elif fi then do done esac"),
        unpaired=words("case_item"),
        delimiters=words("elif_clause else_clause"),
        openers=words("then )"),
    ),
    Language(
        "lua",
        (".lua",),
        words("block"),
        words("arguments parameters"),
        words("string"),
        line_comment="--",
        block_comment=("--[[", "]]"),
        indented=True,
        continuations=words("else elseif end until"),
    ),
    Language(
        "sql",
        (".sql", ".ddl", ".dml"),
        words("block statement"),
        words("column_definitions function_arguments list"),
        words("literal"),
        words("comment marginalia"),
        line_comment="--",
        block_comment=_SLASHES,
        indented=True,
        continuations=words("from where group order having limit union join left inner values set and or on end"),
    ),
    Language(
        "html",
        (".html", ".htm", ".xhtml"),
        words("element"),
        NO_TYPES,
        words("quoted_attribute_value"),
        delimiters=words("start_tag end_tag"),
        block_comment=("<!--", "-->"),
        indented=True,
        tags=True,
    ),
    Language(
        "css",
        (".css",),
        words("block keyframe_block_list"),
        words("arguments"),
        words("string_value"),
        words("comment js_comment"),
        block_comment=("/*", "*/"),
    ),
    Language(
        "json",
        (".json", ".jsonc", ".webmanifest", ".geojson", ".ipynb"),
        words("object array"),
        NO_TYPES,
        words("string"),
        filenames=(".prettierrc", ".eslintrc"),
    ),
    Language(
        "yaml",
        (".yaml", ".yml"),
        words("block_mapping block_sequence"),
        NO_TYPES,
        words("double_quote_scalar single_quote_scalar block_scalar"),
        filenames=(".clang-format", ".clang-tidy"),
        line_comment="#",
        indented=True,
    ),
    Language(
        "toml",
        (".toml",),
        words("table table_array_element"),
        words("array inline_table"),
        words("string"),
        delimiters=words("bare_key dotted_key quoted_key"),
        filenames=("Cargo.lock", "poetry.lock", "uv.lock", "Pipfile"),
        line_comment="#",
    ),
    Language(
        "markdown",
        (".md", ".markdown", ".mdx"),
        words("section list"),
        NO_TYPES,
        words("code_fence_content"),
        words("html_block"),
        words("atx_heading setext_heading"),
        block_comment=("<!--", "-->"),
        indented=True,
    ),
)

LANGUAGES: dict[str, Language] = {language.name: language for language in _ENTRIES}


@cache
def _by_extension() -> dict[str, Language]:
    return {extension: language for language in LANGUAGES.values() for extension in language.extensions}


@cache
def _by_filename() -> dict[str, Language]:
    return {name: language for language in LANGUAGES.values() for name in language.filenames}


def language_of(path: str) -> Language | None:
    """The language of a file by its name, or None if no grammar is known for it."""
    name = path.rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return _by_filename().get(name) or (_by_extension().get(f"{dot}{suffix}".lower()) if stem else None)
