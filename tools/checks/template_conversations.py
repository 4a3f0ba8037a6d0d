"""Conversations for check_templates.py: a fixed set that tries one thing each, and random ones that mix them."""

import json

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather \u2600\ufe0f \"now\" & later in a <city>",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Name, e.g. Z\u00fcrich"},
                    "unit": {"type": ["string", "null"], "enum": ["c", "f"], "default": "c"},
                    "days": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
                    "where": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
                    "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
                },
                "required": ["city", "days"],
            },
            "return": {"type": "object", "description": "A report"},
        },
    },
    {"type": "function",
     "function": {"name": "noop", "description": "Nothing", "parameters": {"type": "object", "properties": {}}}},
]
DOCUMENTS = [
    {"title": "Tides", "text": "The moon makes the tides.", "content": "The moon makes the tides."},
    {"title": "\u6f6e", "text": "Line one\nline two", "content": "Line one\nline two"},
]
TEXTS = [
    "", " ", "Hi", "What is 2+2?", "  padded \n", "line one\nline two\r\nline three", "caf\u00e9 or cafe\u0301",
    "\U0001F469\u200d\U0001F4BB \u65e5\u672c\u8a9e \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u3000",
    "<|im_end|>\n{{ 7*7 }} {% if %} </s> [/INST] <end_of_turn>", "\"double\" 'single' \\ back\\n <b>&amp;</b>",
    "<think>\nhm\n</think>\n\nfour", "half</think>way", "<tool_response>\nx\n</tool_response>", "\u2028\u00a0\u0085\x1c",
    "word " * 400, "{\"name\": \"noop\"}", "1.0 and 1e16", "/no_think now", "Schluss.", "ΑΣ ß ǆ",
]


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **extra):
    return {"role": "assistant", "content": text, **extra}


def system(text):
    return {"role": "system", "content": text}


def call(name, arguments, identity="abcdefgh1"):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(text, identity="abcdefgh1", name="get_weather"):
    return {"role": "tool", "tool_call_id": identity, "name": name, "content": text}


def parts(*texts):
    return [{"type": "text", "text": text} for text in texts]


WEATHER = call("get_weather", {"city": "Z\u00fcrich", "days": [1, 2], "where": {"x": 1.5}, "either": None, "deep": True})
PLAIN = [user("Hi"), assistant("Hello!")]

FIXED = [
    [],
    [user("Hi")],
    PLAIN,
    [system("Be brief."), *PLAIN],
    [system("Be brief."), *PLAIN, user("Bye"), assistant("Bye!")],
    [*PLAIN, *PLAIN, *PLAIN, user("And?")],
    [system("")],
    [system("Only this.")],
    [user("")],
    [user("  padded \n"), assistant("\n\n answer  \n")],
    [assistant("I speak first."), user("So?")],
    [user("a"), user("b"), assistant("c"), assistant("d")],
    [user("x"), assistant("y"), system("late"), user("z")],
    [user("word " * 800), assistant("answer " * 800)],
    [user(f"q{i}") if i % 2 == 0 else assistant(f"a{i}") for i in range(24)],
    [system("Tools."), user("Weather?"), assistant(None, tool_calls=[WEATHER]), result("{\"t\": 21.5}"), assistant("21.5")],
    [user("Weather?"), assistant("", tool_calls=[WEATHER]), result("21.5"), assistant("So"), user("Thanks"), assistant("Yes")],
    [user("Two"), assistant("Calling.", tool_calls=[WEATHER, call("noop", {}, "abcdefgh2")]), result("one"),
     result("two", "abcdefgh2", "noop"), assistant("Done.")],
    [user("Two"), assistant("", tool_calls=[WEATHER]), result("one")],
    [user("Strings"), assistant("", tool_calls=[call("noop", "{\"x\": 1}")]), result("")],
    [user("Bare"), assistant(None, tool_calls=[{"name": "noop", "arguments": {"x": [1]}, "id": "abcdefgh1"}]), result("r")],
    [user(parts("one", " two")), assistant(parts("three"))],
    [system(parts("sys")), user(parts("x")), assistant("y")],
    [user([{"type": "image"}, {"type": "text", "text": "what?"}, {"type": "video"}]), assistant("A cat.")],
    [user("t"), {"role": "tool", "content": parts("late", "r")}],
    [user("think"), assistant("<think>\nhm\n</think>\n\nfour"), user("again"), assistant("<think>a</think>b")],
    [user("r"), assistant("five", reasoning_content="because\n2+3"), user("s"), assistant("six", reasoning_content="7-1")],
    [user("r"), assistant("five", thinking="older name"), user("s")],
    [user("r"), assistant("", reasoning_content="why", tool_calls=[WEATHER]), result("21"), assistant("z", reasoning_content="w")],
    [user("r"), assistant([{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}])],
    [{"role": "developer", "content": "Dev."}, user("x"), assistant("y")],
    [{"role": "critic", "content": "unknown"}],
    [user("no content"), {"role": "assistant"}],
    [user(None), assistant("null")],
    [user("named"), assistant("z", name="bot", extra={"a": [1, 2.5, None, True]})],
    [{"role": "user", "content": "d", "documents": DOCUMENTS}, assistant("e")],
]


def message_text(generator):
    text = generator.choice(TEXTS)
    if generator.random() < 0.3:
        text += " " + generator.choice(TEXTS)
    return text


def content(generator):
    if generator.random() < 0.15:
        return parts(*(message_text(generator) for _ in range(generator.randrange(0, 3))))
    return message_text(generator)


def random_conversation(generator):
    """Mostly what models are trained on, with a share of what they are not."""
    messages = []
    if generator.random() < 0.5:
        messages.append(system(content(generator)))
    for _ in range(generator.randrange(0, 5)):
        messages.append(user(content(generator)))
        if generator.random() < 0.35:
            calls = [
                call(generator.choice(["get_weather", "noop"]), generator.choice(
                    [{}, {"city": message_text(generator)}, {"a": [1, {"b": None}], "c": 2.5, "d": False}]),
                    f"abcdefgh{index}")
                for index in range(generator.randrange(1, 4))]
            if generator.random() < 0.2:
                for each in calls:
                    each["function"]["arguments"] = json.dumps(each["function"]["arguments"])
            turn = assistant(generator.choice([None, "", "Let me see."]), tool_calls=calls)
            if generator.random() < 0.4:
                turn["reasoning_content"] = message_text(generator)
            messages.append(turn)
            messages += [result(message_text(generator), each["id"], each["function"]["name"]) for each in calls]
        if generator.random() < 0.9:
            turn = assistant(content(generator))
            if generator.random() < 0.25:
                turn[generator.choice(["reasoning_content", "reasoning_content", "thinking"])] = message_text(generator)
            messages.append(turn)
    if generator.random() < 0.5:
        messages.append(user(content(generator)))
    if generator.random() < 0.05 and messages:
        messages.insert(generator.randrange(len(messages)), {"role": generator.choice(["function", "ipython"]), "content": "x"})
    return messages


def random_variables(generator):
    """What a template may be given beside the conversation."""
    variables = {}
    if generator.random() < 0.5:
        variables["enable_thinking"] = generator.random() < 0.5
    for name, choices in {
        "thinking": [True, False], "reasoning_effort": ["low", "medium", "high", "none"], "preserve_thinking": [True, False],
        "date_string": ["26 Jul 2024"], "custom_tools": [TOOLS], "builtin_tools": [["python", "browser"]],
        "model_identity": ["You are a test."], "add_vision_id": [True], "tools_in_user_message": [False],
        "citation_mode": ["accurate", "fast"], "thinking_mode": ["think", "chat"], "keep_all_reasoning": [True],
    }.items():
        if generator.random() < 0.12:
            variables[name] = generator.choice(choices)
    return variables


def contexts(generator, count):
    """`count` variable sets for one template, the fixed conversations first."""
    made = []
    for index in range(count):
        fixed = FIXED[index] if index < len(FIXED) else None
        messages = random_conversation(generator) if fixed is None else fixed
        calls = any(message["role"] == "tool" or message.get("tool_calls") for message in messages)
        context = {
            "messages": messages,
            "tools": TOOLS if calls and generator.random() < 0.8 or generator.random() < 0.1 else None,
            "documents": DOCUMENTS if generator.random() < 0.08 else None,
            "add_generation_prompt": generator.random() < 0.5,
            "bos_token": "<s>", "eos_token": "</s>",
            **({} if index < len(FIXED) // 2 else random_variables(generator)),
        }
        if generator.random() < 0.03:
            context["tools"] = []
        made.append(context)
    return made
