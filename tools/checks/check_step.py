#!/usr/bin/env python3
"""Check the speed and memory of our training step against PyTorch + PEFT, side by side on this machine.

The two programs alternate, round after round, and medians are compared; so a busy machine slows both. Peak
memory is what the operating system saw of each process.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEER = Path(__file__).resolve().parent.parent / "peers" / "peft_step.py"


def run(command: list[str], tokens: int, steps: int, limit: float) -> dict:
    """Run a step benchmark; its JSON line, with `peak_bytes` as the operating system measured it.

    One that has not finished its steps in `limit` seconds is stopped and counted as if it just had: PyTorch's bf16
    products have no fast path on processors without AVX-512. The figures are then bounds in its favour.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output)
        end = time.monotonic() + limit
        while True:
            finished, status, usage = os.wait4(process.pid, os.WNOHANG)
            if finished:
                break
            if time.monotonic() > end:
                process.kill()
                _, _, usage = os.wait4(process.pid, 0)
                process.returncode = -9
                return {"seconds_median": limit / steps, "tokens_per_second": tokens * steps / limit,
                        "peak_bytes": usage.ru_maxrss * 1024, "stopped": True}  # fmt: skip
            time.sleep(0.05)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().splitlines()
    if process.returncode != 0:
        sys.exit(f"check-step: exit status {process.returncode} from: {' '.join(command)}")
    if not lines:
        sys.exit(f"check-step: no JSON line from: {' '.join(command)}")
    return json.loads(lines[-1]) | {"peak_bytes": usage.ru_maxrss * 1024}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown processor"
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), "unknown processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a folder in Hugging Face layout, for both sides")
    parser.add_argument("--benchmarks", required=True, help="our Benchmarks executable")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--targets", default="q_proj,k_proj,v_proj,o_proj")
    parser.add_argument("--labelled-fraction", type=float, default=0.25)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="timed steps of a round")
    parser.add_argument("--warmup", type=int, default=1, help="steps before these")
    parser.add_argument("--limit", type=float, default=150, help="seconds after which one run is stopped")
    parser.add_argument("--speed-bar", type=float, default=1.6, help="times as fast as PEFT bf16, at least")
    parser.add_argument("--memory-bar", type=float, default=0.5, help="of PEFT bf16's peak memory, at most")
    arguments = parser.parse_args()

    shape = ["--model", arguments.model, "--batch", str(arguments.batch), "--length", str(arguments.length),
             "--rank", str(arguments.rank), "--targets", arguments.targets,
             "--labelled-fraction", str(arguments.labelled_fraction), "--steps", str(arguments.steps),
             "--warmup", str(arguments.warmup)]  # fmt: skip
    contenders = {
        "SparseLoRA bf16": [arguments.benchmarks, "step", "--json", *shape, "--dtype", "bfloat16"],
        "PEFT bf16": [sys.executable, str(PEER), *shape, "--dtype", "bfloat16"],
        "PEFT f32": [sys.executable, str(PEER), *shape, "--dtype", "float32"],
    }
    results = {name: [] for name in contenders}
    for number in range(1, arguments.rounds + 1):
        for name, command in contenders.items():
            result = run(command, arguments.batch * arguments.length, arguments.steps + arguments.warmup, arguments.limit)
            results[name].append(result)
            bound = "more than " if result.get("stopped") else ""
            print(f"round {number}, {name}: {bound}{result['seconds_median']:.3f} s a step", file=sys.stderr, flush=True)

    medians = {
        name: {key: statistics.median(result[key] for result in rounds)
               for key in ("seconds_median", "tokens_per_second", "peak_bytes")}
        for name, rounds in results.items()
    }  # fmt: skip
    ours = medians["SparseLoRA bf16"]
    print(f"{processor()}, {os.cpu_count()} cores; {arguments.batch}x{arguments.length} tokens, "
          f"{arguments.labelled_fraction:.0%} labelled, rank {arguments.rank} on {arguments.targets}; "
          f"median of {arguments.rounds} alternating rounds")
    print(f"{'':16} {'s/step':>8} {'tokens/s':>9} {'peak GB':>8} {'our speed':>10} {'our memory':>11}")
    for name, row in medians.items():
        print(f"{name:16} {row['seconds_median']:8.3f} {row['tokens_per_second']:9.1f} {row['peak_bytes'] / 1e9:8.2f} "
              f"{row['seconds_median'] / ours['seconds_median']:9.2f}x {ours['peak_bytes'] / row['peak_bytes']:10.0%}")

    stopped = [name for name, rounds in results.items() if any(result.get("stopped") for result in rounds)]
    for name in stopped:
        print(f"{name} was stopped after {arguments.limit:.0f} s: its true figures are worse than shown")
    peer = medians["PEFT bf16"]
    speed = peer["seconds_median"] / ours["seconds_median"]
    memory = ours["peak_bytes"] / peer["peak_bytes"]
    passed = speed >= arguments.speed_bar and memory <= arguments.memory_bar
    print(f"check-step {'passed' if passed else 'MISSED'}: {speed:.2f}x PEFT bf16 (bar {arguments.speed_bar}x), "
          f"{memory:.0%} of its memory (bar {arguments.memory_bar:.0%})")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
