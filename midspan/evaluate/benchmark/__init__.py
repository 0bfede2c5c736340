"""Benchmarks of our own: cases like those of an editor, over whole projects that no model was trained on."""
