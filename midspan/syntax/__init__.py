"""Syntax room: language of a file, tree-sitter parsing, cut points and scopes."""
