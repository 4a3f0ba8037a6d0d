#!/usr/bin/env python3
"""Check that an adapter of ours is what PEFT and transformers understand by it.

1. PEFT loads the adapter: no tensor missing, none left over, and it changes the logits.
2. Our logits with the adapter agree with PEFT's in f32, and ours in bf16 with PEFT's in f32.
3. Our greedy continuation of 20 prompts in bf16 is the text that PEFT continues with.
4. transformers loads our merged folder: no tensor missing or left over; merged in f32 it gives the logits of 2,
   merged in bf16 the texts of PEFT's own merge rounded to bf16.

Both sides read the same model folder. bf16 is held against PEFT's f32, not its bf16: PEFT's bf16 logits are
themselves rounded to steps of 0.06 to 0.125. How far they are from f32 is printed for comparison.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from peft import PeftModel, get_peft_model_state_dict  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.disable_progress_bar()

PROMPTS = 20
NEW_TOKENS = 32
LOGIT_SEQUENCES = 4  # the logits of a sequence are 20 MB with a vocabulary of 49,152
failures: list[str] = []


def report(passed: bool, text: str) -> None:
    print(f"{'ok    ' if passed else 'MISSED'} {text}", flush=True)
    if not passed:
        failures.append(text)


class OurSide:
    """The command line tool, asked for logits and for text."""

    def __init__(self, tool: Path, work: Path, quiet: bool = False):
        self.tool, self.work, self.quiet = tool.resolve(), work, quiet

    def run(self, *arguments) -> str:
        command = [str(self.tool), *map(str, arguments)]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE if self.quiet else None, text=True)
        if result.returncode != 0:
            sys.exit(f"{result.stderr or ''}exit status {result.returncode} from: {' '.join(command)}")
        return result.stdout

    def logits(self, source: list, sequences: list[list[int]], dtype: str) -> list[torch.Tensor]:
        tokens, output = self.work / "tokens.json", self.work / "logits.safetensors"
        tokens.write_text(json.dumps(sequences))
        self.run("logits", *source, "--tokens", tokens, "--output", output, "--dtype", dtype)
        tensors = load_file(output)
        return [tensors[f"logits.{index}"].float() for index in range(len(sequences))]

    def continuations(self, source: list, prompts: list[dict]) -> list[str]:
        path = self.work / "prompts.jsonl"
        path.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
        output = self.run("generate", *source, "--prompts", path, "--max-tokens", NEW_TOKENS, "--temperature", 0, "--json")
        return [json.loads(line)["text"] for line in output.splitlines()]

    def merge(self, source: list, dtype: str) -> Path:
        folder = self.work / f"merged-{dtype}"
        self.run("merge", *source, "--output", folder, "--dtype", dtype)
        return folder


def load_base(folder: Path, dtype: torch.dtype):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def load_adapted(model: Path, adapter: Path, dtype: torch.dtype) -> PeftModel:
    return PeftModel.from_pretrained(load_base(model, dtype), adapter, autocast_adapter_dtype=False).eval()


@torch.no_grad()
def logits_of(model, sequences: list[list[int]]) -> list[torch.Tensor]:
    return [model(input_ids=torch.tensor([tokens])).logits[0].float() for tokens in sequences]


@torch.no_grad()
def continuations_of(model, tokenizer, prompts: list[list[int]]) -> list[str]:
    texts = []
    for tokens in prompts:
        output = model.generate(input_ids=torch.tensor([tokens]), attention_mask=torch.ones(1, len(tokens)),
                                max_new_tokens=NEW_TOKENS, do_sample=False)  # fmt: skip
        texts.append(tokenizer.decode(output[0, len(tokens):], skip_special_tokens=True))
    return texts


def largest_difference(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        if ours_one.shape != theirs_one.shape:
            sys.exit(f"check-adapter: our logits have shape {list(ours_one.shape)}, PEFT's {list(theirs_one.shape)}")
    return max((a - b).abs().max().nan_to_num(nan=float("inf")).item() for a, b in zip(ours, theirs))


def report_texts(name: str, ours: list[str], theirs: list[str]) -> None:
    same = sum(a == b for a, b in zip(ours, theirs, strict=True))
    report(same == len(theirs), f"{name}: {same} of {len(theirs)} greedy continuations are the same")
    for index, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            print(f"       prompt {index}\n         ours   {a!r}\n         theirs {b!r}")


def check_names(model: PeftModel, adapter: Path) -> None:
    """PEFT only warns of a missing tensor and is silent about an extra one, so compare the names ourselves."""
    on_disk, wanted = load_file(adapter / "adapter_model.safetensors"), get_peft_model_state_dict(model)
    missing, extra = wanted.keys() - on_disk.keys(), on_disk.keys() - wanted.keys()
    same = all(torch.equal(on_disk[name].float(), wanted[name].float()) for name in wanted.keys() & on_disk.keys())
    report(not missing and not extra and same, f"PEFT loads all {len(on_disk)} tensors of the adapter")
    for name in sorted(missing | extra)[:10]:
        print(f"       {'missing' if name in missing else 'not used'}: {name}")


def check_merged(folder: Path, dtype: torch.dtype) -> torch.nn.Module:
    model, information = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    problems = {key: value for key, value in information.items() if value}
    report(not problems, f"transformers loads {folder.name} with nothing missing or left over {problems or ''}")
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a folder in Hugging Face layout, for both sides")
    parser.add_argument("--adapter", type=Path, required=True, help="an adapter folder that sparselora wrote")
    parser.add_argument("--sparselora", type=Path, required=True, help="our command line tool")
    parser.add_argument("--prompts", type=Path, required=True, help="chat JSONL; the first 20 lines are used")
    parser.add_argument("--f32-bar", type=float, default=1e-3)
    parser.add_argument("--bf16-bar", type=float, default=0.05)
    arguments = parser.parse_args()
    base = ["--model", arguments.model]
    source = [*base, "--adapter", arguments.adapter]

    with arguments.prompts.open() as file:
        conversations = [json.loads(line)["messages"] for line, _ in zip(file, range(PROMPTS))]
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)

    def render(messages: list[dict], open_turn: bool) -> list[int]:
        return tokenizer.apply_chat_template(messages, add_generation_prompt=open_turn, tokenize=True)["input_ids"]

    questions = [messages[:1] for messages in conversations]
    prompts = [render(messages, open_turn=True) for messages in questions]
    sequences = [render(messages, open_turn=False) for messages in conversations[:LOGIT_SEQUENCES]]

    peft = load_adapted(arguments.model, arguments.adapter, torch.float32)
    check_names(peft, arguments.adapter)
    expected = logits_of(peft, sequences)
    expected_texts = continuations_of(peft, tokenizer, prompts)
    with peft.disable_adapter():
        change = largest_difference(logits_of(peft, sequences), expected)
    report(change > 10 * arguments.bf16_bar, f"the adapter changes the logits, by up to {change:.2f}")
    del peft

    with tempfile.TemporaryDirectory(prefix="check-adapter.") as scratch:
        ours = OurSide(arguments.sparselora, Path(scratch))
        f32 = largest_difference(ours.logits(source, sequences, "float32"), expected)
        report(f32 < arguments.f32_bar, f"f32 logits: largest difference from PEFT {f32:.2e} (bar {arguments.f32_bar:g})")
        bf16 = largest_difference(ours.logits(source, sequences, "bfloat16"), expected)
        peft_bf16 = logits_of(load_adapted(arguments.model, arguments.adapter, torch.bfloat16), sequences)
        report(bf16 < arguments.bf16_bar, f"bf16 logits: largest difference from PEFT f32 {bf16:.3f} "
               f"(bar {arguments.bf16_bar:g}; PEFT bf16 is {largest_difference(peft_bf16, expected):.3f} away)")
        questions_as_lines = [{"messages": messages} for messages in questions]
        report_texts("generate --adapter", ours.continuations(source, questions_as_lines), expected_texts)

        exact = check_merged(ours.merge(source, "float32"), torch.float32)
        merged = largest_difference(logits_of(exact, sequences), expected)
        report(merged < arguments.f32_bar,
               f"merged f32 folder: largest difference {merged:.2e} (bar {arguments.f32_bar:g})")
        del exact
        rounded = check_merged(ours.merge(source, "bfloat16"), torch.float32)
        # Rounding the merged weights may change a text, so the same rounding is done to PEFT's.
        theirs = load_adapted(arguments.model, arguments.adapter, torch.float32).merge_and_unload()
        with torch.no_grad():
            # Weights only: model.to(bfloat16) would round the rotary frequencies too.
            for weight in theirs.parameters():
                weight.copy_(weight.bfloat16())
        report_texts("merged bf16 folder", continuations_of(rounded, tokenizer, prompts),
                     continuations_of(theirs, tokenizer, prompts))

    print(f"check-adapter {'MISSED' if failures else 'passed'}: f32 {f32:.2e}, bf16 {bf16:.3f}, "
          f"{len(failures)} checks missed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
