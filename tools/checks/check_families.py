#!/usr/bin/env python3
"""Check every model family against transformers and PEFT, from the command line, on small random models.

Each model has the configuration of a published one, with its sizes scaled down, and is stored sharded in bf16 and in
f16. For each, in f32 on both sides:

1. Our logits of the folder are transformers'.
2. Ten traced training steps have PEFT's losses, from the same initial adapter.
3. PEFT loads the adapter that we trained, no tensor missing or left over, and gives our logits.
4. transformers loads our merged folder, no tensor missing or left over, and gives the same logits.

Differences are relative to the largest logit or loss. Then model types that are not supported must be refused in under a
second, with the type and what is missing.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "goldens")]

import check_adapter  # noqa: E402
import check_loss_trace  # noqa: E402
import torch  # noqa: E402
from check_adapter import OurSide, check_names, largest_difference, load_adapted, logits_of, report  # noqa: E402
from random_families import random_model, with_images  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: E402
from transformers.models.auto.configuration_auto import CONFIG_MAPPING  # noqa: E402

SEED = 20_240_901
STEPS = 10
VOCABULARY = 320
STORED_AS = {"bf16": torch.bfloat16, "f16": torch.float16}
# Longer than windows and context lengths below, and short.
LENGTHS = [120, 17]

COMMON = dict(vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=2, pad_token_id=0, hidden_size=128,
              intermediate_size=352, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2)  # fmt: skip


def longrope(pairs: int) -> dict:
    return {"type": "longrope", "short_factor": [1.0 + 0.02 * i for i in range(pairs)],
            "long_factor": [1.0 + 0.9 * i for i in range(pairs)]}  # fmt: skip


# Written as the published files write them: old keys stay old keys.
FAMILIES = {
    "Llama 2": ("llama", dict(num_key_value_heads=4, rms_norm_eps=1e-5, max_position_embeddings=4096)),
    "Llama 3.2": ("llama", dict(
        head_dim=32, rope_theta=500_000.0, rms_norm_eps=1e-5, max_position_embeddings=131_072, tie_word_embeddings=True,
        rope_scaling={"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                      "original_max_position_embeddings": 64, "rope_type": "llama3"})),
    # transformers remembers the longest sequence that it has seen: those of training stay below the maximum.
    "Llama, dynamic rope": ("llama", dict(max_position_embeddings=112, rope_scaling={"type": "dynamic", "factor": 2.0})),
    "Llama, linear rope": ("llama", dict(rope_scaling={"type": "linear", "factor": 8.0})),
    "SmolLM2": ("llama", dict(hidden_size=144, num_attention_heads=9, num_key_value_heads=3, rope_theta=100_000,
                              tie_word_embeddings=True)),
    "Mistral": ("mistral", dict(sliding_window=48, rms_norm_eps=1e-5, max_position_embeddings=32_768)),
    "Mistral v0.3": ("mistral", dict(sliding_window=None, rope_theta=1_000_000.0, head_dim=48)),
    "Qwen 2.5": ("qwen2", dict(num_attention_heads=8, rope_theta=1_000_000.0, max_window_layers=2, sliding_window=48,
                               use_sliding_window=False, tie_word_embeddings=True)),
    "Qwen 2.5, YaRN and windows": ("qwen2", dict(
        max_window_layers=2, sliding_window=48, use_sliding_window=True, max_position_embeddings=256,
        rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64})),
    "Qwen 3": ("qwen3", dict(head_dim=64, rope_theta=1_000_000, attention_bias=False, max_window_layers=4,
                             tie_word_embeddings=True)),
    "Gemma": ("gemma", dict(num_key_value_heads=1, head_dim=48, max_position_embeddings=8192)),
    "Gemma 2": ("gemma2", dict(head_dim=48, sliding_window=32, query_pre_attn_scalar=48)),
    "Gemma 3": ("gemma3_text", dict(num_hidden_layers=7, head_dim=64, num_key_value_heads=1, sliding_window=32,
                                    query_pre_attn_scalar=64, rope_theta=1_000_000.0, rope_local_base_freq=10_000.0)),
    "Gemma 3 with images": ("gemma3", dict(num_hidden_layers=7, head_dim=64, sliding_window=32,
                                           query_pre_attn_scalar=64, rope_scaling={"factor": 8.0, "rope_type": "linear"})),
    "Phi-3": ("phi3", dict(num_key_value_heads=4, sliding_window=48, original_max_position_embeddings=4096)),
    "Phi-3, 128k": ("phi3", dict(num_key_value_heads=4, sliding_window=None, max_position_embeddings=2048,
                                 original_max_position_embeddings=64, rope_scaling=longrope(16))),
    "Phi-4-mini": ("phi3", dict(num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
                                original_max_position_embeddings=64, partial_rotary_factor=0.75, sliding_window=262_144,
                                rope_scaling=longrope(12), tie_word_embeddings=True)),
    "SmolLM3": ("smollm3", dict(rope_theta=5_000_000.0, no_rope_layer_interval=4, use_sliding_window=False,
                                max_position_embeddings=65_536)),
    "OLMo 2": ("olmo2", dict(num_key_value_heads=4, rope_theta=500_000, rms_norm_eps=1e-6,
                             max_position_embeddings=4096)),
    "OLMo 3": ("olmo3", dict(num_key_value_heads=4, sliding_window=48, max_position_embeddings=256, rms_norm_eps=1e-6,
                             rope_theta=500_000, rope_scaling={
                                 "rope_type": "yarn", "factor": 8.0, "attention_factor": 1.2079441541679836,
                                 "beta_fast": 32.0, "beta_slow": 1.0, "original_max_position_embeddings": 32})),
    "Granite 3": ("granite", dict(attention_multiplier=0.015625 * 2, embedding_multiplier=12.0,
                                  residual_multiplier=0.22, logits_scaling=8.0, rope_theta=10_000_000.0,
                                  rms_norm_eps=1e-5, tie_word_embeddings=True)),
}  # fmt: skip
VISION = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, image_size=8, patch_size=4)


# Types that are not supported, with a word of what is missing; the last is of a family that nobody has heard of.
UNSUPPORTED = {"mixtral": "experts", "deepseek_v3": "latent attention", "mamba": "state-space", "qwen2_5_vl": "images",
               "gemma3n": "images", "ministral3": "query scales", "bert": "encoders", "gpt2": "layer norms",
               "a_type_of_tomorrow": "not supported"}  # fmt: skip


def make_configuration(model_type: str, options: dict):
    if model_type != "gemma3":
        return CONFIG_MAPPING[model_type](**COMMON | options)
    return with_images(CONFIG_MAPPING["gemma3_text"](**COMMON | options), VISION)


def make_model(model_type: str, options: dict) -> torch.nn.Module:
    torch.manual_seed(SEED)
    return random_model(make_configuration(model_type, options), gain=1.2, query_key_gain=1.2)


def write_tokenizer(folder: Path) -> None:
    """A byte for a token: what is checked here is the model."""
    special = ["<pad>", "<s>", "</s>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(special + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    configuration = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
                     "pad_token": "<pad>"}  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration))


def write_data(path: Path) -> None:
    """Prompts and completions short and long."""
    generator = torch.Generator().manual_seed(SEED)
    with path.open("w") as file:
        for index in range(2 * STEPS):
            numbers = torch.randint(0, 100, (4 + 12 * (index % 3),), generator=generator).tolist()
            record = {"prompt": "sort " + " ".join(map(str, numbers)) + ": ",
                      "completion": " ".join(map(str, sorted(numbers)[:8]))}  # fmt: skip
            file.write(json.dumps(record) + "\n")


def relative(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    return largest_difference(ours, theirs) / max(tensor.abs().max().item() for tensor in theirs)


def loss_difference(model: Path, run: Path) -> float:
    """The largest relative difference of a step's loss when PEFT replays our run."""
    settings, trace = check_loss_trace.read_trace(run / "trace.jsonl", STEPS)
    # There is no dropout; in training Gemma 3 wants to know which tokens are images.
    adapted = check_loss_trace.load(model, run / "initial").eval()
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"],
                                  weight_decay=settings["weight_decay"])  # fmt: skip
    worst = 0.0
    for step in trace:
        optimizer.param_groups[0]["lr"] = step["learning_rate"]
        optimizer.zero_grad(set_to_none=True)
        loss = check_loss_trace.accumulate_gradients(adapted, step)
        if settings["max_gradient_norm"] is not None:
            torch.nn.utils.clip_grad_norm_(weights, settings["max_gradient_norm"])
        optimizer.step()
        worst = max(worst, abs(loss - step["loss"]) / loss)
    return worst


def check(name: str, stored_as: str, work: Path, tool: Path, bar: float) -> float:
    model_type, options = FAMILIES[name]
    work.mkdir()
    folder, run = work / "model", work / "run"
    make_model(model_type, options).to(STORED_AS[stored_as]).save_pretrained(folder, max_shard_size="300KB")
    shards = len(list(folder.glob("model-*.safetensors")))
    write_tokenizer(folder)
    write_data(work / "train.jsonl")
    sequences = [torch.randint(3, 259, (length,)).tolist() for length in LENGTHS]
    ours, source = OurSide(tool, work, quiet=True), ["--model", folder]

    base = logits_of(check_adapter.load_base(folder, torch.float32), sequences)
    figures = [relative(ours.logits(source, sequences, "float32"), base)]
    ours.run("train", *source, "--data", work / "train.jsonl", "--output", run, "--dtype", "float32", "--iters", STEPS,
             "--rank", 4, "--batch-size", 2, "--learning-rate", 0.005, "--trace", run.with_suffix(".jsonl"),
             "--save-initial-adapter", work / "initial")  # fmt: skip
    run.with_suffix(".jsonl").rename(run / "trace.jsonl")
    (work / "initial").rename(run / "initial")
    figures.append(loss_difference(folder, run))
    adapted = load_adapted(folder, run / "adapter", torch.float32)
    expected = logits_of(adapted, sequences)
    source += ["--adapter", run / "adapter"]
    figures.append(relative(ours.logits(source, sequences, "float32"), expected))
    merged = check_adapter.check_merged(ours.merge(source, "float32"), torch.float32)
    figures.append(relative(logits_of(merged, sequences), expected))
    check_names(adapted, run / "adapter")
    change = relative(base, expected)
    report(shards > 1 and change > 100 * bar and max(figures) < bar,
           f"{name} ({stored_as}, {shards} shards): logits {figures[0]:.1e}, losses {figures[1]:.1e}, adapter in PEFT "
           f"{figures[2]:.1e}, merged {figures[3]:.1e}; training changes logits by {change:.2f}")
    return max(figures)


def check_unsupported(work: Path, tool: Path) -> float:
    """The longest time to the error for a model type that is not supported."""
    times = []
    for model_type, missing in UNSUPPORTED.items():
        folder = work / model_type
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        write_tokenizer(folder)
        write_data(folder / "train.jsonl")
        start = time.monotonic()
        result = subprocess.run([tool, "train", "--model", folder, "--data", folder / "train.jsonl", "--output", folder / "run"],
                                capture_output=True, text=True)
        times.append(time.monotonic() - start)
        report(result.returncode != 0 and f'"{model_type}"' in result.stderr and missing in result.stderr and times[-1] < 1,
               f"{model_type}: refused in {times[-1]:.2f} s, naming the type and \"{missing}\"")
    return max(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sparselora", type=Path, required=True, help="our command line tool")
    parser.add_argument("--bar", type=float, default=1e-4, help="largest relative difference")
    parser.add_argument("--only", help="the families whose name holds this")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    chosen = [name for name in FAMILIES if (arguments.only or "") in name]
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="check-families.") as scratch:
        for name in chosen:
            for stored_as in STORED_AS:
                work = Path(scratch) / f"{len(list(Path(scratch).iterdir()))}"
                worst = max(worst, check(name, stored_as, work, arguments.sparselora, arguments.bar))
        slowest = check_unsupported(Path(scratch) / "unsupported", arguments.sparselora)
    missed = len(check_adapter.failures)
    print(f"check-families {'MISSED' if missed else 'passed'}: {len(chosen)} models, largest relative difference "
          f"{worst:.1e} (bar {arguments.bar:g}), {len(UNSUPPORTED)} others refused in {slowest:.2f} s (bar 1), {missed} checks "
          "missed")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
