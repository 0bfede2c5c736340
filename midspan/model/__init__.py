"""Model room: Llama in PyTorch, presets, tokenizer training, checkpoints in and out."""
