#!/usr/bin/env bash
# The demo: how well does SmolLM2-135M-Instruct solve word problems before and after a few minutes of LoRA training?
# usage: demo.sh SPARSELORA MODEL [OUTPUT_FOLDER]
set -euo pipefail

sparselora=$1
model=$2
output=${3:-runs/demo}
data=$(dirname "$0")/../Examples/word-problems

rm -rf "$output"
scores=$(mktemp -d)
trap 'rm -rf "$scores"' EXIT

echo "== Before: the model as it is, on held-out problems"
"$sparselora" evaluate --model "$model" --data "$data/test.jsonl" --max-tokens 80 --batch-size 64 --json > "$scores/before.json"

echo "== Training"
"$sparselora" train --model "$model" --data "$data" --output "$output" \
    --targets all-linear --rank 16 --alpha 32 --batch-size 8 --learning-rate 2e-3 --schedule cosine --iters 60

echo "== After: the same model with the adapter, on the same problems"
"$sparselora" evaluate --model "$model" --adapter "$output" \
    --data "$data/test.jsonl" --max-tokens 80 --batch-size 64 --json > "$scores/after.json"

python3 - "$scores/before.json" "$scores/after.json" "$output" <<'PYTHON'
import json
import sys

output = sys.argv[3]
before, after, summary = (json.load(open(path)) for path in (*sys.argv[1:3], f"{output}/summary.json"))
print()
print(f"accuracy     {before['accuracy']:.1%} before, {after['accuracy']:.1%} after, on {after['count']} held-out problems")
print(f"training     {summary['seconds']:.0f} s, {summary['tokens_per_second']:.0f} tokens/s")
print(f"peak memory  {summary['memory']['peak_process_bytes'] / 1e9:.2f} GB")
print(f"adapter      {output}/adapter")
print(f"loss curve   {output}/loss.svg")
PYTHON
