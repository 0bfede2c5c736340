"""Judges: what says which of several completions a developer would rather have."""
