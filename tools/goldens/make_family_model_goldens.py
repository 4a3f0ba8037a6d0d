#!/usr/bin/env python3
"""Goldens of model families: tiny random models with an adapter, as transformers and PEFT save and run them, in f32.

Each Tests/Goldens/family-NAME holds a model folder (config.json, model.safetensors), the adapter as PEFT saved it in
adapter/, and expected.safetensors: logits with and without the adapter, the summed loss and the gradient of every
adapter tensor.
"""
import json
import shutil

import torch
from golden_files import GOLDENS, write_manifest
from make_lora_goldens import sort_target_modules, tensor_name
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tiny_llama import random_sequences, token_mean_loss
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

SEED = 20_240_701

# Windows are shorter than the sequences below, caps small enough to bend what they cap.
COMMON = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
              intermediate_size=48, vocab_size=160, max_position_embeddings=128, bos_token_id=1, eos_token_id=2,
              pad_token_id=0)  # fmt: skip
UPPER_WINDOWS = dict(num_hidden_layers=3, use_sliding_window=True, sliding_window=6, max_window_layers=1)
GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "rope_theta": 50_000.0, "factor": 4.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 1_000.0},
}
VARIANTS = {
    "mistral": ("mistral", dict(sliding_window=7)),
    "qwen2": ("qwen2", dict(tie_word_embeddings=True)),
    "qwen2-windows": ("qwen2", UPPER_WINDOWS),
    "qwen3": ("qwen3", dict(head_dim=16, tie_word_embeddings=True)),
    "qwen3-bias-windows": ("qwen3", dict(attention_bias=True) | UPPER_WINDOWS),
    "gemma2": ("gemma2", dict(num_hidden_layers=3, sliding_window=5, query_pre_attn_scalar=20,
                              attn_logit_softcapping=1.5, final_logit_softcapping=4.0)),
    "gemma3": ("gemma3_text", dict(num_hidden_layers=7, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
                                   intermediate_size=40, sliding_window=5, query_pre_attn_scalar=24,
                                   rope_parameters=GEMMA3_ROPE)),
    "gemma3-older-config": ("gemma3_text", dict(num_hidden_layers=3, sliding_window=6, sliding_window_pattern=3,
                                                query_pre_attn_scalar=8, final_logit_softcapping=5.0)),
}  # fmt: skip


def make_model(model_type: str, overrides: dict) -> torch.nn.Module:
    config = CONFIG_MAPPING[model_type](**COMMON | overrides)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    offset = 0.0 if "gemma" in model_type else 1.0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.copy_(offset + 0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.3 * torch.randn_like(parameter))
            else:
                # Queries and keys a little larger, so that attention has peaks.
                gain = 1.5 if "q_proj" in name or "k_proj" in name else 1.0
                parameter.copy_(gain * torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
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
    model = make_model(model_type, overrides)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if name.endswith("older-config"):
        write_older_config(folder)

    # What is on disk is what runs.
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    sequences, labels = random_sequences([9, 29], [4, 8], base.config.vocab_size)
    expected = {}
    with torch.no_grad():
        for index, tokens in enumerate(sequences):
            expected[f"logits.{index}"] = base(input_ids=tokens[None]).logits[0].contiguous()
            torch.testing.assert_close(model(input_ids=tokens[None]).logits[0], expected[f"logits.{index}"])
    # PEFT records where the base came from; keep this machine's path out of the golden.
    base.config._name_or_path = base.name_or_path = f"tiny-{name}"
    adapted = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear",
                                              task_type="CAUSAL_LM"))  # fmt: skip
    trainable = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}
    with torch.no_grad():
        for weight_name, weight in trainable.items():
            # PEFT starts B at zero, which would hide every mistake in the gradient of A.
            if "lora_B" in weight_name:
                weight.copy_(0.1 * torch.randn_like(weight))
    adapted.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
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
    save_file(expected, folder / "expected.safetensors")
    write_manifest(folder, __file__, SEED, ["torch", "transformers", "peft", "safetensors"])
    sizes = [path.stat().st_size for path in folder.rglob("*.safetensors")]
    assert max(sizes) < 300_000, sizes
    print(f"{folder.name}: largest file {max(sizes):,} bytes, loss {loss.item():.4f}, "
          f"largest logit {expected['logits.1'].abs().max():.2f}")


def main() -> None:
    torch.set_num_threads(1)
    for name, (model_type, overrides) in VARIANTS.items():
        torch.manual_seed(SEED)
        make(name, model_type, overrides)


if __name__ == "__main__":
    main()
