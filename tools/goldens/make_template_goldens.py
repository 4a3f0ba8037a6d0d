"""Goldens for chat templates: what Jinja, set up as Hugging Face transformers sets it up, makes of our templates.

Writes Tests/ChatTemplatesTests/Goldens/{expressions,conversations}.json. Needs Python 3.11 and jinja2 3.1.6:

    python3 tools/goldens/make_template_goldens.py

The templates in tools/goldens/templates/ were written for this purpose; together they use every construct that the
interpreter supports, in the ways that published chat templates do.
"""

import datetime
import json
import pathlib
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from template_cases import CONVERSATIONS, EXPRESSIONS, TOOLS, CONTEXT

assert jinja2.__version__ == "3.1.6", jinja2.__version__
# Noon of 4 July 2026 in UTC: the same day wherever the goldens are made or tested.
NOW = 1783166400
HERE = pathlib.Path(__file__).parent
OUT = HERE.parent.parent / "Tests" / "ChatTemplatesTests" / "Goldens"


class GenerationTracker(Extension):
    """The {% generation %} block: its text is written as usual, and where it stands is noted."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("support")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    @staticmethod
    def support(caller):
        # Marked with code points of the private use area, found and taken out again after rendering.
        return "\ue000" + caller() + "\ue001"


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTracker, loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda fmt: datetime.datetime.fromtimestamp(NOW).strftime(fmt)
    return env


def spans(text):
    """The text without marks, and the UTF-8 ranges that were marked."""
    plain, found, start = "", [], None
    for character in text:
        if character == "\ue000":
            start = len(plain.encode())
        elif character == "\ue001":
            found.append([start, len(plain.encode())])
        else:
            plain += character
    return plain, found


def outcome(template, context):
    """What rendering gives: text, or the kind of error with its message where it is the template author's."""
    try:
        text, found = spans(environment().from_string(template).render(**context))
    except jinja2.exceptions.TemplateSyntaxError as error:
        return {"error": "syntax", "line": error.lineno}
    except jinja2.exceptions.UndefinedError as error:
        return {"error": "undefined", "message": error.message}
    except jinja2.exceptions.SecurityError as error:
        return {"error": "security", "message": str(error)}
    except jinja2.exceptions.TemplateError as error:
        kind = "raised" if type(error) is jinja2.exceptions.TemplateError else "other"
        return {"error": kind, "message": str(error)}
    except Exception as error:
        return {"error": "other", "message": f"{type(error).__name__}: {error}"}
    return {"text": text, "spans": found} if found else {"text": text}


def write(name, value):
    path = OUT / name
    path.write_text(json.dumps(value, ensure_ascii=False, indent=0, separators=(",", ":")) + "\n")
    print(path.name, path.stat().st_size, "bytes", file=sys.stderr)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    cases = [{"template": template, **outcome(template, CONTEXT)} for template in EXPRESSIONS]
    write("expressions.json", {"jinja2": jinja2.__version__, "context": CONTEXT, "cases": cases})

    templates = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        source = path.read_text()
        results = []
        for index, messages in enumerate(CONVERSATIONS):
            for tools in (None, TOOLS):
                for prompt in (False, True):
                    # Tools and prompts with every conversation would be four times the bytes for little.
                    if (tools is not None) != (index % 3 == 1) or prompt != (index % 2 == 0):
                        continue
                    context = {
                        "messages": messages, "tools": tools, "documents": None,
                        "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>",
                    }
                    results.append(
                        {"conversation": index, "tools": tools is not None, "prompt": prompt,
                         **outcome(source, context)})
        templates.append({"name": path.stem, "source": source, "results": results})
    write(
        "conversations.json",
        {"jinja2": jinja2.__version__, "tools": TOOLS, "conversations": CONVERSATIONS, "templates": templates})


if __name__ == "__main__":
    main()
