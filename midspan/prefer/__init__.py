"""Prefer room: preference pairs from sampled completions and judges."""
