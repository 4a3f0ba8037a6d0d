// Templates that write a turn differently once others follow, in the ways that published ones do.

enum RewritingTemplates {
    /// Reasoning is written only after the last question; earlier turns lose it.
    static let dropsReasoning = """
        {% set ns = namespace(last=-1) %}{% for m in messages if m.role == 'user' %}\
        {% set ns.last = messages.index(m) %}{% endfor %}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}\
        {% set text = m.content or '' %}{% if m.role == 'assistant' %}{% set thought = m.reasoning_content or '' %}\
        {% if '</think>' in text %}{% set thought = text.split('</think>')[0].split('<think>')[-1].strip('\\n') %}\
        {% set text = text.split('</think>')[-1].lstrip('\\n') %}{% endif %}\
        {% if loop.index0 > ns.last %}{{ '<think>\\n' + thought + '\\n</think>\\n\\n' }}{% endif %}{% endif %}{{ text }}\
        {% for call in m.tool_calls or [] %}{{ '<call>' + call.function.name + call.function.arguments|tojson }}\
        {% endfor %}{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}\
        {% if enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}
        """

    /// There is no turn of the system: its text goes before the first question.
    static let mergesSystem = """
        {% set first = messages[0].content + '\\n\\n' if messages[0].role == 'system' else '' %}\
        {% for m in (messages[1:] if first else messages) %}{{ '<|im_start|>' }}\
        {{ 'model' if m.role == 'assistant' else m.role }}{{ '\\n' + (first if loop.first else '') + m.content|trim }}\
        {{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>model\\n' }}{% endif %}
        """

    /// Tools stand before the last question only, and answers follow questions without a prompt of their own.
    static let movesTools = """
        {{ bos_token }}{% set ns = namespace(last=-1) %}{% for m in messages if m.role == 'user' %}\
        {% set ns.last = messages.index(m) %}{% endfor %}{% for m in messages %}{% if m.role == 'user' %}\
        {% if tools and loop.index0 == ns.last %}{{ '[TOOLS]' + tools|tojson + '[/TOOLS]' }}{% endif %}\
        {{ '[INST] ' + m.content + ' [/INST]' }}{% elif m.role == 'tool' %}{{ '[RESULT]' + m.content + '[/RESULT]' }}\
        {% elif m.tool_calls %}{% for call in m.tool_calls %}{{ '[CALL]' + call.function.name + ' ' }}\
        {{ call.function.arguments|tojson }}{% endfor %}{{ eos_token }}{% else %}{{ ' ' + m.content + eos_token }}\
        {% endif %}{% endfor %}
        """

    /// Only the whole conversation ends with a token.
    static let endsOnce = """
        {% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}\
        {{ 'assistant: ' if add_generation_prompt else eos_token }}
        """

    /// The token that ends a turn is written where another turn follows.
    static let endsBetween = """
        {% for m in messages %}{{ m.role + ': ' + m.content }}{{ '' if loop.last else '<|im_end|>' }}{% endfor %}\
        {% if add_generation_prompt %}<|im_end|>assistant: {% endif %}
        """

    /// The prompt opens a thought that turns never show, and what stands before its end is cut from every turn.
    static let opensThought = """
        {% for m in messages %}{{ '<s>' + m.role + '|' }}{% if m.role == 'assistant' %}\
        {{ m.content.split('</think>')[-1] + eos_token }}{% else %}{{ m.content }}{% endif %}{% endfor %}\
        {% if add_generation_prompt %}{{ '<s>assistant|<think>\\n' }}{% endif %}
        """

    /// The text always ends by opening a turn.
    static let alwaysPrompts = """
        {% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}\
        {{ '<|im_start|>assistant\\n' }}
        """

    /// The prompt and the turns open the assistant's text in two ways.
    static let opensTwoWays = """
        {% for m in messages %}{{ '  ' + m.role + ': ' + m.content + '<|im_end|>\\n' }}{% endfor %}\
        {% if add_generation_prompt %}{{ ' assistant:\\n' }}{% endif %}
        """

    /// The result of a call stands inside the turn that made it.
    static let splitsTurn = """
        {% for m in messages if m.role != 'tool' %}{{ '<|im_start|>' + m.role + '\\n' }}\
        {% for call in m.tool_calls or [] %}{{ '<call>' + call.function.name + '</call>' }}\
        {% for r in messages if r.role == 'tool' %}{{ '<result>' + r.content + '</result>' }}{% endfor %}{% endfor %}\
        {{ m.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}\
        {% endif %}
        """

    static let all = [
        dropsReasoning, mergesSystem, movesTools, endsOnce, endsBetween, opensThought, alwaysPrompts,
        opensTwoWays,
    ]
}
