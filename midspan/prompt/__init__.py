"""Prompt room: the one prompt that training, evaluation and serving share."""
