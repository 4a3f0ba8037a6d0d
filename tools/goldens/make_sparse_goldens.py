#!/usr/bin/env python3
"""Goldens of contextual sparsity (SparseLoRA, arXiv 2506.16500): tiny models of every family, trained sparsely, in f32.

The method in PyTorch, with exact gradients, the index maps of grouped-query attention, biases and padding done right:
transformers runs the model, and this file replaces what its linear layers compute for context rows. Models and adapters
are those of the other goldens. Each Tests/Goldens/sparse/NAME holds plan.yaml, predictors/ in the published layout, an
adapter where the model's folder has none, and expected.safetensors: the channels kept, the summed loss, the gradients.
"""
import json
import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from golden_files import GOLDENS, write_manifest
from make_lora_goldens import sort_target_modules, tensor_name
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from tiny_llama import random_sequences
from transformers import AutoModelForCausalLM

SEED = 20_240_808
FOLDER = GOLDENS / "sparse"
RANK = 6
SETS = {"q": "query", "k": "key", "v": "value", "o": "output"}
# A choice that rounding could turn would make the golden useless.
SMALLEST_MARGIN = 3e-4


@dataclass
class Case:
    name: str
    model: str
    feed_forward: dict[int, float]
    attention: dict[int, float]
    options: dict = field(default_factory=dict)
    adapter: str | None = None
    # Rotary angles of long sequences may depend on the length, which padding would change.
    lengths: tuple[int, ...] = (19, 31, 11)

    def option(self, name: str):
        defaults = {"dense_sink_tokens": 0, "context_tokens": "labels", "sparse_output_share": 0.0,
                    "feed_forward_adapters": "channel_masked", "pair_aware": False,
                    "gradient_share": 1.0, "word_threshold": 0.0}  # fmt: skip
        return self.options.get(name, defaults[name])


def layers(count: int, share: float) -> dict[int, float]:
    return {layer: share for layer in range(count)}


CASES = [
    Case("llama", "lora/model", layers(2, 0.6), layers(2, 0.5), adapter="lora/all-linear"),
    Case("llama-bias", "llama-rope-linear-bias", layers(2, 0.75), layers(2, 0.4), {"dense_sink_tokens": 2}),
    Case("llama-bias-dense-adapters", "llama-rope-linear-bias", layers(2, 0.7), layers(2, 0.3),
         {"feed_forward_adapters": "dense"}),
    Case("llama-head-width", "llama-explicit-head-width", {1: 0.9}, {0: 0.75}, {"pair_aware": True}),
    Case("mistral", "family-mistral", layers(2, 0.5), layers(2, 0.5), {"context_tokens": "all"}),
    Case("qwen2", "family-qwen2", layers(2, 0.7), layers(2, 0.5), {"sparse_output_share": 0.4}),
    Case("qwen2-windows", "family-qwen2-windows", layers(3, 0.6), layers(3, 0.5)),
    Case("qwen3", "family-qwen3", layers(2, 0.99), layers(2, 0.6), {"dense_sink_tokens": 1}),
    Case("qwen3-bias-windows", "family-qwen3-bias-windows", {1: 0.6, 2: 0.8}, {1: 0.5},
         {"feed_forward_adapters": "dense", "context_tokens": "all", "dense_sink_tokens": 1}),
    Case("gemma", "family-gemma", layers(2, 0.6), layers(2, 0.5)),
    Case("gemma2", "family-gemma2", layers(3, 0.6), layers(3, 0.4), {"pair_aware": True}),
    Case("gemma3", "family-gemma3", layers(7, 0.5), layers(7, 0.5), {"dense_sink_tokens": 1}),
    Case("gemma3-older-config", "family-gemma3-older-config", layers(3, 0.7), layers(3, 0.6)),
    Case("phi3", "family-phi3", layers(2, 0.6), layers(2, 0.5)),
    Case("phi3-longrope", "family-phi3-longrope", layers(2, 0.7), layers(2, 0.6),
         {"feed_forward_adapters": "dense", "pair_aware": True}, lengths=(19, 31, 20)),
    Case("smollm3", "family-smollm3", layers(4, 0.6), layers(4, 0.5), {"dense_sink_tokens": 1}),
    Case("smollm3-windows", "family-smollm3-windows", layers(3, 0.5), layers(3, 0.5), {"context_tokens": "all"}),
    Case("olmo2", "family-olmo2", layers(2, 0.6), layers(2, 0.5)),
    Case("olmo3", "family-olmo3", layers(4, 0.6), layers(4, 0.5)),
    Case("granite", "family-granite", layers(2, 0.7), layers(2, 0.5), {"pair_aware": True}),
    Case("llama-gradients", "lora/model", {}, {}, {"gradient_share": 0.4}, adapter="lora/all-linear"),
    Case("qwen2-gradients", "family-qwen2", layers(2, 0.5), layers(2, 0.5), {"gradient_share": 0.7}),
    Case("gemma3-gradients", "family-gemma3", layers(7, 0.5), layers(7, 0.5),
         {"gradient_share": 0.3, "dense_sink_tokens": 1}),
    Case("phi3-gradients", "family-phi3", layers(2, 0.6), {}, {"gradient_share": 0.5}),
    Case("olmo2-gradients", "family-olmo2", {}, layers(2, 0.5),
         {"gradient_share": 0.25, "feed_forward_adapters": "dense"}),
    Case("olmo3-words", "family-olmo3", layers(4, 0.5), {}, {"word_threshold": 0.03}),
    Case("gemma3-words", "family-gemma3", {}, {}, {"word_threshold": 0.025, "gradient_share": 0.5}),
]  # fmt: skip


class Margin(Exception):
    """Two scores lie so close that the choice between them is chance."""


def kept_count(count: int, dropped: float) -> int:
    return max(1, math.floor(count * (1 - dropped) + 1e-9))


def largest(scores: torch.Tensor, count: int) -> list[int]:
    """The channels with the largest scores, ascending; of equal ones the lower."""
    order = sorted(range(len(scores)), key=lambda channel: (-scores[channel].item(), channel))
    check_margin([scores[channel].item() for channel in order], count)
    return sorted(order[:count])


def check_margin(descending: list[float], count: int) -> None:
    if count < len(descending) and descending[count - 1] - descending[count] < SMALLEST_MARGIN * descending[count - 1]:
        raise Margin


@dataclass
class Part:
    """A projection, which is a module or some rows of one that holds several."""

    module: torch.nn.Module
    rows: slice

    def __post_init__(self):
        base = self.module.base_layer
        self.weight, self.bias = base.weight[self.rows], None if base.bias is None else base.bias[self.rows]
        self.scale = self.module.scaling["default"]

    def adapter(self, x: torch.Tensor, outputs=slice(None), inputs=slice(None)) -> torch.Tensor:
        a, b = self.module.lora_A["default"].weight, self.module.lora_B["default"].weight
        return self.scale * (x @ a[:, inputs].T) @ b[self.rows][outputs].T


class SparseBlock:
    """Replaces what one decoder layer computes for context rows."""

    def __init__(self, batch: "SparseBatch", case: Case, layer: int, block, config):
        self.batch, self.case, self.layer, self.block = batch, case, layer, block
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_width = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.is_last = layer == config.num_hidden_layers - 1
        self.attention_share = case.attention.get(layer, 0.0)
        self.feed_forward_share = case.feed_forward.get(layer, 0.0)
        self.kept: dict[str, list[int]] = {}
        self.factors = {}
        factor = (getattr(config, "rope_parameters", None) or {}).get("partial_rotary_factor")
        self.rotary_width = int(self.head_width * (factor or getattr(config, "partial_rotary_factor", None) or 1))
        self.parts, groups = self.find_parts()
        for name in [*("qkv" if self.attention_share else ""), *(("gate", "up") if self.feed_forward_share else ())]:
            self.factors[name] = self.factor(name)
        if self.attention_share:
            block.self_attn.register_forward_pre_hook(self.choose_attention, with_kwargs=True)
            for module, names in groups:
                if names[0] in "qkvo":
                    self.replace(module, names)
        if self.feed_forward_share:
            block.mlp.register_forward_pre_hook(self.choose_feed_forward)
            if case.option("feed_forward_adapters") == "dense":
                for module, names in groups:
                    if names[0] in ("gate", "up", "down"):
                        self.replace(module, names)
            else:
                dense = block.mlp.forward
                block.mlp.forward = lambda x: torch.where(self.batch.context, self.narrow_feed_forward(x), dense(x))

    def find_parts(self) -> tuple[dict[str, Part], list[tuple[torch.nn.Module, list[str]]]]:
        """The seven projections, and which of them each module holds."""
        attention, mlp = self.block.self_attn, self.block.mlp
        widths = {"q": self.heads * self.head_width, "k": self.kv_heads * self.head_width,
                  "v": self.kv_heads * self.head_width}  # fmt: skip
        groups = [(attention.o_proj, ["o"]), (mlp.down_proj, ["down"])]
        if hasattr(attention, "qkv_proj"):
            inner = mlp.down_proj.in_features
            widths |= {"gate": inner, "up": inner}
            groups += [(attention.qkv_proj, ["q", "k", "v"]), (mlp.gate_up_proj, ["gate", "up"])]
        else:
            groups += [(getattr(attention, f"{name}_proj"), [name]) for name in "qkv"]
            groups += [(mlp.gate_proj, ["gate"]), (mlp.up_proj, ["up"])]
        parts = {}
        for module, names in groups:
            start = 0
            for name in names:
                end = start + widths[name] if len(names) > 1 else None
                parts[name] = Part(module, slice(start, end))
                start = end
        return parts, groups

    def activation(self, x: torch.Tensor) -> torch.Tensor:
        mlp = self.block.mlp
        return (mlp.act_fn if hasattr(mlp, "act_fn") else mlp.activation_fn)(x)

    # Estimator

    def factor(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """w1 [in, r] and w2 [r, out] with x w1 w2 ~ x W^T."""
        u, s, v = torch.linalg.svd(self.parts[name].weight.detach().double(), full_matrices=False)
        root = s[:RANK].sqrt()
        w1, w2 = v[:RANK].T * root, root[:, None] * u[:, :RANK].T
        return w1.float().contiguous(), w2.float().contiguous()

    def estimate(self, name: str, x: torch.Tensor) -> torch.Tensor:
        w1, w2 = self.factors[name]
        bias = self.parts[name].bias
        y = (x.double() @ w1.double()) @ w2.double()
        return y if bias is None else y + bias.double()

    @torch.no_grad()
    def choose_attention(self, _, args, kwargs) -> None:
        x = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        rows = x[self.batch.context[..., 0]]
        norms = {name: self.estimate(name, rows).norm(dim=0) for name in "qkv"}
        count = kept_count(self.kv_heads * self.head_width, self.attention_share)
        group = self.heads // self.kv_heads
        # Query head h * G + g attends to key-value head h.
        queries = norms["q"].view(self.kv_heads, group, self.head_width)
        keys = norms["k"].view(self.kv_heads, self.head_width)
        if self.case.option("pair_aware"):
            kept = self.choose_pairs(queries, keys, count)
        else:
            kept = largest((queries.mean(1) * keys).flatten(), count)
        values = largest(norms["v"], count)
        self.kept |= {"k": kept, "v": values, "q": self.grouped(kept), "o": self.grouped(values)}

    def choose_pairs(self, queries: torch.Tensor, keys: torch.Tensor, count: int) -> list[int]:
        """Whole pairs (d, d + half), best first by score per channel, while they fit; the first is kept whole."""
        half = self.rotary_width // 2
        units = []
        for head in range(self.kv_heads):
            for channel in [*range(half), *range(self.rotary_width, self.head_width)]:
                members = [channel, channel + half] if channel < half else [channel]
                score = queries[head][:, members].norm(dim=-1).mean() * keys[head][members].norm()
                units.append((score.item() / len(members), [head * self.head_width + c for c in members]))
        units.sort(key=lambda unit: (-unit[0], unit[1][0]))
        kept, last = [], 0
        for place, (_, members) in enumerate(units):
            if not kept or len(kept) + len(members) <= count:
                kept, last = kept + members, place
        for place in range(last + 1):
            check_margin([score for score, _ in units], place + 1)
        return sorted(kept)

    def grouped(self, channels: list[int]) -> list[int]:
        group, width = self.heads // self.kv_heads, self.head_width
        return sorted((c // width * group + g) * width + c % width for c in channels for g in range(group))

    @torch.no_grad()
    def choose_feed_forward(self, _, args) -> None:
        x = args[0]
        # Of the last layer nothing is computed but rows that the loss reads.
        context = self.batch.context[..., 0] & (self.batch.output if self.is_last else True)
        if not context.any():
            self.kept.pop("feed_forward", None)
            return
        means = torch.stack([rows[mask].double().mean(0) for rows, mask in zip(x, context) if mask.any()])
        gate, up = self.estimate("gate", means), self.estimate("up", means)
        scores = (self.activation(gate) * up).norm(dim=0)
        self.kept["feed_forward"] = largest(scores, kept_count(len(scores), self.feed_forward_share))

    # Sparse layers

    def replace(self, module, names: list[str]) -> None:
        """The frozen products of context rows with the kept channels alone; the adapter sees everything."""
        module.forward = lambda x: torch.cat([self.project(name, x) for name in names], dim=-1)

    def project(self, name: str, x: torch.Tensor) -> torch.Tensor:
        part = self.parts[name]
        dense = F.linear(x, part.weight, part.bias)
        kept = self.kept.get("feed_forward" if name in ("gate", "up", "down") else name)
        if kept is None:
            return dense + part.adapter(x)
        chosen = torch.tensor(kept)
        if name in ("o", "down"):
            narrow = F.linear(x[..., chosen], part.weight[:, chosen], part.bias)
        else:
            narrow = torch.zeros_like(dense).index_copy(-1, chosen, F.linear(x, part.weight[chosen]))
            narrow = narrow if part.bias is None else narrow + part.bias
        return torch.where(self.batch.context, narrow, dense) + part.adapter(x)

    def narrow_feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        """The network as if it had the kept channels alone, its adapters as well."""
        if "feed_forward" not in self.kept:
            return x.new_zeros(x.shape)
        chosen = torch.tensor(self.kept["feed_forward"])

        def inner(part: Part) -> torch.Tensor:
            bias = None if part.bias is None else part.bias[chosen]
            return F.linear(x, part.weight[chosen], bias) + part.adapter(x, outputs=chosen)

        h = self.activation(inner(self.parts["gate"])) * inner(self.parts["up"])
        down = self.parts["down"]
        return F.linear(h, down.weight[:, chosen], down.bias) + down.adapter(h, inputs=chosen)


class GradientChoice:
    """Computes a decoder layer's gradients for the rows with the largest alone; the others' pass it by."""

    def __init__(self, batch: "SparseBatch", share: float, block):
        self.rows, self.share, self.is_clear = batch.mask.flatten().bool(), share, True
        block.register_forward_hook(lambda _, __, output: output.register_hook(self.choose) and None)
        for branch in (block.self_attn, block.mlp):
            branch.register_forward_hook(self.narrow)

    def choose(self, gradient: torch.Tensor) -> None:
        rows = self.rows.nonzero()[:, 0]
        norms = gradient.flatten(0, 1)[rows].norm(dim=-1)
        count = max(1, math.floor(self.share * len(rows) + 0.5))
        order = norms.argsort(descending=True)
        try:
            check_margin(norms[order].tolist(), count)
        except Margin:
            self.is_clear = False
        lost = torch.zeros_like(self.rows)
        lost[rows[order[count:]]] = True
        self.lost = lost.view(gradient.shape[:2])[..., None]

    def narrow(self, _module, _inputs, output) -> None:
        result = output[0] if isinstance(output, tuple) else output
        result.register_hook(lambda gradient: gradient.masked_fill(self.lost, 0))


class SparseBatch:
    """Sequences of several lengths, padded at the right; which rows are scored, and which run sparse."""

    def __init__(self, case: Case, sequences: list[torch.Tensor], labels: list[torch.Tensor]):
        shape = (len(sequences), max(len(tokens) for tokens in sequences))
        self.tokens = torch.zeros(shape, dtype=torch.long)
        self.targets = torch.full(shape, -100)
        self.mask = torch.zeros(shape, dtype=torch.long)
        self.context = torch.zeros(*shape, 1, dtype=torch.bool)
        share = 1.0 if case.option("context_tokens") == "all" else case.option("sparse_output_share")
        candidates = 0
        for row, (tokens, targets) in enumerate(zip(sequences, labels)):
            self.tokens[row, : len(tokens)] = tokens
            self.mask[row, : len(tokens)] = 1
            # The row before a labelled token is the one that predicts it.
            self.targets[row, : len(tokens) - 1] = targets[1:]
            for position in range(case.option("dense_sink_tokens"), len(tokens)):
                sparse = True
                if self.targets[row, position] >= 0:
                    candidates += 1
                    counts = [math.floor(n * share + 0.5) for n in (candidates - 1, candidates)]
                    sparse = counts[1] > counts[0]
                self.context[row, position] = sparse
        self.output = self.targets >= 0


def load(case: Case, folder: Path):
    base = AutoModelForCausalLM.from_pretrained(GOLDENS / case.model, dtype=torch.float32, attn_implementation="eager")
    # PEFT records where the base came from; keep this machine's path out of the golden.
    base.config._name_or_path = base.name_or_path = f"tiny-{case.name}"
    adapter = GOLDENS / (case.adapter or f"{case.model}/adapter")
    if adapter.exists():
        return PeftModel.from_pretrained(base, adapter, is_trainable=True)
    torch.manual_seed(SEED)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear",
                                            task_type="CAUSAL_LM"))  # fmt: skip
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.1 * torch.randn_like(weight))
    model.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    sort_target_modules(folder / "adapter" / "adapter_config.json")
    return model


def run(case: Case, folder: Path, seed: int):
    model = load(case, folder).eval()
    torch.manual_seed(seed)
    sequences, labels = random_sequences(list(case.lengths), [11, 20, 4], model.config.vocab_size)
    batch = SparseBatch(case, sequences, labels)
    decoder = model.get_base_model().model
    blocks = [SparseBlock(batch, case, layer, block, model.config) for layer, block in enumerate(decoder.layers)]
    share = case.option("gradient_share")
    choices = [GradientChoice(batch, share, block) for block in decoder.layers[:-1]] if share < 1 else []
    logits = model(input_ids=batch.tokens, attention_mask=batch.mask).logits
    loss = summed_loss(logits.flatten(0, 1), batch.targets.flatten(), case.option("word_threshold"))
    loss.backward()
    if not all(choice.is_clear for choice in choices):
        raise Margin
    expected = {"loss": loss.detach().reshape(1)}
    for index, (tokens, targets) in enumerate(zip(sequences, labels)):
        expected |= {f"tokens.{index}": tokens.int(), f"labels.{index}": targets.int()}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            expected[f"gradient.{tensor_name(name)}"] = weight.grad.clone()
    for block in blocks:
        for name, channels in block.kept.items():
            # Of the last layer's outputs only scored rows are computed.
            if block.is_last and name == "o" and not (batch.context[..., 0] & batch.output).any():
                continue
            expected[f"kept.{block.layer}.{SETS.get(name, name)}"] = torch.tensor(channels, dtype=torch.int32)
    return expected, blocks


def summed_loss(logits: torch.Tensor, targets: torch.Tensor, word_threshold: float) -> torch.Tensor:
    """Cross-entropy whose gradient lacks the words that no scored row finds so probable."""
    scored = targets >= 0
    logits, targets = logits[scored], targets[scored]
    probabilities = logits.detach().softmax(-1).amax(0)
    if word_threshold and ((probabilities / word_threshold).log().abs() < SMALLEST_MARGIN).any():
        raise Margin
    reached = torch.where(probabilities >= word_threshold, logits, logits.detach())
    return (reached.logsumexp(-1) - logits.gather(1, targets[:, None])[:, 0]).sum()


def write_predictors(case: Case, blocks: list[SparseBlock], folder: Path) -> None:
    folder.mkdir(parents=True)
    shares = {}
    tensors = {}
    for block in blocks:
        prefix = f"model.layers.{block.layer}"
        shares |= {f"{prefix}.mlp": block.feed_forward_share, f"{prefix}.self_attn": block.attention_share}
        for name, (w1, w2) in block.factors.items():
            module = f"self_attn.{name}_proj" if name in "qkv" else f"mlp.{name}_proj"
            tensors |= {f"{prefix}.{module}.w1": w1, f"{prefix}.{module}.w2": w2}
    save_file(tensors, folder / "model.safetensors")
    config = {"base_model": f"tiny-{case.name}", "predictor_rank": RANK, "modes": {"o1": {"layer_sparsity": shares}}}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def write_plan(case: Case, path: Path) -> None:
    lines = ["method: paper", f"rank: {RANK}", "start_step: 0"]
    for name, shares in [("feed_forward", case.feed_forward), ("attention", case.attention)]:
        lines += [f"{name}:"] + [f"  {layer}: {share}" for layer, share in shares.items()]
    lines += [f"{name}: {json.dumps(value)}" for name, value in case.options.items()]
    path.write_text("\n".join(lines) + "\n")


def make(case: Case) -> dict:
    folder = FOLDER / case.name
    folder.mkdir(parents=True)
    for seed in range(SEED, SEED + 200):
        try:
            expected, blocks = run(case, folder, seed)
            break
        except Margin:
            continue
    else:
        raise SystemExit(f"{case.name}: no batch with clear choices")
    write_plan(case, folder / "plan.yaml")
    write_predictors(case, blocks, folder / "predictors")
    save_file(expected, folder / "expected.safetensors")
    sizes = [path.stat().st_size for path in folder.rglob("*.safetensors")]
    assert max(sizes) < 300_000, sizes
    print(f"{case.name}: loss {expected['loss'].item():.4f}, batch {seed - SEED}, largest file {max(sizes):,} bytes")
    return {"model": case.model, "adapter": case.adapter or next(
        name for name in (f"{case.model}/adapter", f"sparse/{case.name}/adapter") if (GOLDENS / name).exists())}


def main() -> None:
    torch.set_num_threads(1)
    shutil.rmtree(FOLDER, ignore_errors=True)
    facts = {case.name: make(case) for case in CASES}
    write_manifest(FOLDER, __file__, SEED, ["torch", "transformers", "peft", "safetensors"], cases=facts)


if __name__ == "__main__":
    main()
