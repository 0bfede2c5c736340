"""Llama in PyTorch: RMSNorm, rotary positions, SwiGLU and grouped-query attention, with Hugging Face's parameter names.

The module is plain: parallelism, compilation and precision are applied to it from outside (`midspan.train.parallel`).
Letters in shapes: B batch, T positions, H query heads, K key/value heads, D head size, C hidden size, V vocabulary.
Papers: RMSNorm arXiv 1910.07467, rotary embeddings 2104.09864, SwiGLU 2002.05202, grouped queries 2305.13245.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from midspan.recipe.schema import ModelConfig

INIT_STD = 0.02


class RMSNorm(nn.Module):
    """Scale to unit root mean square, computed in float32 whatever the input's type."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] -> [..., C]."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)
        return self.weight * wide.to(x.dtype)


def rotary(positions: Tensor, head_size: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines [B, 1, T, D] (float32) for `positions` [B, T]; both halves of D hold the same angles."""
    steps = torch.arange(0, head_size, 2, device=positions.device, dtype=torch.float32)
    angles = positions[:, None, :, None].float() * theta ** (-steps / head_size)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + D/2) of x [B, H, T, D] by their angles."""
    first, second = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


class Attention(nn.Module):
    """Causal self-attention, or attention under the boolean mask it is given."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.heads, config.kv_heads
        self.head_size = config.hidden_size // config.heads
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.head_size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, self.kv_heads * self.head_size, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """[B, T, C] -> [B, T, C]; `mask` [B, 1, T, T] is true where a query (row) may see a key (column)."""
        batch, length, _ = x.shape
        q = self.q_proj(x).view(batch, length, self.heads, self.head_size).transpose(1, 2)
        k = self.k_proj(x).view(batch, length, self.kv_heads, self.head_size).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.head_size).transpose(1, 2)
        y = F.scaled_dot_product_attention(
            rotate(q, cos, sin),
            rotate(k, cos, sin),
            v,
            attn_mask=mask,
            is_causal=mask is None,
            enable_gqa=self.kv_heads != self.heads,
        )
        out: Tensor = self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))
        return out


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.mlp_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.mlp_size, bias=False)
        self.down_proj = nn.Linear(config.mlp_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Block(nn.Module):
    """One layer: attention and MLP, each behind a norm and beside a residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_epsilon)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Trunk(nn.Module):
    """Everything but the output layer (Hugging Face's `model.`)."""

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_epsilon)


class Llama(nn.Module):
    """A Llama language model of the shape `config` over `vocab_size` tokens."""

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.config, self.vocab_size = config, vocab_size
        self.model = Trunk(config, vocab_size)
        self.lm_head = nn.Linear(config.hidden_size, vocab_size, bias=False)
        if config.tie_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(
        self, ids: Tensor, mask: Tensor | None = None, positions: Tensor | None = None, select: Tensor | None = None
    ) -> Tensor:
        """Logits [B, T, V] for `ids` [B, T].

        `mask` [B, T, T] is true where a query may see a key (causal attention if None); `positions` [B, T] counts from
        0 in every sequence if None. With the boolean `select` [B, T] only those positions go through the output layer
        and the result is [number selected, V]: what does not count in the loss costs neither time nor memory there.
        """
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device)[None]
        cos, sin = rotary(positions, self.config.hidden_size // self.config.heads, self.config.rope_theta)
        heads_mask = None if mask is None else mask[:, None]
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, cos, sin, heads_mask)
        x = self.model.norm(x)
        logits: Tensor = self.lm_head(x if select is None else x[select])
        return logits

    def initialise(self, seed: int) -> None:
        """Draw fresh weights: normal, and narrower by sqrt(2 * layers) where a layer writes to the residual (GPT-2)."""
        generator = torch.Generator(device=self.lm_head.weight.device).manual_seed(seed)
        narrow = INIT_STD / math.sqrt(2 * self.config.layers)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.ndim == 1:
                    parameter.fill_(1.0)
                else:
                    std = narrow if name.endswith(("o_proj.weight", "down_proj.weight")) else INIT_STD
                    parameter.normal_(0.0, std, generator=generator)
