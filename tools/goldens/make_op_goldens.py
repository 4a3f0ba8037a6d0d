#!/usr/bin/env python3
"""Goldens of single operations: values and gradients from PyTorch's automatic differentiation.

Inputs are f32 numbers; everything is computed from them in f64 and stored as f32. So a stored value is
the exact result rounded once, and a test's tolerance covers the error of our kernel alone.
One file per case in Tests/Goldens/ops; scalars (epsilon, theta, ...) stand in its manifest.json.

Shapes: T tokens, D width, H query heads, KV key-value heads, K head width, V vocabulary.
"""
import shutil

import torch
import torch.nn.functional as F
from golden_files import GOLDENS, write_manifest
from safetensors.torch import save_file
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

SEED = 20_240_601
FOLDER = GOLDENS / "ops"
cases: dict[str, dict] = {}


def random(*shape: int, scale: float = 1.0) -> torch.Tensor:
    """Normal numbers that are f32 numbers exactly, held as f64 leaves of the graph."""
    return (torch.randn(*shape) * scale).double().requires_grad_()


def store(name: str, tensors: dict[str, torch.Tensor], **scalars) -> None:
    stored = {}
    for key, tensor in tensors.items():
        tensor = tensor.detach().reshape(tensor.shape or (1,))
        stored[key] = tensor.to(torch.float32 if tensor.is_floating_point() else torch.int32).contiguous()
    save_file(stored, FOLDER / f"{name}.safetensors")
    cases[name] = scalars


def store_with_gradients(name, inputs: dict, output: torch.Tensor, constants: dict | None = None, **scalars):
    """Push a random gradient through `output` and store it with the gradients of `inputs`."""
    grad_output = random(*output.shape).detach()
    gradients = torch.autograd.grad(output, list(inputs.values()), grad_output)
    grad_inputs = {f"grad_{key}": gradient for key, gradient in zip(inputs, gradients)}
    store(name, inputs | (constants or {}) | {"output": output, "grad_output": grad_output} | grad_inputs, **scalars)


def rms_norm() -> None:
    epsilon = 1e-5
    for name, offset in [("rms_norm", 0.0), ("rms_norm_unit_offset", 1.0)]:
        input = random(7, 64)
        # One row near zero, where epsilon decides, and one large.
        with torch.no_grad():
            input[2] /= 1024
            input[5] *= 256
        weight = random(64, scale=0.5)
        inverse = torch.rsqrt(input.pow(2).mean(-1, keepdim=True) + epsilon)
        output = input * inverse * (offset + weight)
        torch.testing.assert_close(output, F.rms_norm(input, (64,), offset + weight, epsilon))
        store_with_gradients(name, {"input": input, "weight": weight}, output, epsilon=epsilon, weight_offset=offset)


def rotary() -> None:
    """Half-split pairs (i, i + K/2), as transformers rotates Llama; two sequences, so positions restart."""
    positions = torch.cat([torch.arange(7), torch.arange(4)])
    for theta in (10_000, 100_000):
        input = random(11, 3, 16)
        half = input.shape[-1] // 2
        frequencies = theta ** (-torch.arange(half).double() / half)
        angles = positions.double()[:, None, None] * frequencies
        first, second = input[..., :half], input[..., half:]
        output = torch.cat(
            [first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()], -1)
        cosine, sine = angles.cos()[None, :, 0].repeat(1, 1, 2), angles.sin()[None, :, 0].repeat(1, 1, 2)
        reference, _ = apply_rotary_pos_emb(input.transpose(0, 1)[None], input.transpose(0, 1)[None], cosine, sine)
        torch.testing.assert_close(output, reference[0].transpose(0, 1))
        store_with_gradients(f"rotary_theta_{theta}", {"input": input}, output, {"positions": positions}, theta=theta)


def attention(name, lengths, heads, kv_heads, width, window=None, soft_cap=None, query_scale=1.0) -> None:
    """Query i of a sequence sees keys j <= i of that sequence; with a window, only i - j < window."""
    total = sum(lengths)
    query = random(total, heads, width, scale=query_scale)
    key, value = random(total, kv_heads, width), random(total, kv_heads, width)
    scale = width**-0.5
    sequence = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    row, column = torch.arange(total)[:, None], torch.arange(total)[None, :]
    visible = (sequence[:, None] == sequence[None, :]) & (column <= row)
    if window is not None:
        visible &= row - column < window
    group = heads // kv_heads
    scores = torch.einsum("thk,shk->hts", query, key.repeat_interleave(group, dim=1)) * scale
    if soft_cap is not None:
        scores = soft_cap * torch.tanh(scores / soft_cap)
    weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
    output = torch.einsum("hts,shk->thk", weights, value.repeat_interleave(group, dim=1))
    if soft_cap is None:
        reference = F.scaled_dot_product_attention(
            query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), attn_mask=visible, enable_gqa=True)
        torch.testing.assert_close(output, reference.transpose(0, 1))
    store_with_gradients(
        name, {"query": query, "key": key, "value": value}, output, {"sequence_lengths": torch.tensor(lengths)},
        scale=scale, window=window, soft_cap=soft_cap)  # fmt: skip


def gated_activations() -> None:
    for name, activation in [("silu_mul", F.silu), ("gelu_tanh_mul", lambda x: F.gelu(x, approximate="tanh"))]:
        gate, up = random(6, 40, scale=2.0), random(6, 40)
        # Both tails, far enough for a careless exp to overflow.
        with torch.no_grad():
            gate[0, :8] = torch.tensor([-120.0, -30.0, -10.0, -0.0, 2.0**-13, 10.0, 30.0, 120.0])
        store_with_gradients(name, {"gate": gate, "up": up}, activation(gate) * up)


def linear() -> None:
    input, weight, bias = random(7, 24), random(20, 24, scale=0.2), random(20)
    store_with_gradients("linear", {"input": input, "weight": weight, "bias": bias}, input @ weight.T + bias)

    input, weight = random(7, 24), random(20, 24, scale=0.2)
    lora_a, lora_b, scale = random(4, 24, scale=0.2), random(20, 4, scale=0.2), 2.0
    output = input @ weight.T + scale * (input @ lora_a.T) @ lora_b.T
    store_with_gradients(
        "linear_lora", {"input": input, "weight": weight, "lora_a": lora_a, "lora_b": lora_b}, output, scale=scale)


def cross_entropy() -> None:
    """Sum over the labelled rows of a language-model head. Row t is scored against labels[t]: no shift here."""
    hidden, weight = random(12, 32), random(101, 32, scale=0.5)
    labels = torch.randint(0, 101, (12,))
    labels[[0, 1, 5, 11]] = -100
    logits = hidden @ weight.T
    loss = F.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")
    grad_logits, grad_hidden, grad_weight = torch.autograd.grad(loss, [logits, hidden, weight])
    store(
        "cross_entropy",
        {"hidden": hidden, "weight": weight, "labels": labels, "logits": logits, "loss": loss,
         "grad_logits": grad_logits, "grad_hidden": grad_hidden, "grad_weight": grad_weight},
        ignored_label=-100)  # fmt: skip


def adamw() -> None:
    settings = {"learning_rate": 1e-2, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01}
    parameter = random(6, 5)
    optimizer = torch.optim.AdamW(
        [parameter], lr=settings["learning_rate"], betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"], weight_decay=settings["weight_decay"])  # fmt: skip
    tensors = {"parameter.0": parameter.detach().clone()}
    for step in range(1, 6):
        gradient = random(6, 5, scale=10.0 ** (step - 3)).detach()
        gradient[0] = 0
        parameter.grad = gradient.clone()
        optimizer.step()
        tensors[f"gradient.{step}"] = gradient
        tensors[f"parameter.{step}"] = parameter.detach().clone()
    tensors["first_moment"] = optimizer.state[parameter]["exp_avg"]
    tensors["second_moment"] = optimizer.state[parameter]["exp_avg_sq"]
    store("adamw", tensors, **settings)


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rms_norm()
    rotary()
    attention("attention_causal", [9, 5], heads=4, kv_heads=2, width=16)
    attention("attention_window", [9, 5], heads=4, kv_heads=2, width=16, window=4)
    attention("attention_soft_cap", [9, 5], heads=4, kv_heads=2, width=16, soft_cap=5.0, query_scale=5.0)
    # Longer than a tile of 32 or 64 keys on both sides of a sequence boundary.
    attention("attention_long", [70, 37], heads=2, kv_heads=1, width=8)
    gated_activations()
    linear()
    cross_entropy()
    adamw()
    write_manifest(FOLDER, __file__, SEED, ["torch", "transformers", "safetensors"], cases=cases)


if __name__ == "__main__":
    main()
