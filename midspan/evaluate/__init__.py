"""Evaluate room: held-out cases, metrics and reports."""
