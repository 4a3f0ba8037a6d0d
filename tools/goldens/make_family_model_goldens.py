#!/usr/bin/env python3
"""Goldens of model families: tiny random models with an adapter, as transformers and PEFT save and run them, in f32.

Each Tests/Goldens/family-NAME holds a model folder (config.json, model.safetensors), the same model in model.gguf where
its architecture can say all of it, the adapter as PEFT saved it in adapter/, and expected.safetensors: logits with and
without the adapter, the summed loss, the gradient of every adapter tensor, and the losses of ten training steps.
"""
import json
import shutil
import sys

import torch
from golden_files import GOLDENS, write_manifest
from make_lora_goldens import MAX_GRADIENT_NORM, OPTIMIZER, sort_target_modules, tensor_name
from peft import LoraConfig, get_peft_model
from random_families import random_model, with_images
from safetensors.torch import save_file
from tiny_gguf import write_gguf
from tiny_llama import random_sequences, token_mean_loss
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

SEED = 20_240_701
STEPS = 10

# Windows are shorter than the sequences below, caps small enough to bend what they cap.
COMMON = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
              intermediate_size=48, vocab_size=160, max_position_embeddings=128, bos_token_id=1, eos_token_id=2,
              pad_token_id=0)  # fmt: skip
UPPER_WINDOWS = dict(num_hidden_layers=3, use_sliding_window=True, sliding_window=6, max_window_layers=1)
GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "rope_theta": 50_000.0, "factor": 4.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 1_000.0},
}
LONGROPE = {"rope_type": "longrope", "rope_theta": 10_000.0, "short_factor": [1.0, 1.125, 1.5],
            "long_factor": [1.25, 2.5, 6.0]}  # fmt: skip
# Phi-3 stores no head width.
PHI3 = dict(head_dim=None, num_key_value_heads=1, intermediate_size=40)
GRANITE = dict(embedding_multiplier=6.0, residual_multiplier=0.375, attention_multiplier=0.25, logits_scaling=1.5)
VARIANTS = {
    "llama": ("llama", dict(head_dim=None, rope_parameters={
        "rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32})),
    "llama-dynamic": ("llama", dict(head_dim=16, max_position_embeddings=16, rope_parameters={
        "rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 4.0})),
    "llama-yarn": ("llama", dict(head_dim=16, rope_parameters={
        "rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 32})),
    "qwen3-yarn-options": ("qwen3", dict(head_dim=16, rope_parameters={
        "rope_type": "yarn", "rope_theta": 1_000.0, "factor": 4.0, "original_max_position_embeddings": 32,
        "beta_fast": 8.0, "beta_slow": 2.0, "mscale": 0.75, "mscale_all_dim": 0.5, "truncate": False})),
    "mistral": ("mistral", dict(sliding_window=7)),
    "qwen2": ("qwen2", dict(tie_word_embeddings=True)),
    "qwen2-windows": ("qwen2", UPPER_WINDOWS),
    "qwen3": ("qwen3", dict(head_dim=16, tie_word_embeddings=True)),
    "qwen3-bias-windows": ("qwen3", dict(attention_bias=True) | UPPER_WINDOWS),
    "gemma": ("gemma", dict(num_key_value_heads=1, head_dim=16)),
    "gemma2": ("gemma2", dict(num_hidden_layers=3, sliding_window=5, query_pre_attn_scalar=20,
                              attn_logit_softcapping=1.5, final_logit_softcapping=4.0)),
    "gemma3": ("gemma3_text", dict(num_hidden_layers=7, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
                                   intermediate_size=40, sliding_window=5, query_pre_attn_scalar=24,
                                   rope_parameters=GEMMA3_ROPE)),
    "gemma3-older-config": ("gemma3_text", dict(num_hidden_layers=3, sliding_window=6, sliding_window_pattern=3,
                                                query_pre_attn_scalar=8, final_logit_softcapping=5.0)),
    "gemma3-wrapped": ("gemma3_text", dict(num_hidden_layers=3, sliding_window=5, query_pre_attn_scalar=24,
                                           layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                                           rope_parameters=GEMMA3_ROPE)),
    "phi3": ("phi3", PHI3 | dict(sliding_window=7)),
    "phi3-longrope": ("phi3", PHI3 | dict(rope_parameters=LONGROPE, partial_rotary_factor=0.75,
                                          original_max_position_embeddings=16, max_position_embeddings=64,
                                          tie_word_embeddings=True)),
    "smollm3": ("smollm3", dict(head_dim=None, num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=1)),
    "smollm3-windows": ("smollm3", dict(num_hidden_layers=3, use_sliding_window=True, sliding_window=6,
                                        no_rope_layers=[0, 1, 0], attention_bias=True)),
    "olmo2": ("olmo2", dict(head_dim=None)),
    "olmo3": ("olmo3", dict(head_dim=None, num_hidden_layers=4, sliding_window=5, rope_parameters={
        "full_attention": {"rope_type": "yarn", "rope_theta": 500_000.0, "factor": 4.0,
                           "original_max_position_embeddings": 32},
        "sliding_attention": {"rope_type": "default", "rope_theta": 500_000.0}})),
    "granite": ("granite", GRANITE | dict(head_dim=None, tie_word_embeddings=True)),
}  # fmt: skip
VISION = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=8, patch_size=4)
# What their architecture's metadata cannot say.
WITHOUT_GGUF = {"gemma3-wrapped", "llama-dynamic", "qwen3-yarn-options", "qwen2-windows", "qwen3-bias-windows", "smollm3-windows"}


def make_model(model_type: str, overrides: dict, wrapped: bool) -> torch.nn.Module:
    options = {key: value for key, value in (COMMON | overrides).items() if value is not None}
    config = CONFIG_MAPPING[model_type](**options)
    if wrapped:
        config = with_images(config, VISION, **{key: COMMON[key] for key in ["bos_token_id", "eos_token_id", "pad_token_id"]})
    # Queries and keys a little larger, so that attention has peaks.
    model = random_model(config, gain=1.0, query_key_gain=1.5, attn_implementation="eager")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # GGUF files hold matrices as bf16, and the very same model.
            if "vision" not in name and "projector" not in name:
                parameter.copy_(parameter.bfloat16().float())
    return model


def write_older_config(folder) -> None:
    """Rewrite a Gemma 3 configuration as transformers 4.50 wrote it; the published ones look like this."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope["full_attention"]["rope_theta"]
    config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    config["sliding_window_pattern"] = 3
    for key in ["layer_types", "tie_word_embeddings"]:
        config.pop(key, None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def make(name: str, model_type: str, overrides: dict) -> None:
    folder = GOLDENS / f"family-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model = make_model(model_type, overrides, wrapped=name.endswith("wrapped"))
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if name.endswith("older-config"):
        write_older_config(folder)
    if name not in WITHOUT_GGUF:
        write_gguf(model, folder / "model.gguf")

    # What is on disk is what runs.
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    sequences, labels = random_sequences([9, 29], [4, 8], base.config.get_text_config().vocab_size)
    expected = {}
    with torch.no_grad():
        for index, tokens in enumerate(sequences):
            expected[f"logits.{index}"] = base(input_ids=tokens[None]).logits[0].contiguous()
            torch.testing.assert_close(model(input_ids=tokens[None]).logits[0], expected[f"logits.{index}"])
    # PEFT records where the base came from; keep this machine's path out of the golden.
    base.config._name_or_path = base.name_or_path = f"tiny-{name}"
    targets = r"model\.language_model\..*_proj" if name.endswith("wrapped") else "all-linear"
    adapted = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=targets,
                                              task_type="CAUSAL_LM"))  # fmt: skip
    trainable = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}
    with torch.no_grad():
        for weight_name, weight in trainable.items():
            # PEFT starts B at zero, which would hide every mistake in the gradient of A.
            if "lora_B" in weight_name:
                weight.copy_(0.1 * torch.randn_like(weight))
    adapted.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    if targets == "all-linear":
        sort_target_modules(folder / "adapter" / "adapter_config.json")

    for index, (tokens, targets) in enumerate(zip(sequences, labels)):
        expected[f"tokens.{index}"] = tokens.int()
        expected[f"labels.{index}"] = targets.int()
        with torch.no_grad():
            logits = adapted(input_ids=tokens[None]).logits[0]
        expected[f"adapted_logits.{index}"] = logits.contiguous()
    count = sum(int((targets[1:] != -100).sum()) for targets in labels)
    loss = token_mean_loss(adapted, sequences, labels) * count
    loss.backward()
    expected["loss"] = loss.detach().reshape(1)
    for weight_name, weight in trainable.items():
        expected[f"gradient.{tensor_name(weight_name)}"] = weight.grad.clone()
    expected["losses"] = train(adapted, list(trainable.values()), sequences, labels)
    save_file(expected, folder / "expected.safetensors")
    write_manifest(folder, __file__, SEED, ["torch", "transformers", "peft", "safetensors", "gguf"])
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    assert max(sizes) < 300_000, sizes
    print(f"{folder.name}: largest file {max(sizes):,} bytes, loss {loss.item():.4f}, "
          f"largest logit {expected['logits.1'].abs().max():.2f}")


def train(model, trainable: list, sequences, labels) -> torch.Tensor:
    """The token-mean loss before each of ten clipped AdamW steps."""
    optimizer = torch.optim.AdamW(trainable, **OPTIMIZER)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = token_mean_loss(model, sequences, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, MAX_GRADIENT_NORM)
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def main() -> None:
    torch.set_num_threads(1)
    for name, (model_type, overrides) in VARIANTS.items():
        torch.manual_seed(SEED)
        if not sys.argv[1:] or name in sys.argv[1:]:
            make(name, model_type, overrides)


if __name__ == "__main__":
    main()
