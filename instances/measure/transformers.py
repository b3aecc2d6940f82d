"""Transformers as chains of blocks: ViT-B/16, BERT-base and the GPT-2 family.

A layer of width h and inner width i on s tokens takes 2 s (4 h^2 + 2 h i) FLOPs in its linear maps
and 4 s^2 h in the two products of attention. Attention is written as two plain matrix products,
so that the count does not hang on which fused kernel PyTorch picks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from splitopt.instances.measure.block_chain import NetworkChain

_TOKEN_ID_BITS = 32
_PIXEL_BITS = 8


class Attention(nn.Module):  # type: ignore[misc]
    """Multi-head self-attention of s tokens of width h; the mask of a decoder changes no shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        """Return the projected attention output, of the shape of `x`."""
        batch, tokens, width = x.shape
        split = self.query_key_value(x).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(-1)
        return self.project((weights @ value).transpose(1, 2).reshape(batch, tokens, width))


class TransformerLayer(nn.Module):  # type: ignore[misc]
    """Attention and a two-layer perceptron, each with a residual connection and a norm."""

    def __init__(self, width: int, heads: int, inner: int, norm_first: bool) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm_first = norm_first

    def forward(self, x: Any) -> Any:
        """Return the layer's output, of the shape of `x`."""
        if self.norm_first:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


class PatchEmbedding(nn.Module):  # type: ignore[misc]
    """Patches of an image as tokens, a class token before them, learned positions added."""

    def __init__(self, width: int, patch: int, tokens: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, tokens, width))

    def forward(self, x: Any) -> Any:
        """Return the tokens, batch x tokens x width."""
        patches = self.patches(x).flatten(2).transpose(1, 2)
        return torch.cat([self.class_token, patches], dim=1) + self.positions


class TokenEmbedding(nn.Module):  # type: ignore[misc]
    """Rows of embedding tables, added; the first table is by token, the others by position."""

    def __init__(self, width: int, tables: list[int], norm: bool) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(rows, width) for rows in tables)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()

    def forward(self, ids: Any) -> Any:
        """Return the embedded tokens, batch x tokens x width."""
        # Ids of positions and segments are as many as those of tokens; only shapes matter here.
        return self.norm(sum(table(ids) for table in self.tables))


class FirstTokenHead(nn.Module):  # type: ignore[misc]
    """A classifier on the first token: norm (ViT) or pooler with tanh (BERT), then linear."""

    def __init__(self, width: int, classes: int, pooler: bool) -> None:
        super().__init__()
        self.norm = nn.Identity() if pooler else nn.LayerNorm(width)
        self.pooler = nn.Sequential(nn.Linear(width, width), nn.Tanh()) if pooler else nn.Identity()
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        return self.classifier(self.pooler(self.norm(x)[:, 0]))


def _language_model_head(width: int, vocabulary: int) -> Any:
    """Return the final norm and the map to logits of every token (the tied table)."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False))


def vit_b16() -> NetworkChain:
    """Return ViT-B/16 at 224 x 224: patch embedding, 12 layers, final norm with the classifier."""
    width, heads, inner, layers, side, patch, classes = 768, 12, 3072, 12, 224, 16, 1000
    tokens = (side // patch) ** 2 + 1
    blocks = [
        ("patch_embedding", PatchEmbedding(width, patch, tokens)),
        *(
            (f"layer_{i}", TransformerLayer(width, heads, inner, norm_first=True))
            for i in range(1, layers + 1)
        ),
        ("head", FirstTokenHead(width, classes, pooler=False)),
    ]
    return NetworkChain(
        name="vit-b16-imagenet",
        title="ViT-B/16, 224 x 224, 1000 classes",
        source=(
            "A. Dosovitskiy et al., An image is worth 16 x 16 words: transformers for image "
            "recognition at scale, ICLR 2021, arXiv 2010.11929"
        ),
        notes=(
            "The head reads the class token alone; the activation of the last layer still counts "
            "all 197 tokens, as for every layer.",
            "The class token has not seen the image before layer_1: an exit after patch_embedding "
            "has a cost and no accuracy.",
        ),
        classes=classes,
        sample=torch.empty(1, 3, side, side),
        input_bits=3 * side * side * _PIXEL_BITS,
        head_blocks=1,
        blocks=tuple(blocks),
        exit_branch=lambda _: (FirstTokenHead(width, classes, pooler=False), 0),
        exit_note="norm (not counted) and one linear layer to the classes, on the class token",
    )


def bert_base(tokens: int = 128) -> NetworkChain:
    """Return BERT-base (uncased): 12 layers, the embedding in the first, pooler with classifier."""
    width, heads, inner, layers, classes = 768, 12, 3072, 12, 2
    stack = [TransformerLayer(width, heads, inner, norm_first=False) for _ in range(layers)]
    stack[0] = nn.Sequential(TokenEmbedding(width, [30522, 512, 2], norm=True), stack[0])
    blocks = [(f"layer_{i}", layer) for i, layer in enumerate(stack, start=1)]
    blocks.append(("head", FirstTokenHead(width, classes, pooler=True)))
    return NetworkChain(
        name=f"bert-base-{tokens}",
        title=f"BERT-base uncased, {tokens} tokens, {classes} classes",
        source=(
            "J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT: pre-training of deep "
            "bidirectional transformers for language understanding, NAACL 2019, arXiv 1810.04805"
        ),
        notes=(
            "The embedding (tables of 30522 tokens, 512 positions, 2 segments) is part of layer_1: "
            "look-ups count no FLOPs, its parameters count.",
            "One segment without padding: token ids are the whole input.",
            "The head reads the first token alone; the activation of the last layer still counts "
            "all tokens, as for every layer.",
            f"109482240 parameters with the pooler, and {classes * (width + 1)} in the classifier.",
        ),
        classes=classes,
        sample=torch.empty(1, tokens, dtype=torch.int64),
        input_bits=tokens * _TOKEN_ID_BITS,
        head_blocks=1,
        blocks=tuple(blocks),
        exit_branch=lambda _: (FirstTokenHead(width, classes, pooler=True), 0),
        exit_note="pooler (768 -> 768) and one linear layer to the classes, on the first token",
    )


def gpt2(name: str, width: int, layers: int, tokens: int = 128) -> NetworkChain:
    """Return a GPT-2 decoder: the embedding in the first layer, final norm with the LM head."""
    vocabulary, positions, head_width = 50257, 1024, 64
    heads, inner = width // head_width, 4 * width
    stack = [TransformerLayer(width, heads, inner, norm_first=True) for _ in range(layers)]
    stack[0] = nn.Sequential(TokenEmbedding(width, [vocabulary, positions], norm=False), stack[0])
    blocks = [(f"layer_{i}", layer) for i, layer in enumerate(stack, start=1)]
    blocks.append(("lm_head", _language_model_head(width, vocabulary)))
    tied = vocabulary * width
    parameters = sum(p.numel() for _, module in blocks for p in module.parameters()) - tied
    return NetworkChain(
        name=f"{name}-{tokens}",
        title=f"{name.replace('gpt2-', 'GPT-2 ')}, {tokens} tokens, language-model head",
        source=(
            "A. Radford, J. Wu, R. Child, D. Luan, D. Amodei, I. Sutskever, Language models are "
            "unsupervised multitask learners, OpenAI 2019"
        ),
        notes=(
            f"The embedding ({vocabulary} tokens, {positions} positions) is part of layer_1: "
            "look-ups count no FLOPs, its parameters count.",
            f"The token table ({tied} parameters) is tied to lm_head and counts in both blocks, "
            "since the host of either needs it: with both on one host its bytes count once too "
            f"often. The network has {parameters} parameters.",
            "One pass over all tokens (prefill), logits for each; attention counts the full "
            "square, since the causal mask saves no work in a plain implementation.",
        ),
        classes=vocabulary,
        sample=torch.empty(1, tokens, dtype=torch.int64),
        input_bits=tokens * _TOKEN_ID_BITS,
        head_blocks=1,
        blocks=tuple(blocks),
        exit_branch=lambda _: (_language_model_head(width, vocabulary), 0),
        exit_note="final norm (not counted) and the map to the vocabulary, on all tokens",
    )
