#!/usr/bin/env python3
"""Goldens of whole models: tiny random Llamas as transformers saves and runs them, in f32.

Each Tests/Goldens/llama-NAME holds a model folder (config.json, model.safetensors) and expected.safetensors.
"""
import json
import shutil

import torch
from golden_files import GOLDENS, write_manifest
from safetensors.torch import save_file
from tiny_llama import make_model, random_sequences, token_mean_loss
from transformers import AutoModelForCausalLM

SEED = 20_240_602

LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 64}  # fmt: skip
VARIANTS = {
    "mha-untied": dict(num_key_value_heads=4, tie_word_embeddings=False),
    "gqa-tied": dict(tie_word_embeddings=True, intermediate_size=128,
                     rope_parameters={"rope_type": "default", "rope_theta": 100_000.0}),
    # The wavelengths of a 16-wide head (6, 20, 63, 199, ...) fall into all three of llama3's ranges.
    "rope-llama3": dict(tie_word_embeddings=True, rope_parameters=LLAMA3_ROPE),
    "rope-linear-bias": dict(tie_word_embeddings=True, attention_bias=True, mlp_bias=True,
                             rope_parameters={"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}),
    "explicit-head-width": dict(tie_word_embeddings=True, head_dim=24),
}  # fmt: skip


def write_older_config(folder) -> None:
    """Rewrite the rope settings as transformers 4 wrote them; most published folders look like this."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    # The earliest files say "type" where later ones say "rope_type".
    config["rope_scaling"] = {"type": rope["rope_type"], "factor": rope["factor"]}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def make(name: str, overrides: dict) -> None:
    folder = GOLDENS / f"llama-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model = make_model(**overrides)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if name == "rope-linear-bias":
        write_older_config(folder)

    # Long enough for scaled positions to matter; lengths that are no multiple of a vector.
    sequences, labels = random_sequences([9, 37], [4, 11], model.config.vocab_size)
    labels[1][20:23] = -100
    with torch.no_grad():
        logits = [model(input_ids=tokens[None]).logits[0] for tokens in sequences]
        loss = token_mean_loss(model, sequences, labels)
        # What is on disk must be what was run.
        reloaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        for tokens, expected in zip(sequences, logits):
            torch.testing.assert_close(reloaded(input_ids=tokens[None]).logits[0], expected, atol=0, rtol=0)

    expected = {"loss": loss.reshape(1)}
    for index, (tokens, targets) in enumerate(zip(sequences, labels)):
        expected[f"tokens.{index}"] = tokens.int()
        expected[f"labels.{index}"] = targets.int()
        expected[f"logits.{index}"] = logits[index].contiguous()
    save_file(expected, folder / "expected.safetensors")
    write_manifest(folder, __file__, SEED, ["torch", "transformers", "safetensors"])
    size = (folder / "model.safetensors").stat().st_size
    print(f"{folder.name}: {size:,} bytes of weights, loss {loss.item():.6f}, "
          f"largest logit {max(part.abs().max().item() for part in logits):.2f}")


def main() -> None:
    torch.set_num_threads(1)
    for name, overrides in VARIANTS.items():
        torch.manual_seed(SEED)
        make(name, overrides)


if __name__ == "__main__":
    main()
