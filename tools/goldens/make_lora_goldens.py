#!/usr/bin/env python3
"""Goldens of LoRA training: a tiny Llama, adapters in PEFT's format, first gradients, ten AdamW steps, in f32.

Tests/Goldens/lora holds the base model in model/ and one folder for each adapter: the adapter as PEFT saved it
before training, and expected.safetensors.
"""
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from golden_files import GOLDENS, write_manifest
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from tiny_llama import make_model, random_sequences, token_mean_loss
from transformers import AutoModelForCausalLM

SEED = 20_240_603
STEPS = 10
MAX_GRADIENT_NORM = 1.0
OPTIMIZER = dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
FOLDER = GOLDENS / "lora"


@dataclass
class Case:
    name: str
    target_modules: str | list[str]
    rank_stabilised: bool


CASES = [
    Case("all-linear", "all-linear", rank_stabilised=False),
    Case("attention-rslora", ["q_proj", "k_proj", "v_proj", "o_proj"], rank_stabilised=True),
]


def tensor_name(parameter_name: str) -> str:
    """PEFT's name of a tensor on disk: as in the model, without the adapter's name."""
    return parameter_name.replace(".default.", ".")


def sort_target_modules(path: Path) -> None:
    """PEFT keeps a set and writes it in an order that changes from run to run."""
    config = json.loads(path.read_text())
    config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2) + "\n")


def make(case: Case, base: torch.nn.Module) -> dict:
    folder = FOLDER / case.name
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=case.target_modules,
                        use_rslora=case.rank_stabilised, task_type="CAUSAL_LM")  # fmt: skip
    model = get_peft_model(base, config)
    trainable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    with torch.no_grad():
        for name, weight in trainable.items():
            # PEFT starts B at zero, which would hide every mistake in the gradient of A.
            if "lora_B" in name:
                weight.copy_(0.1 * torch.randn_like(weight))
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    sort_target_modules(folder / "adapter_config.json")

    sequences, labels = random_sequences([13, 24, 6], [5, 9, 2], base.config.vocab_size)
    expected = {}
    for index, (tokens, targets) in enumerate(zip(sequences, labels)):
        expected[f"tokens.{index}"] = tokens.int()
        expected[f"labels.{index}"] = targets.int()
        with torch.no_grad():
            expected[f"logits.{index}"] = model(input_ids=tokens[None]).logits[0].contiguous()

    optimizer = torch.optim.AdamW(trainable.values(), **OPTIMIZER)
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = token_mean_loss(model, sequences, labels)
        loss.backward()
        if step == 0:
            for name, weight in trainable.items():
                expected[f"gradient.{tensor_name(name)}"] = weight.grad.clone()
        norms.append(torch.nn.utils.clip_grad_norm_(trainable.values(), MAX_GRADIENT_NORM).detach())
        optimizer.step()
        losses.append(loss.detach())
    expected["losses"] = torch.stack(losses)
    expected["gradient_norms"] = torch.stack(norms)
    final = get_peft_model_state_dict(model)
    expected |= {f"final.{name}": weight.clone().contiguous() for name, weight in final.items()}

    # The names that we derive must be the names on disk.
    on_disk = set(load_file(folder / "adapter_model.safetensors"))
    assert on_disk == set(final) == {tensor_name(name) for name in trainable}
    assert norms[0] > MAX_GRADIENT_NORM, "clipping would go untested"
    save_file(expected, folder / "expected.safetensors")
    print(f"{case.name}: losses {' '.join(f'{x.item():.4f}' for x in losses)}; norms {norms[0]:.3f} ... {norms[-1]:.3f}")
    return {"rank": 4, "alpha": 8, "rank_stabilised": case.rank_stabilised, "steps": STEPS,
            "learning_rate": OPTIMIZER["lr"], "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01,
            "max_gradient_norm": MAX_GRADIENT_NORM}  # fmt: skip


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    make_model(tie_word_embeddings=True).save_pretrained(FOLDER / "model")
    (FOLDER / "model" / "generation_config.json").unlink(missing_ok=True)
    facts = {}
    for case in CASES:
        torch.manual_seed(SEED)
        base = AutoModelForCausalLM.from_pretrained(FOLDER / "model", dtype=torch.float32, attn_implementation="eager")
        # PEFT records where the base came from; keep this machine's path out of the golden.
        base.config._name_or_path = base.name_or_path = "tiny-llama"
        facts[case.name] = make(case, base)
    check_reload()
    write_manifest(FOLDER, __file__, SEED, ["torch", "transformers", "peft", "safetensors"], cases=facts)


def check_reload() -> None:
    """The adapters on disk, loaded afresh, must give the stored logits."""
    for case in CASES:
        expected = load_file(FOLDER / case.name / "expected.safetensors")
        base = AutoModelForCausalLM.from_pretrained(FOLDER / "model", dtype=torch.float32, attn_implementation="eager")
        model = PeftModel.from_pretrained(base, FOLDER / case.name).eval()
        with torch.no_grad():
            logits = model(input_ids=expected["tokens.1"].long()[None]).logits[0]
        torch.testing.assert_close(logits, expected["logits.1"], atol=0, rtol=0)


if __name__ == "__main__":
    main()
