"""Arithmetic on a model's shape: parameters, FLOPs per token and memory, without building the model (no torch)."""

from dataclasses import dataclass

from midspan.recipe.schema import ModelConfig


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters; with tied embeddings the output layer has none of its own."""

    embedding: int
    output: int
    matrices: int
    """Of all blocks together."""
    norms: int

    @property
    def total(self) -> int:
        """All parameters."""
        return self.embedding + self.output + self.matrices + self.norms


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes on all devices together, for one micro-batch in flight."""

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.weights + self.gradients + self.optimizer + self.activations


def parameters(config: ModelConfig, vocab_size: int) -> Parameters:
    """Count the parameters exactly."""
    kv_size = config.hidden_size // config.heads * config.kv_heads
    attention = 2 * config.hidden_size * (config.hidden_size + kv_size)
    mlp = 3 * config.hidden_size * config.mlp_size
    embedding = vocab_size * config.hidden_size
    return Parameters(
        embedding=embedding,
        output=0 if config.tie_embeddings else embedding,
        matrices=config.layers * (attention + mlp),
        norms=(2 * config.layers + 1) * config.hidden_size,
    )


def training_flops_per_token(config: ModelConfig, vocab_size: int, sequence_length: int) -> int:
    """FLOPs of forward and backward for one token: 6 per weight of a matrix product, and causal attention.

    The attention term is 6 * layers * hidden * T: 12 for both products, forward and backward, halved as on average a
    token sees half of the sequence (PaLM, arXiv 2204.02311, appendix B, counts it unhalved).
    """
    weights = parameters(config, vocab_size).matrices + vocab_size * config.hidden_size
    return 6 * weights + 6 * config.layers * config.hidden_size * sequence_length


def training_memory(
    config: ModelConfig, vocab_size: int, micro_batch: int, sequence_length: int, *, optimizer: str, bf16: bool
) -> TrainingMemory:
    """Estimate training memory: float32 master weights and gradients, activations kept without recomputation.

    Per block and token these are kept for the backward pass: the two norms' inputs and outputs (4 C), q and the
    attention's output (2 C), k and v (2 kv), and the MLP's gate, up, activated gate and product (4 M). The logits are
    kept in float32, once as they are and once as their gradient.
    """
    count = parameters(config, vocab_size)
    kv_size = config.hidden_size // config.heads * config.kv_heads
    tokens = micro_batch * sequence_length
    per_token = config.layers * (6 * config.hidden_size + 2 * kv_size + 4 * config.mlp_size) + 2 * config.hidden_size
    moments = 2 * count.total - (count.matrices if optimizer == "muon" else 0)
    return TrainingMemory(
        weights=4 * count.total,
        gradients=4 * count.total,
        optimizer=4 * moments,
        activations=tokens * (per_token * (2 if bf16 else 4) + 2 * 4 * vocab_size),
    )


def inference_bytes(config: ModelConfig, vocab_size: int, bytes_per_weight: float, context: int) -> int:
    """Bytes for serving one sequence: the weights and a float16 KV cache of `context` tokens."""
    kv_size = config.hidden_size // config.heads * config.kv_heads
    return int(parameters(config, vocab_size).total * bytes_per_weight) + 2 * 2 * config.layers * kv_size * context
