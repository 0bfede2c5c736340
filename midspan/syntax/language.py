"""What is known of a programming language: how its files are recognised, its grammar, and what its node types mean."""

import importlib
from dataclasses import dataclass
from functools import cached_property

import tree_sitter

NO_TYPES: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Language:
    """One language: one field for each fact. Node types are those of the tree-sitter grammar.

    Statements need no field: they are the named children of a block and of the root.
    """

    name: str

    extensions: tuple[str, ...]
    """Ends of file names, with the dot, in lower case."""

    blocks: frozenset[str]
    """Bodies: of functions, classes, loops, branches; in data formats, containers of entries."""

    arguments: frozenset[str] = NO_TYPES
    """Bracketed lists of arguments or parameters."""

    strings: frozenset[str] = NO_TYPES
    """Quoted text."""

    comments: frozenset[str] = frozenset({"comment"})

    delimiters: frozenset[str] = NO_TYPES
    """Named children of a block that only frame its content: an opening tag, the header of a table."""

    openers: frozenset[str] = NO_TYPES
    """Words inside a block's node before which its content does not start (`then`)."""

    branches: frozenset[str] = NO_TYPES
    """Where a single statement may be a body: "node type/field", or "node type/word before it"."""

    filenames: tuple[str, ...] = ()
    """Whole file names."""

    line_comment: str | None = None
    """What starts a comment that ends with its line."""

    block_comment: tuple[str, str] | None = None
    """What a comment of several lines starts and ends with."""

    indented: bool = False
    """Whether leaving a block shows in the indentation (Python, and languages whose blocks end with a word)."""

    tags: bool = False
    """Whether end tags close blocks, as in HTML; brackets always do."""

    continuations: frozenset[str] = NO_TYPES
    """Words that carry a statement on at its own indentation, in lower case."""

    unpaired: frozenset[str] = NO_TYPES
    """Nodes that hold a closing bracket without an opening one."""

    opening_tag: str = ""
    """What a fragment of a file needs in front of it to be read as code."""

    module: str = ""
    """Python module of the grammar, if it is not `tree_sitter_<name>`."""

    function: str = "language"
    """The module's function that returns the grammar."""

    @cached_property
    def grammar(self) -> tree_sitter.Language:
        """The grammar, loaded on first use."""
        module = importlib.import_module(self.module or f"tree_sitter_{self.name}")
        return tree_sitter.Language(getattr(module, self.function)())


def words(text: str) -> frozenset[str]:
    """Node types, or words of the language, from one string."""
    return frozenset(text.split())
