#!/usr/bin/env python3
"""Check that sparse training loses nothing: dense LoRA against SparseLoRA on two tasks.

Every run is `sparselora train` with the same data, order, first adapter and schedule; then held-out loss and the
accuracy of greedy answers, both dense. `auto` and the paper's method stand beside the budgets of the bars. At the end
the same batches are trained on with every plan in turns, sparse from the first step, for the time of a step against
that of a dense one. Finished runs are kept in --cache and not repeated, so the full form can be stopped and taken up
again. The bars: held-out loss within 1% of dense, accuracy within one standard error of dense.

Python's standard library is all that this needs.
"""
import argparse
import hashlib
import json
import math
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

TIMED_ROUNDS, TIMED_STEPS, UNTIMED_STEPS = 3, 12, 2
LORA = ["--rank", "32", "--alpha", "64", "--targets", "q_proj,k_proj,v_proj,o_proj", "--batch-size", "8"]


@dataclass
class Task:
    name: str
    train: list[str]
    valid: list[str]
    tests: dict[str, list[str]]
    budgets: list[str]
    answer_tokens: int


@dataclass
class Method:
    """What was found of one way to train: a row of the table."""

    name: str
    results: list[dict]  # by seed, from the first of the form's on
    plan: Path | None
    has_bars: bool


@dataclass
class Form:
    seeds: list[int]
    # Of the paper's method, which no bar is about.
    paper_seeds: list[int]
    arithmetic: int
    commonsense: int
    valid: int
    problems: int


FORMS = {
    "quick": Form(seeds=[0], paper_seeds=[0], arithmetic=480, commonsense=960, valid=160, problems=60),
    # A whole epoch of arithmetic; of commonsense what all runs of a seed take about an hour for on two cores.
    "full": Form(
        seeds=[0, 1, 2], paper_seeds=[0], arithmetic=10**9, commonsense=2400, valid=400, problems=400
    ),
}


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.strip()]


def spread(items: list[str], count: int) -> list[str]:
    """So many of the items, evenly spread."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def tasks(data: Path, form: Form, only: str | None = None) -> list[Task]:
    result = []
    for name, size, budgets, answer_tokens in [
        ("arithmetic", form.arithmetic, ["0.8", "0.7", "auto"], 160),
        ("commonsense", form.commonsense, ["0.6", "0.5", "auto"], 12),
    ]:
        folder = data / name
        if only and name != only:
            continue
        if not folder.is_dir():
            sys.exit(f"check-quality: there is no {folder}; --only takes one of the tasks")
        everything = lines(folder / "train.jsonl")
        valid = spread(everything, form.valid)
        held_out = set(valid)
        train = [line for line in everything if line not in held_out]
        files = sorted(folder.glob("test-*.jsonl"))
        per_file = max(1, form.problems // len(files))
        tests = {file.stem.removeprefix("test-"): spread(lines(file), per_file) for file in files}
        result.append(Task(name, spread(train, size), valid, tests, budgets, answer_tokens))
    return result


class Runs:
    def __init__(self, sparselora: str, model: str, cache: Path):
        self.sparselora, self.model, self.cache = sparselora, model, cache

    def file(self, content: list[str], name: str) -> Path:
        digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]
        path = self.cache / "data" / f"{name}-{digest}.jsonl"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(content) + "\n")
        return path

    def result(self, task: Task, label: str, seed: int, arguments: list[str]) -> dict:
        """Trains and evaluates, or reads what an earlier run found."""
        train, valid = self.file(task.train, task.name), self.file(task.valid, f"{task.name}-valid")
        key = hashlib.sha256(
            json.dumps([self.model, train.name, valid.name, LORA, label, seed, task.tests]).encode()
        ).hexdigest()[:12]
        folder = self.cache / f"{task.name}-{label}-seed{seed}-{key}"
        saved = folder / "quality.json"
        if saved.exists():
            return json.loads(saved.read_text())
        print(f"{task.name}, {label}, seed {seed}: {len(task.train)} examples", file=sys.stderr, flush=True)
        self.call(
            "train", "--model", self.model, "--data", str(train), "--set", f"data.validation={valid}",
            "--seed", str(seed), "--output", str(folder), "--overwrite", *LORA, *arguments,
        )  # fmt: skip
        summary = json.loads((folder / "summary.json").read_text())
        correct, total = 0, 0
        for name, problems in task.tests.items():
            scores = json.loads(
                self.call(
                    "evaluate", "--model", self.model, "--adapter", str(folder / "adapter"), "--data",
                    str(self.file(problems, f"{task.name}-{name}")), "--max-tokens", str(task.answer_tokens),
                    "--json",
                )  # fmt: skip
            )
            correct, total = correct + scores["correct"], total + scores["count"]
        result = {
            "folder": str(folder), "loss": summary["validation_loss"], "correct": correct, "problems": total,
            "sparsity": summary.get("sparsity"),
        }  # fmt: skip
        saved.write_text(json.dumps(result, indent=1) + "\n")
        return result

    def call(self, *arguments: str) -> str:
        done = subprocess.run([self.sparselora, *arguments], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"check-quality: exit status {done.returncode} from: {self.sparselora} {' '.join(arguments)}")
        return done.stdout

    def paper_plan(self, calibrated: dict) -> Path:
        """The same shares left out by the published method: all gradients, and sparse to the end."""
        ours = ("method:", "rank:", "gradient_share:", "word_", "end_step:", "flop_share:", "predicted_")
        kept = [line for line in lines(Path(calibrated["folder"]) / "sparsity.yaml") if not line.startswith(ours)]
        path = Path(calibrated["folder"]) / "published.yaml"
        path.write_text("\n".join(["method: paper", "rank: 8", "end_step: 1", *kept]) + "\n")
        return path

    def step_times(self, task: Task, methods: list[Method]) -> list[tuple[float, float]]:
        """Seconds of a step with each method, and how many times as fast as the first: the same batches, of which each
        counts with its median over runs in turns."""
        plans = [method.plan.read_text() if method.plan else None for method in methods]
        train = self.file(task.train, task.name)
        key = hashlib.sha256(json.dumps([self.model, train.name, LORA, plans]).encode()).hexdigest()[:12]
        folder = self.cache / f"{task.name}-step-times-{key}"
        saved = folder / "times.json"
        if not saved.exists():
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{task.name}: time of a step", file=sys.stderr, flush=True)
            # By method and round, in the order of the batches.
            times: list[list[list[float]]] = [[] for _ in methods]
            for _ in range(TIMED_ROUNDS):
                for plan, rounds in zip(plans, times):
                    sparsity = []
                    if plan:
                        always = re.sub(r"(?m)^start_step:.*", "start_step: 0", plan)
                        always = re.sub(r"(?m)^end_step:.*", "end_step: 1", always)
                        (folder / "plan.yaml").write_text(always)
                        sparsity = ["--sparsity", str(folder / "plan.yaml")]
                    self.call(
                        "train", "--model", self.model, "--data", str(train), "--steps", str(TIMED_STEPS),
                        "--seed", "0", "--output", str(folder / "run"), "--overwrite", *LORA, *sparsity,
                    )  # fmt: skip
                    events = map(json.loads, lines(folder / "run" / "metrics.jsonl"))
                    steps = [event["seconds"] for event in events if event["type"] == "step"]
                    rounds.append(steps[UNTIMED_STEPS:])
            saved.write_text(json.dumps(times, indent=1) + "\n")
        times = json.loads(saved.read_text())
        seconds = [statistics.mean(map(statistics.median, zip(*rounds))) for rounds in times]
        return [(own, seconds[0] / own) for own in seconds]

    def methods(self, task: Task, form: Form, with_paper: bool) -> list[Method]:
        """Dense training first."""
        found = [Method("dense", [self.result(task, "dense", seed, []) for seed in form.seeds], None, has_bars=False)]
        for budget in task.budgets:
            ours = [self.result(task, f"sparse-{budget}", seed, ["--sparsity", budget]) for seed in form.seeds]
            plan = Path(ours[0]["folder"]) / "sparsity.yaml"
            if not all(result["sparsity"] for result in ours):
                sys.exit(f"check-quality: {task.name} at {budget}: a run found no plan and trained densely: missed")
            found.append(Method(f"SparseLoRA {budget}", ours, plan, has_bars=True))
            if not with_paper or budget == "auto":
                continue
            label = f"published-{budget}"
            plans = [self.paper_plan(result) for result in ours[: len(form.paper_seeds)]]
            theirs = [
                self.result(task, label, seed, ["--sparsity", str(plan)])
                for seed, plan in zip(form.paper_seeds, plans)
            ]
            found.append(Method(f"the paper's method at the shares of {budget}", theirs, plans[0], has_bars=False))
        return found


def rate(result: dict) -> float:
    return result["correct"] / result["problems"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--sparselora", required=True)
    parser.add_argument("--data", type=Path, required=True, help="a folder with arithmetic and commonsense")
    parser.add_argument("--cache", type=Path, required=True, help="where finished runs are kept")
    parser.add_argument("--form", choices=FORMS, default="quick")
    parser.add_argument("--paper", action="store_true", help="the paper's method beside ours")
    parser.add_argument("--only", choices=["arithmetic", "commonsense"], help="one task")
    parser.add_argument("--seeds", type=int, help="only the first so many seeds of the form")
    options = parser.parse_args()
    form = FORMS[options.form]
    form = replace(form, seeds=form.seeds[: options.seeds])
    runs = Runs(options.sparselora, options.model, options.cache)
    rows, worst_loss, worst_accuracy = [], -math.inf, -math.inf

    for task in tasks(options.data, form, options.only):
        methods = runs.methods(task, form, options.paper)
        for method, (seconds, speed) in zip(methods, runs.step_times(task, methods)):
            results = method.results
            dense = methods[0].results[: len(results)]
            loss = statistics.mean(r["loss"] for r in results)
            gap = statistics.mean(r["loss"] / d["loss"] - 1 for r, d in zip(results, dense))
            accuracy = statistics.mean(map(rate, results))
            dense_accuracy = statistics.mean(map(rate, dense))
            # Of the dense accuracy: how far another sample of problems would move it.
            problems = sum(d["problems"] for d in dense)
            error = math.sqrt(max(dense_accuracy * (1 - dense_accuracy), 1e-9) / problems)
            below = (dense_accuracy - accuracy) / error
            shares = [r["sparsity"]["flop_share"] for r in results if r.get("sparsity")]
            if method is methods[0]:
                # What dense steps take where they compute once what a batch's sequences share.
                found = [r["sparsity"] for r in methods[1].results if r.get("sparsity")]
                shares = [sparsity["flop_share"] * sparsity["expected_speed_up"] for sparsity in found]
            share = f"{statistics.mean(shares):.2f}" if shares else "1"
            rows.append(
                f"| {task.name} | {method.name} | {len(results)} | {share} | {seconds:.2f} s, {speed:.2f}x "
                f"| {loss:.4f} | {100 * gap:+.2f}% | {100 * accuracy:.1f}% | {-below:+.1f} |"
            )
            if method.has_bars:
                worst_loss, worst_accuracy = max(worst_loss, gap), max(worst_accuracy, below)

    print(
        "| task | method | seeds | of plain LoRA's FLOPs | step | held-out loss | against dense | accuracy "
        "| standard errors |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    missed = worst_loss > 0.01 or worst_accuracy > 1
    print(
        f"check-quality ({options.form}): loss at most {100 * worst_loss:+.2f}% from dense (bar +1%), accuracy at most "
        f"{worst_accuracy:.1f} standard errors below (bar 1): {'missed' if missed else 'met'}"
    )
    sys.exit(missed)


if __name__ == "__main__":
    main()
