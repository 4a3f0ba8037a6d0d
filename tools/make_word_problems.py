#!/usr/bin/env python3
"""Make the example data set: two- and three-step arithmetic word problems with worked reasoning.

usage: make_word_problems.py [OUTPUT_FOLDER]     (default: Examples/word-problems)

Writes train.jsonl, valid.jsonl and test.jsonl in the chat format, the same bytes on every run. The three share
their story shapes, but never the numbers of a problem: a shape with its numbers stands in one file only.
"""
import json
import random
import re
import sys
from pathlib import Path

from word_problem_shapes import LISTS, NAMES, SHAPES, Shape

SEED = 7
SIZES = {"test": 200, "valid": 100, "train": 2_000}
LARGEST = 999
STEP = re.compile(r"(?P<label>.+): (?P<left>\w+) (?P<operator>[-+*/]) (?P<right>\w+) = (?P<result>\w+)")


class Unsuitable(Exception):
    """These numbers give no whole, small, positive result."""


def draw_values(shape: Shape, generator: random.Random) -> dict:
    """One value for each field of the shape, and two different names."""
    values = {}
    for field in shape.draw.split():
        name, source = field.split("=")
        if source.startswith("@"):
            choice = generator.choice(LISTS[source[1:]])
            if isinstance(choice, tuple):
                choice, values[f"{name}.word"] = choice
            values[name] = choice
        else:
            bounds, _, step = source.partition("/")
            low, high = map(int, bounds.split("-"))
            values[name] = generator.randrange(low, high + 1, int(step or 1))
    values["A"], values["B"] = generator.sample(NAMES, 2)
    return values


def fill(text: str, values: dict) -> str:
    """Put the values into {fields}; a sentence begins with a capital."""
    filled = re.sub(r"\{([\w.]+)\}", lambda match: str(values[match[1]]), text)
    return re.sub(r"(^|[.?] )([a-z])", lambda match: match[1] + match[2].upper(), filled)


def work(step: str, values: dict) -> str:
    """Carry out one step, keep its result under its name, and write it out as a line of reasoning."""
    match = STEP.fullmatch(step)
    if match is None:
        raise ValueError(f"not a step: {step!r}")
    left, right = (values[word] if word in values else int(word) for word in (match["left"], match["right"]))
    match match["operator"]:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "/":
            result, remainder = divmod(left, right)
            if remainder:
                raise Unsuitable
    if not 0 < result <= LARGEST:
        raise Unsuitable
    values[match["result"]] = result
    return f"{fill(match['label'], values)}: {left} {match['operator']} {right} = {result}."


def make_problem(shape: Shape, generator: random.Random) -> tuple[tuple, dict]:
    """A problem of this shape, and the key that must not occur twice: the shape and its numbers."""
    while True:
        values = draw_values(shape, generator)
        key = (shape.name, *(value for value in values.values() if isinstance(value, int)))
        question = fill(generator.choice(shape.tellings), values)
        try:
            lines = [work(step, values) for step in shape.steps]
        except Unsuitable:
            continue
        answer = str(values[shape.steps[-1].rsplit(" ", 1)[1]])
        reasoning = "\n".join([*lines, f"The answer is {answer}."])
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": reasoning}]
        return key, {"messages": messages, "answer": answer}


def make_problems(count: int, generator: random.Random) -> list[dict]:
    """Different problems, the shapes taking turns."""
    problems, seen = [], set()
    while len(problems) < count:
        key, problem = make_problem(SHAPES[len(problems) % len(SHAPES)], generator)
        if key not in seen:
            seen.add(key)
            problems.append(problem)
    return problems


def main() -> None:
    root = Path(__file__).resolve().parent.parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "Examples" / "word-problems"
    folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(SEED)
    problems = make_problems(sum(SIZES.values()), generator)
    for split, size in SIZES.items():
        part, problems = problems[:size], problems[size:]
        generator.shuffle(part)
        path = folder / f"{split}.jsonl"
        path.write_text("".join(json.dumps(problem) + "\n" for problem in part))
        print(f"{path}: {size:,} problems, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
