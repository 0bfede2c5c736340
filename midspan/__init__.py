"""Midspan: code completion for the IDE, from repositories to a suggestion in the editor."""

__version__ = "0.1.0"
