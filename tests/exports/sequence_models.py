"""Recurrent nets and transformers, spelled as the public implementations spell them."""

import dataclasses
import math

import torch
from model_spec import ALL_EXPORTERS, ModelSpec, randomize, reseed
from torch import nn
from torch.nn import functional as F


@dataclasses.dataclass
class Size:
    layers: int
    width: int
    heads: int
    vocabulary: int
    positions: int
    inner: int


BASE = Size(12, 768, 12, 30522, 512, 3072)
TINY = Size(2, 16, 2, 40, 24, 32)


class Tagger(nn.Module):
    """Embedding, two bidirectional LSTM layers, a linear layer over each step."""

    def __init__(self, vocabulary, width, hidden, tags):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, hidden, 2, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(2 * hidden, tags)

    def forward(self, tokens):
        states, (hidden, cell) = self.lstm(self.embedding(tokens))
        return self.tags(states), hidden, cell


class Forecaster(nn.Module):
    """One step of a stacked LSTM and a GRU with their states as inputs and outputs."""

    def __init__(self, features, hidden):
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, 2)
        self.gru = nn.GRU(hidden, hidden)
        self.out = nn.Linear(hidden, features)

    def forward(self, series, hidden, cell, gru_state):
        states, (hidden, cell) = self.lstm(series, (hidden, cell))
        states, gru_state = self.gru(states, gru_state)
        return self.out(states[-1]), hidden, cell, gru_state


def split_heads(x, heads):
    return x.view(x.shape[0], x.shape[1], heads, x.shape[2] // heads).transpose(1, 2)


def join_heads(x):
    x = x.transpose(1, 2).contiguous()
    return x.view(x.shape[0], x.shape[1], x.shape[2] * x.shape[3])


class BertLayer(nn.Module):
    def __init__(self, size, sdpa):
        super().__init__()
        self.heads, self.sdpa = size.heads, sdpa
        self.query, self.key, self.value, self.attended = (
            nn.Linear(size.width, size.width) for _ in range(4)
        )
        self.up, self.down = nn.Linear(size.width, size.inner), nn.Linear(size.inner, size.width)
        self.attended_norm = nn.LayerNorm(size.width, eps=1e-12)
        self.norm = nn.LayerNorm(size.width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x, mask):
        query, key, value = (
            split_heads(project(x), self.heads) for project in (self.query, self.key, self.value)
        )
        if self.sdpa:
            context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(query.shape[-1])
            weights = self.dropout(F.softmax(scores + mask, dim=-1))
            context = torch.matmul(weights, value)
        x = self.attended_norm(x + self.dropout(self.attended(join_heads(context))))
        return self.norm(x + self.dropout(self.down(F.gelu(self.up(x)))))


class Bert(nn.Module):
    """An encoder in BERT's way: embeddings of tokens, segments and positions, LayerNorm after each
    sum, an additive mask, a pooled first token."""

    def __init__(self, size, sdpa):
        super().__init__()
        self.tokens = nn.Embedding(size.vocabulary, size.width, padding_idx=0)
        self.segments = nn.Embedding(2, size.width)
        self.positions = nn.Embedding(size.positions, size.width)
        self.register_buffer("position_ids", torch.arange(size.positions).expand((1, -1)))
        self.norm = nn.LayerNorm(size.width, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer(size, sdpa) for _ in range(size.layers))
        self.pooler = nn.Linear(size.width, size.width)

    def forward(self, input_ids, attention_mask, token_type_ids):
        x = self.tokens(input_ids) + self.segments(token_type_ids)
        x = self.norm(x + self.positions(self.position_ids[:, : input_ids.shape[1]]))
        mask = attention_mask[:, None, None, :].to(x.dtype)
        mask = (1.0 - mask) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, mask)
        return x, torch.tanh(self.pooler(x[:, 0]))


class Conv1D(nn.Module):
    """A linear layer whose weight lies transposed, as in GPT-2."""

    def __init__(self, out_width, in_width):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_width, out_width) / math.sqrt(in_width))
        self.bias = nn.Parameter(torch.randn(out_width) * 0.1)

    def forward(self, x):
        shape = x.size()[:-1] + (self.weight.shape[1],)
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(shape)


def gelu_new(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3))))


class GptLayer(nn.Module):
    def __init__(self, size, sdpa):
        super().__init__()
        self.heads, self.width, self.sdpa = size.heads, size.width, sdpa
        lower = torch.tril(torch.ones(size.positions, size.positions, dtype=torch.bool))
        self.register_buffer("bias", lower.view(1, 1, size.positions, size.positions))
        self.norm_1, self.norm_2 = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.attention = Conv1D(3 * size.width, size.width)
        self.attended = Conv1D(size.width, size.width)
        self.up, self.down = Conv1D(size.inner, size.width), Conv1D(size.width, size.inner)

    def forward(self, x, past_key, past_value):
        query, key, value = self.attention(self.norm_1(x)).split(self.width, dim=2)
        query, key, value = (split_heads(t, self.heads) for t in (query, key, value))
        key = torch.cat((past_key, key), dim=-2)
        value = torch.cat((past_value, value), dim=-2)
        queries, keys = query.size(-2), key.size(-2)
        causal = self.bias[:, :, keys - queries : keys, :keys]
        if self.sdpa:
            context = F.scaled_dot_product_attention(query, key, value, attn_mask=causal)
        else:
            scores = torch.matmul(query, key.transpose(-1, -2))
            scores = scores / torch.full(
                [], value.size(-1) ** 0.5, dtype=scores.dtype, device=scores.device
            )
            least = torch.full([], torch.finfo(scores.dtype).min, dtype=scores.dtype)
            weights = F.softmax(torch.where(causal, scores, least), dim=-1)
            context = torch.matmul(weights, value)
        x = x + self.attended(join_heads(context))
        return x + self.down(gelu_new(self.up(self.norm_2(x)))), key, value


class Gpt(nn.Module):
    """A decoder in GPT-2's way with a cache: keys and values of the past come in, those of past and
    present go out."""

    def __init__(self, size, sdpa):
        super().__init__()
        self.tokens = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Embedding(size.positions, size.width)
        self.layers = nn.ModuleList(GptLayer(size, sdpa) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)

    def forward(self, input_ids, *past):
        begin = past[0].shape[-2]
        positions = torch.arange(begin, begin + input_ids.shape[-1], dtype=torch.long).unsqueeze(0)
        x = self.tokens(input_ids) + self.positions(positions)
        present = []
        for i, layer in enumerate(self.layers):
            x, key, value = layer(x, past[2 * i], past[2 * i + 1])
            present += [key, value]
        return (F.linear(self.norm(x), self.tokens.weight), *present)


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(1 + 0.1 * torch.randn(width))

    def forward(self, x):
        variance = x.to(torch.float32).pow(2).mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(variance + 1e-6))


def rotate(x, cosine, sine):
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cosine + turned * sine


class LlamaLayer(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.heads, self.key_heads = size.heads, size.heads // 2
        self.head_width = size.width // size.heads
        key_width = self.key_heads * self.head_width
        self.query = nn.Linear(size.width, size.width, bias=False)
        self.key = nn.Linear(size.width, key_width, bias=False)
        self.value = nn.Linear(size.width, key_width, bias=False)
        self.attended = nn.Linear(size.width, size.width, bias=False)
        self.gate = nn.Linear(size.width, size.inner, bias=False)
        self.up = nn.Linear(size.width, size.inner, bias=False)
        self.down = nn.Linear(size.inner, size.width, bias=False)
        self.norm_1, self.norm_2 = RmsNorm(size.width), RmsNorm(size.width)

    def repeat_keys(self, x):
        batch, heads, length, width = x.shape
        repeats = self.heads // self.key_heads
        x = x[:, :, None, :, :].expand(batch, heads, repeats, length, width)
        return x.reshape(batch, heads * repeats, length, width)

    def forward(self, x, cosine, sine, mask, past_key, past_value):
        normed = self.norm_1(x)
        query = rotate(split_heads(self.query(normed), self.heads), cosine, sine)
        key = rotate(split_heads(self.key(normed), self.key_heads), cosine, sine)
        value = split_heads(self.value(normed), self.key_heads)
        key = torch.cat([past_key, key], dim=2)
        value = torch.cat([past_value, value], dim=2)
        context = F.scaled_dot_product_attention(
            query, self.repeat_keys(key), self.repeat_keys(value), attn_mask=mask
        )
        x = x + self.attended(join_heads(context))
        normed = self.norm_2(x)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed)), key, value


class Llama(nn.Module):
    """A decoder in Llama's way: RMSNorm, rotary embedding, grouped queries, gated SiLU, a cache."""

    def __init__(self, size):
        super().__init__()
        self.tokens = nn.Embedding(size.vocabulary, size.width)
        self.layers = nn.ModuleList(LlamaLayer(size) for _ in range(size.layers))
        self.norm = RmsNorm(size.width)
        self.logits = nn.Linear(size.width, size.vocabulary, bias=False)
        width = size.width // size.heads
        frequencies = 1.0 / (10000 ** (torch.arange(0, width, 2).float() / width))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, input_ids, *past):
        begin, count = past[0].shape[2], input_ids.shape[1]
        positions = torch.arange(begin, begin + count, dtype=torch.long)
        angles = positions[:, None].float() * self.frequencies[None, :]
        angles = torch.cat((angles, angles), dim=-1)
        mask = torch.arange(begin + count)[None, :] <= positions[:, None]
        mask = torch.where(mask, 0.0, torch.finfo(torch.float32).min)[None, None]
        x = self.tokens(input_ids)
        present = []
        for i, layer in enumerate(self.layers):
            past_key, past_value = past[2 * i], past[2 * i + 1]
            x, key, value = layer(x, angles.cos(), angles.sin(), mask, past_key, past_value)
            present += [key, value]
        return (self.logits(self.norm(x)), *present)


@torch.jit.script
def refine(state, weight, limit: float):
    """Steps until the sum of the state passes a limit, another way every third step: what the
    exporter makes Loop and If of."""
    steps = 0
    while bool(state.abs().sum() < limit) and steps < 20:
        if steps % 3 == 2:
            state = state - 0.5 * torch.tanh(state)
        else:
            state = state @ weight
        steps += 1
    return state, torch.tensor(steps)


class Searcher(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(1.4 * torch.eye(width) + 0.1 * torch.randn(width, width))

    def forward(self, state):
        return refine(state, self.weight, 50.0)


class Branches(nn.Module):
    """torch.cond, which the dynamo exporter makes If of."""

    def __init__(self, width):
        super().__init__()
        self.narrow, self.wide = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, series):
        x = torch.cond(
            series.sum() > 0,
            lambda x: torch.tanh(self.narrow(x)),
            lambda x: torch.relu(self.wide(x)) - x,
            (series,),
        )
        return x, torch.cumsum(x, dim=0)


def searcher(name):
    def inputs(k):
        reseed(f"{name} state {k}")
        return (torch.randn(1, 6) * (0.5 + 2 * k),)

    def build():
        reseed(name)
        return Searcher(6)

    return ModelSpec(
        name,
        build,
        inputs,
        ["state"],
        ["refined", "steps"],
        data_sets=2,
        exporters=("torchscript",),
    )


def branches(name):
    def inputs(k):
        reseed(f"{name} series {k}")
        return (torch.randn(5, 4) + (-1 if k else 1),)

    def build():
        reseed(name)
        return Branches(4)

    outputs = ["chosen", "summed"]
    exporters = ("dynamo", "dynamo23")
    return ModelSpec(name, build, inputs, ["series"], outputs, data_sets=2, exporters=exporters)


def tagger(name, sizes):
    def inputs(k):
        reseed(f"{name} tokens {k}")
        return (torch.randint(0, sizes[0], ((3, 12), (1, 7))[k]),)

    def build():
        reseed(name)
        return Tagger(*sizes)

    return ModelSpec(
        name,
        build,
        inputs,
        ["tokens"],
        ["tags", "hidden", "cell"],
        dynamic={"tokens": {0: "batch", 1: "time"}},
        data_sets=2,
    )


def forecaster(name, features, hidden):
    def inputs(k):
        reseed(f"{name} series {k}")
        states = [torch.randn(layers, 2, hidden) for layers in (2, 2, 1)]
        return (torch.randn(9, 2, features), *states)

    def build():
        reseed(name)
        return Forecaster(features, hidden)

    names = ["hidden", "cell", "gru_state"]
    outputs = ["forecast", *[f"{state}_out" for state in names]]
    return ModelSpec(name, build, inputs, ["series", *names], outputs)


def bert(name, size, sdpa):
    def inputs(k):
        reseed(f"{name} inputs {k}")
        batch, length = ((2, 20), (1, 13))[k]
        mask = torch.ones(batch, length, dtype=torch.long)
        mask[0, length - 4 :] = 0
        segments = torch.randint(0, 2, (batch, length))
        return torch.randint(1, size.vocabulary, (batch, length)), mask, segments

    def build():
        reseed(name)
        return randomize(Bert(size, sdpa))

    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {0: "batch", 1: "length"}
    outputs = ["last_hidden_state", "pooled"]
    return ModelSpec(
        name,
        build,
        inputs,
        names,
        outputs,
        dynamic={each: axes for each in names},
        data_sets=2,
        exporters=ALL_EXPORTERS,
    )


def decoder(name, size, make, key_heads):
    """A spec for what takes tokens and a cache; data set 1 differs in tokens, past and batch."""
    width = size.width // size.heads

    def inputs(k):
        reseed(f"{name} inputs {k}")
        batch, length, past = ((2, 5, 7), (1, 1, 11))[k]
        cache = [torch.randn(batch, key_heads, past, width) for _ in range(2 * size.layers)]
        return (torch.randint(0, size.vocabulary, (batch, length)), *cache)

    def build():
        reseed(name)
        module = randomize(make())
        for embedding in module.modules():
            if isinstance(embedding, nn.Embedding):
                nn.init.normal_(embedding.weight, std=0.1)
        return module

    pairs = [f"{i}.{kind}" for i in range(size.layers) for kind in ("key", "value")]
    past = [f"past.{pair}" for pair in pairs]
    dynamic = {each: {0: "batch", 2: "past"} for each in past}
    return ModelSpec(
        name,
        build,
        inputs,
        ["input_ids", *past],
        ["logits", *[f"present.{pair}" for pair in pairs]],
        dynamic={"input_ids": {0: "batch", 1: "length"}, **dynamic},
        data_sets=2,
        exporters=ALL_EXPORTERS,
    )


def transformers(size, prefix=""):
    small = dataclasses.replace(size, layers=min(size.layers, 4))
    return [
        bert(f"{prefix}bert", size, sdpa=False),
        bert(f"{prefix}bert_sdpa", small, sdpa=True),
        decoder(f"{prefix}gpt2", size, lambda: Gpt(size, sdpa=False), size.heads),
        decoder(f"{prefix}gpt2_sdpa", small, lambda: Gpt(small, sdpa=True), size.heads),
        decoder(f"{prefix}llama", small, lambda: Llama(small), size.heads // 2),
    ]


def specs():
    return [
        tagger("lstm_tagger", (5000, 128, 256, 17)),
        forecaster("lstm_gru_forecaster", 24, 128),
        *transformers(BASE),
    ]
