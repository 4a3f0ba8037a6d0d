#!/usr/bin/env python3
"""Compares our chat templates with Jinja, as transformers sets it up, on every template of a folder.

Every *.jinja file of the folder renders many conversations in both; texts and marked generations must agree to the
byte, and where one refuses a conversation, so must the other, with the same words if they are the template's.

usage: check_templates.py --folder FOLDER [--sparselora PROGRAM] [--conversations 64] [--seed 1] [--show 10]
"""
import argparse
import datetime
import json
import random
import subprocess
import sys
import warnings
from pathlib import Path

import jinja2
import transformers
from transformers.utils import chat_template_utils

from template_conversations import contexts

# 2026-07-04 13:05:09 UTC, a day and an hour of one digit.
NOW = 1783170309
LEAST_TEMPLATES, LEAST_CONVERSATIONS = 20, 30


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, tz)


def expected(source, context):
    """What transformers makes of it: text and marked ranges in UTF-8 bytes, or a refusal."""
    variables = dict(context)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            texts, spans = chat_template_utils.render_jinja_template(
                [variables.pop("messages")], chat_template=source, return_assistant_tokens_mask=True, **variables)
    except Exception as error:
        own = type(error) is jinja2.exceptions.TemplateError
        return {"error": str(error), "raised": own}
    text = texts[0]
    ranges = [[len(text[:start].encode("utf-8", "surrogatepass")), len(text[:end].encode("utf-8", "surrogatepass"))]
              for start, end in spans[0]]
    return {"text": text, "spans": ranges}


def agree(theirs, ours):
    if "error" in theirs or "error" in ours:
        if not ("error" in theirs and "error" in ours and theirs["raised"] == ours["raised"]):
            return False
        return not theirs["raised"] or theirs["error"] == ours["error"]
    return theirs["text"] == ours["text"] and theirs["spans"] == ours["spans"]


def describe(theirs, ours):
    if "text" in theirs and "text" in ours and theirs["text"] != ours["text"]:
        place = next((i for i, (a, b) in enumerate(zip(theirs["text"], ours["text"])) if a != b),
                     min(len(theirs["text"]), len(ours["text"])))
        start = max(0, place - 40)
        return (f"at {place}: Jinja {theirs['text'][start:place + 60]!r}\n"
                f"    ours {ours['text'][start:place + 60]!r}")
    return f"Jinja {json.dumps(theirs)[:300]}\n    ours {json.dumps(ours)[:300]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sparselora", default=".build/release/sparselora")
    parser.add_argument("--conversations", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=10)
    options = parser.parse_args()
    chat_template_utils.datetime = FixedClock
    templates = {}
    for path in sorted(options.folder.rglob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        templates.setdefault(source, path)
    requests = [
        {"template": source, "now": NOW, "contexts": contexts(random.Random(f"{options.seed} {path.name}"), options.conversations)}
        for source, path in templates.items()]
    lines = "".join(json.dumps(request, ensure_ascii=False) + "\n" for request in requests)
    answered = subprocess.run(
        [options.sparselora, "render-template"], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    answers = [json.loads(line) for line in answered.decode().split("\n") if line]
    if len(answers) != len(requests):
        sys.exit(f"{len(requests)} templates were asked for, {len(answers)} answered")

    differing, rendered, refused, shown = 0, 0, 0, 0
    for (source, path), request, answer in zip(templates.items(), requests, answers):
        wrong = accepted = 0
        for index, (context, ours) in enumerate(zip(request["contexts"], answer["results"], strict=True)):
            theirs = expected(source, context)
            accepted += "text" in theirs
            if not agree(theirs, ours):
                wrong += 1
                if shown < options.show:
                    shown += 1
                    print(f"{path.name}, conversation {index}: {describe(theirs, ours)}")
        differing, rendered = differing + wrong, rendered + accepted
        refused += len(request["contexts"]) - accepted
        if wrong or accepted == 0:
            print(f"{path.name}: {wrong} of {len(request['contexts'])} differ, {accepted} rendered")
    print(f"jinja2 {jinja2.__version__}, transformers {transformers.__version__}; "
          f"{rendered} conversations rendered, {refused} refused by both or one")
    print(f"{len(templates)} templates, {options.conversations} conversations each, {differing} differ")
    return differing > 0 or len(templates) < LEAST_TEMPLATES or options.conversations < LEAST_CONVERSATIONS


if __name__ == "__main__":
    sys.exit(main())
