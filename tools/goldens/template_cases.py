"""The inputs of make_template_goldens.py: conversations, and one-line templates that try one thing each."""

CONTEXT = {
    "text": "Hello, World",
    "padded": "  \t two words \n",
    "unicode": "na\u00efve cafe\u0301 \U0001F469\u200d\U0001F4BB \u65e5\u672c ΣΑΣ \u00df ǆ",
    "quotes": "it's \"quoted\" \\ back\u0000\u00a0\u2028",
    "empty": "",
    "number": 42,
    "negative": -7,
    "zero": 0,
    "real": 2.5,
    "big": 1e16,
    "small": 0.00001,
    "yes": True,
    "no": False,
    "nothing": None,
    "numbers": [3, 1, 2],
    "words": ["pear", "Apple", "fig", "apple"],
    "nested": [[1, 2], [3, [4, None]]],
    "person": {"name": "Ada", "age": 36, "items": [1, 2], "tags": {"x": 1, "y": None}},
    "people": [
        {"name": "Ada", "age": 36, "city": "London", "ok": True},
        {"name": "bob", "age": 7, "city": "paris", "ok": False},
        {"name": "Cid", "age": 36, "city": "London"},
    ],
    "line_text": "one\ntwo\r\n\n  three\u2028four",
    "html": "<a href=\"x\">&'</a>",
    "markup": "x {{ y }}",
}

EXPRESSIONS = r'''
{{ text }}|{{ number }}|{{ real }}|{{ yes }}|{{ no }}|{{ nothing }}|{{ missing }}|{{ big }}|{{ small }}
{{ 1e15 }} {{ 1e16 }} {{ 1.5e300 }} {{ 0.1 + 0.2 }} {{ 1e-4 }} {{ 1e-5 }} {{ 100.0 }} {{ 12345678901234567.0 }} {{ 1.2e16 }}
{{ true }} {{ True }} {{ false }} {{ False }} {{ none }} {{ None }}
{{ [1, 'a', "it's", 2.0, none, true] }} {{ (1,) }} {{ () }} {{ (1, 2) }} {{ {'a': 1, 'b': [1]} }} {{ [] }} {{ {} }}
{{ 'a' 'b' "c" }} {{ 'tab\tnew\nquote\'uni\u00e9\x41\101\q\\' }} {{ "\U0001F600" }}
{{ quotes }} {{ [quotes] }} {{ [unicode] }}
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 3 ** 2 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ -2 ** 2 }} {{ - 3 + 1 }} {{ +4 }} {{ -number }} {{ -yes }}
{{ -1 | abs }} {{ -text }}
{{ 'a' ~ 1 ~ none ~ missing ~ 2.0 ~ true }} {{ 1 ~ 2 + 3 }}
{{ 'a' + 'b' }} {{ [1] + [2] }} {{ (1,) + (2,) }} {{ 'ab' * 3 }} {{ 2 * [1, 2] }} {{ 'x' * -1 }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + 'a' }}
{{ none + 1 }}
{{ missing + 1 }}
{{ 'a' - 'b' }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' == 'a' }} {{ 'a' != 'b' }} {{ [1, 2] == [1, 2.0] }} {{ none == false }}
{{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 2 >= 2 }} {{ 'Z' < 'a' }} {{ (1, 'a') <= (1, 'b') }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ missing < 1 }}
{{ missing == missing }} {{ missing == none }} {{ missing != 1 }} {{ missing == other }}
{{ 'ell' in text }} {{ 'x' in text }} {{ 2 in numbers }} {{ 9 not in numbers }} {{ 'name' in person }} {{ 'zzz' in person }} {{ 1 in (1, 2) }} {{ '' in text }}
{{ 1 in text }}
{{ 1 in 5 }}
{{ 1 in missing }} {{ 'a' not in missing }}
{{ 'a' in none }}
{{ not yes }} {{ not not 1 }} {{ yes and no }} {{ 0 or 'x' }} {{ 'a' and 'b' }} {{ '' or none }} {{ not yes or yes }} {{ not 1 == 2 }}
{{ 'a' if yes else 'b' }} {{ 'a' if no else 'b' }} {{ 'a' if no }} {{ 'a' if no else 'b' if no else 'c' }} {{ 1 if 0 else 2 if 1 }}
{{ ('a' if no).x }}
{{ person.name }} {{ person['name'] }} {{ person.tags.x }} {{ person['tags']['y'] }} {{ person.missing }} {{ numbers[0] }} {{ numbers[-1] }} {{ numbers[9] }} {{ numbers.0 }} {{ nested[1][1][0] }}
{{ person.missing.deeper }}
{{ missing.x }}
{{ missing['x'] }}
{{ missing[0] }}
{{ missing() }}
{{ person.missing() }}
{{ nothing.x }}
{{ nothing.x.y }}
{{ number.x.y }}
{{ numbers['x'].y }}
{{ numbers[9].y }}
{{ text.foo.bar }}
{{ person['items'] }} {{ person.items()|list }} {{ person['keys'] is defined }}
{{ text[0] }} {{ text[-1] }} {{ text[99] }} {{ unicode[3] }} {{ unicode[5:12] }} {{ unicode|length }}
{{ text[1:3] }} {{ text[:-2] }} {{ text[::-1] }} {{ text[::2] }} {{ text[-3:] }} {{ text[5:2] }} {{ text[10:0:-3] }} {{ text[:] }}
{{ numbers[1:] }} {{ numbers[::-1] }} {{ numbers[-2:] }} {{ numbers[:1] }} {{ (1, 2, 3)[1:] }} {{ numbers[100:] }}
{{ text[::0] }}
{{ numbers['a'] }}|{{ numbers[none] }}|{{ numbers[1.0] }}|{{ text['upper']() }}
{{ person[[1]] }}
{{ {1: 'a', 'b': 2}[1] }} {{ {1: 'a'}[1.0] }} {{ {true: 'x'}[1] }} {{ {none: 1} }} {{ {1.5: 2, 'k': {}} }}
{{ {'a': 1, 'a': 2} }}
{{ (1, 2)[0] }} {{ [1, 2][1] }} {{ 'abc'[1] }} {{ {'x': 3}.x }} {{ {'x': 3}['x'] }} {{ [[1]][0][0] }}
{{ 1, 2 }} {{ 1, }}
{{ text is defined }} {{ missing is defined }} {{ missing is undefined }} {{ person.zzz is defined }} {{ nothing is defined }}
{{ nothing is none }} {{ text is none }} {{ text is not none }} {{ missing is none }}
{{ text is string }} {{ number is string }} {{ person is mapping }} {{ numbers is mapping }} {{ numbers is iterable }} {{ text is iterable }} {{ number is iterable }} {{ missing is iterable }} {{ nothing is iterable }}
{{ numbers is sequence }} {{ text is sequence }} {{ person is sequence }} {{ number is sequence }} {{ missing is sequence }} {{ range(3) is sequence }} {{ person.items() is sequence }} {{ nothing is sequence }}
{{ number is number }} {{ yes is number }} {{ real is number }} {{ text is number }} {{ yes is boolean }} {{ number is boolean }} {{ number is integer }} {{ yes is integer }} {{ real is integer }} {{ real is float }} {{ number is float }}
{{ yes is true }} {{ 1 is true }} {{ no is false }} {{ 0 is false }} {{ '' is false }}
{{ 3 is odd }} {{ 4 is odd }} {{ 4 is even }} {{ -3 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 9 is not divisibleby 2 }}
{{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is sameas 1 }} {{ 'a' is in ['a'] }} {{ 'a' is not in 'abc' }} {{ 2 is gt 1 }} {{ 2 is lt 1 }} {{ 2 is ge(2) }} {{ 2 is le 1 }} {{ 2 is ne 1 }}
{{ 'abc' is lower }} {{ 'ABC' is upper }} {{ '123' is lower }} {{ 'Abc' is lower }} {{ range is callable }} {{ text is callable }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ 1 is not string }}
{{ 1 is nonsense }}
{{ 1|nonsense }}
{{ not missing is defined }} {{ missing is defined and missing.x }} {{ 1 is odd and 2 is even }} {{ 5 is odd == true }}
{{ text|upper }} {{ text|lower }} {{ 'hello wORLD-foo (bar) it\'s'|title }} {{ 'hELLO wORLD'|capitalize }} {{ unicode|upper }} {{ unicode|lower }} {{ unicode|capitalize }} {{ missing|upper }} {{ 5|lower }}
{{ padded|trim }}. {{ 'xxaxx'|trim('x') }} {{ 'abcab'|trim('ab') }} {{ '\u3000 x\x1c'|trim }}.
{{ text|length }} {{ numbers|count }} {{ person|length }} {{ missing|length }} {{ empty|length }} {{ range(4)|length }} {{ person.items()|length }}
{{ number|length }}
{{ nothing|length }}
{{ numbers|map('string')|length }}
{{ words|join(', ') }} {{ words|join }} {{ people|join(',', attribute='name') }} {{ text|join('-') }} {{ [1, none, 2.5, missing]|join('/') }} {{ missing|join(',') }} {{ person|join('+') }}
{{ nothing|join }}
{{ missing|default('d') }} {{ empty|default('d') }} {{ empty|default('d', true) }} {{ nothing|d('x') }} {{ nothing|d('x', true) }} {{ missing|default }} {{ missing|default(boolean=true, default_value=3) }} {{ person.x|default(person.name) }}
{{ missing.x|default('d') }}
{{ numbers|first }} {{ numbers|last }} {{ text|first }} {{ text|last }} {{ []|first }} {{ []|last }} {{ person|first }} {{ people|map(attribute='name')|first }}
{{ people|map(attribute='name')|last }}
{{ missing|first }}|{{ [] | first is defined }}
{{ text|list }} {{ person|list }} {{ range(3)|list }} {{ (1, 2)|list }} {{ missing|list }} {{ 'é\u0301'|list }}
{{ 5|list }}
{{ 5|string + 'x' }} {{ none|string }} {{ [1]|string }} {{ 1.0|string }} {{ missing|string }}
{{ '42'|int }} {{ '4.7'|int }} {{ 4.7|int }} {{ -4.7|int }} {{ 'x'|int }} {{ 'x'|int(9) }} {{ none|int }} {{ ' 12 '|int }} {{ '0x1f'|int(base=16) }} {{ '1_000'|int }} {{ true|int }} {{ 'ff'|int(0, 16) }} {{ []|int }} {{ '-5'|int }} {{ '1e3'|int }}
{{ missing|int }}
{{ '4.5'|float }} {{ 'x'|float }} {{ 'x'|float(1.5) }} {{ 3|float }} {{ none|float }} {{ '1e3'|float }} {{ ' 2 '|float }} {{ 'inf'|float }} {{ 'nan'|float }}
{{ person|tojson }} {{ [1, 2.0, none, true, 'é"\n\x01\x7f'] | tojson }} {{ 'a/b<c>&'|tojson }} {{ (1, 2)|tojson }} {{ 1e16|tojson }}
{{ person|tojson(indent=2) }}
{{ nested|tojson(indent=1) }} {{ []|tojson(indent=4) }} {{ {}|tojson(indent=4) }} {{ [[]]|tojson(indent=2) }}
{{ person|tojson(sort_keys=true) }} {{ 'é😀'|tojson(ensure_ascii=true) }} {{ [1, {'a': 2}]|tojson(separators=(',', ':')) }} {{ {1: 2, none: 3, true: 4}|tojson }} {{ [1]|tojson(indent='\t') }}
{{ missing|tojson }}
{{ range(3)|tojson }}
{{ person|tojson(nope=1) }}
{{ text|replace('l', 'L') }} {{ text|replace('l', 'L', 1) }} {{ text|replace('', '-') }} {{ text|replace('zz', 'y') }} {{ 5|replace(5, 6) }} {{ 'aaa'|replace('aa', 'b') }} {{ 'abc'|replace('', '-', 2) }}
{{ people|map(attribute='name')|list }} {{ words|map('upper')|list }} {{ people|map(attribute='zzz')|list }} {{ people|map(attribute='zzz', default='?')|list }} {{ nested|map(attribute='0')|list }} {{ nested|map('first')|list }} {{ words|map('replace', 'p', 'b')|join }} {{ people|map(attribute='ok', default=none)|list }}
{{ words|map('nope')|list }}
{{ [1, 0, none, 'a', '']|select|list }} {{ [1, 0, none]|reject|list }} {{ [1, 2, 3]|select('odd')|list }} {{ [1, 2, 3]|reject('odd')|list }} {{ [1, 2, 3]|select('gt', 1)|list }} {{ [1, 2, 3]|select('in', [1, 3])|list }}
{{ people|selectattr('age', 'equalto', 36)|map(attribute='name')|list }} {{ people|selectattr('ok')|list|length }} {{ people|rejectattr('ok')|map(attribute='name')|join(' ') }} {{ people|selectattr('ok', 'defined')|list|length }} {{ people|rejectattr('name', 'in', ['Ada'])|map(attribute='name')|list }} {{ people|selectattr('city', '==', 'London')|list|count }}
{{ people|selectattr('a.b')|list }}
{{ numbers|sort }} {{ numbers|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ people|sort(attribute='age')|map(attribute='name')|list }} {{ people|sort(attribute='age,name', reverse=true)|map(attribute='name')|list }} {{ people|sort(attribute='name')|map(attribute='name')|list }}
{{ [1, 'a']|sort }}
{{ [3, 1, 3, 'A', 'a', 1.0]|unique|list }} {{ words|unique|list }} {{ words|unique(true)|list }} {{ people|unique(attribute='city')|map(attribute='name')|list }}
{{ numbers|reverse|list }} {{ text|reverse }} {{ person|reverse|list }} {{ unicode|reverse }}
{{ person|items|list }} {{ missing|items|list }} {{ {'a': 1}|items|first }}
{{ numbers|items|list }}
{{ person.tags|dictsort }} {{ {'b': 1, 'A': 2}|dictsort }} {{ {'b': 1, 'a': 2}|dictsort(by='value') }} {{ {'b': 1, 'a': 2}|dictsort(reverse=true) }} {{ {'b': 1, 'A': 2}|dictsort(true) }}
{{ line_text|indent }}|{{ line_text|indent(2, true) }}|{{ line_text|indent(2, blank=true) }}|{{ 'a\nb'|indent('> ', first=true) }}|{{ 'x'|indent(width=1) }}
{{ html|escape }} {{ html|e }} {{ html|safe }} {{ 5|e }}
{{ -5|abs }} {{ -2.5|abs }} {{ true|abs }}
{{ 'x'|abs }}
{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 1234.5|round(-2) }} {{ 42|round }} {{ 2.1|round(method='ceil') }} {{ 2.19|round(1, 'floor') }} {{ 0.5|round|int }} {{ -0.4|round }} {{ 1e20|round }}
{{ 1|round(method='x') }}
{{ numbers|min }} {{ numbers|max }} {{ words|min }} {{ words|max }} {{ []|max }} {{ people|max(attribute='age') == people[0] }} {{ numbers|sum }} {{ people|sum(attribute='age') }} {{ [0.5, 1]|sum }} {{ [1]|sum(start=10) }} {{ []|sum }}
{{ words|sum }}
{{ range(7)|batch(3)|list }} {{ range(7)|batch(3, 'x')|list }} {{ range(7)|slice(3)|list }} {{ range(7)|slice(3, 0)|list }}
{{ 'one two, three_4'|wordcount }} {{ 'foo bar baz qux'|truncate(9) }} {{ 'foo bar baz qux'|truncate(9, true) }} {{ 'foo bar baz qux'|truncate(11) }} {{ 'foo bar baz qux'|truncate(11, false, '..', 0) }} {{ 'foo'|center(8) }}|{{ 'ab'|center(5) }}|
{{ '%s-%d %5.1f|%-4s|%04d %x %%'|format('a', 3, 2.25, 'b', 7, 255) }} {{ '%(a)s'|format(a=1) }} {{ '%s' % 'x' }} {{ '%s %s' % (1, none) }} {{ '%r' % 'q' }} {{ '%.2s' % 'abc' }} {{ '%+d % d' % (1, 2) }} {{ '%c' % 'x' }}
{{ '%d' % 'x' }}
{{ '%s %s' % 'x' }}
{{ '%s' % (1, 2) }}
{{ '{} {}'.format(1, 'a') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x.name} {x[age]}'.format(x=person) }} {{ '{{}}'.format() }} {{ '{!r}'.format('a') }} {{ '{:.2f}'.format(2.345) }}
{{ '{}'.format() }}
{{ text.split(', ') }} {{ padded.split() }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b  c'.split(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'aaa'.rsplit('aa', 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ 'a</think>b'.split('</think>')[-1] }} {{ 'x'.split('x') }} {{ 'a  b '.split(maxsplit=1) }}
{{ 'a'.split('') }}
{{ padded.strip() }}.{{ padded.lstrip() }}.{{ padded.rstrip() }}.{{ 'xxaxx'.strip('x') }} {{ '\n\na\n'.lstrip('\n') }}. {{ 'abc'.rstrip('bc') }} {{ 'éa'.strip('é') }}
{{ text.startswith('He') }} {{ text.endswith('ld') }} {{ text.startswith(('x', 'H')) }} {{ text.startswith('l', 2) }} {{ text.endswith('o', 0, 5) }} {{ text.startswith('') }} {{ 'é'.startswith('e') }}
{{ text.startswith(1) }}
{{ text.replace('l', '') }} {{ text.replace('l', 'x', 2) }} {{ text.upper() }} {{ text.lower() }} {{ "they're bill's".title() }} {{ 'hELLO'.capitalize() }} {{ 'aB'.swapcase() }} {{ unicode.title() }} {{ 'ß'.upper() }} {{ 'ΑΣ Σ'.lower() }} {{ 'abc'.replace('', '.', 2) }} {{ 'abc'.replace('b', 'x', 0) }}
{{ text.find('o') }} {{ text.rfind('o') }} {{ text.find('zz') }} {{ text.index('W') }} {{ text.find('o', 5) }} {{ unicode.find('日') }} {{ text.count('l') }} {{ text.count('') }} {{ 'aaaa'.count('aa') }} {{ ''.find('') }} {{ text.rfind('') }} {{ 'ab'.find('', 5) }}
{{ text.index('zz') }}
{{ ', '.join(words) }} {{ ''.join(['a']) }} {{ '-'.join('abc') }} {{ ','.join(person) }}
{{ ','.join([1]) }}
{{ line_text.splitlines() }} {{ 'a\n'.splitlines(true) }} {{ ''.splitlines() }} {{ '\n'.splitlines() }}
{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('-') }} {{ 'abc'.rpartition('-') }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }} {{ 'x'.removesuffix('') }}
{{ '5'.zfill(3) }} {{ '-5'.zfill(4) }} {{ 'ab'.ljust(4) }}|{{ 'ab'.rjust(4, '.') }} {{ 'ab'.center(5, '*') }} {{ 'a\tb'.expandtabs(4) }}
{{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ''.isdigit() }} {{ ' \n'.isspace() }} {{ 'AB1'.isupper() }} {{ 'ab'.islower() }} {{ '½'.isnumeric() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ 'Ab Cd'.istitle() }} {{ 'é'.isascii() }}
{{ person.get('name') }} {{ person.get('zzz') }} {{ person.get('zzz', 1) }} {{ person.keys()|list }} {{ person.tags.values()|list }} {{ person.tags.items() }} {{ person.tags.keys() }} {{ person.tags.values() }} {{ person.get('tags').get('x') }}
{{ numbers.index(1) }} {{ numbers.count(3) }} {{ (1, 1).count(1) }} {{ person.tags.copy() }}
{{ numbers.append(1) }}
{{ person.update({'a': 1}) }}
{{ person.pop('name') }}
{{ numbers.append }}
{{ text.__class__ }}
{{ text.__class__.x }}
{{ numbers.index(99) }}
{{ text.nope() }}
{{ number() }}
{{ range(3)|list }} {{ range(1, 4)|list }} {{ range(5, 0, -2)|list }} {{ range(3) }} {{ range(1, 5, 2) }} {{ range(5)[2] }} {{ range(0)|list }} {{ range(3)|sum }} {{ 2 in range(3) }} {{ range(3)[-1] }}
{{ range(1, 2, 0) }}
{{ range(1000000)|length }}
{{ range('a') }}
{{ dict(a=1, b='x') }} {{ dict({'a': 1}, b=2) }} {{ dict([('k', 'v')]) }} {{ dict() }}
{{ raise_exception('Stop here!') }}
{{ raise_exception('a' ~ 1) }}
{% set x = 1 %}{{ x }}{% set x = x + 1 %}{{ x }} {% set a, b = 1, 2 %}{{ a }}{{ b }} {% set (c, d) = [3, 4] %}{{ c }}{{ d }} {% set e = 1, 2 %}{{ e }}
{% set a, b = 1 %}
{% set a, b = [1] %}
{% set a, b = [1, 2, 3] %}
{% set x %}a{{ number }}b{% endset %}[{{ x }}] {% set y | upper | trim %} abc {% endset %}[{{ y }}]
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}{% for i in [1] %}{% set x = 3 %}{{ x }}{% endfor %}{{ x }}
{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}
{% set ns = namespace(a=1) %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }} {{ ns.b }} {{ ns['a'] }} {{ ns.b is defined }}
{% set ns = namespace() %}{% set ns.x = [1] %}{% set ns.x = ns.x + [2] %}{{ ns.x }}{% set ns.y %}block{% endset %}{{ ns.y }}
{% set ns = namespace({'a': 5}, b=6) %}{{ ns.a }}{{ ns.b }}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}
{% set person.name = 'x' %}
{% set q.name = 'x' %}
{{ namespace(a=1).a }}
{% for x in numbers %}{{ x }}{% endfor %} {% for x in [] %}{{ x }}{% else %}none{% endfor %} {% for c in 'é1' %}[{{ c }}]{% endfor %} {% for k in person %}{{ k }},{% endfor %} {% for x in missing %}x{% else %}empty{% endfor %}
{% for k, v in person.tags.items() %}{{ k }}={{ v }};{% endfor %} {% for a, b in nested %}{{ a }}/{{ b }};{% endfor %} {% for k, v in person.tags|items %}{{ k }}{% endfor %} {% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %} {% for k, v in person.tags|dictsort(reverse=true) %}{{ k }}{% endfor %}
{% for a, b in numbers %}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in none %}{% endfor %}
{% for x in numbers %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.previtem is defined }};{% endfor %}
{% for x in numbers if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }}{{ loop.last }}{% endfor %} {% for x in numbers if x > 9 %}{% else %}no{% endfor %} {% for k, v in [(1, 2), (3, 4)] if k == 3 %}{{ v }}{% endfor %}
{% for x in numbers %}{% for y in 'ab' %}{{ loop.index }}{{ loop.depth }}{{ x }}{{ y }}{% endfor %}{{ loop.index }};{% endfor %} {% for x in 'abc' %}{{ loop.cycle('o', 'e') }}{% endfor %}
{% for x in numbers %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %} {% for x in numbers %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{{ loop.last }}{% endfor %} {% for x in [1] %}{% break %}{% else %}else{% endfor %}
{% for x in [1, 2] %}{% continue %}{% else %}never{% endfor %}{% for x in [1, 2] %}{% if x == 2 %}{% break %}{% endif %}{% else %}once{% endfor %}
{% for x in [1] %}{% for y in [1, 2] %}{% break %}{% endfor %}after{% endfor %}
{% for x in numbers %}{{ x }}{% endfor %}{{ x is defined }} {% for x in [1] %}{% set z = 1 %}{% endfor %}{{ z is defined }} {{ loop is defined }}
{% for x in 1, 2 %}{{ x }}{% endfor %} {% for x in [1, 2] if true else [] %}{{ x }}{% endfor %}
{% if no %}a{% elif number == 42 %}b{% else %}c{% endif %} {% if missing %}a{% else %}b{% endif %} {% if no %}x{% elif no %}y{% endif %} {% if numbers and text %}t{% endif %} {% if not person.zzz %}n{% endif %}
{% if nothing is not none and nothing.x %}a{% endif %}b{% if 1 if yes else 0 %}c{% endif %}
{% if (1 if yes else 0) %}c{% endif %}
{% macro m(a, b=2, c='x') %}[{{ a }},{{ b }},{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(a=5, c=6) }}{{ m() }}{{ m(1, b=none) }}{{ m|string is string }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, k=3) }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% set g = 1 %}{% macro m() %}{{ g }}{{ later }}{% endmacro %}{% set g = 2 %}{% set later = 3 %}{{ m() }}
{% macro m() %}{% set inner = 1 %}{{ inner }}{% endmacro %}{{ m() }}{{ inner is defined }}{{ m.name }}
{% macro outer(x) %}<{{ caller() }}{{ x }}>{% endmacro %}{% call outer(1) %}body{{ number }}{% endcall %} {% macro each(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(v) each([1, 2]) %}({{ v }}){% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}body{% endcall %}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}{{ m(5, *[6]) }}
{% filter upper %}abc{{ text }}{% endfilter %} {% filter replace('a', 'b')|upper %}aaa{% endfilter %} {% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}
{% raw %}{{ not }} {% a tag %}{% endraw %} {%- raw -%}  x  {%- endraw -%}  y
a {# comment #} b {#- c -#} d{# {{ x }} #}
{{ '{{' }} {{ '}}' }} {{ "%}" }} {{ {'a': {'b': 1}} }}
{{- text -}}  x  {{- number }}
x  {%- if true -%}  y  {%- endif -%}  z
x  {%+ if true +%} y {% endif %} z
{{ '\u00e9' == 'é' }} {{ 'é' == 'e\u0301' }} {{ ['é']|unique|list }} {{ 'e\u0301' in {'é': 1} }} {{ 'é'|replace('e', 'x') }} {{ 'e\u0301'|length }}
{% generation %}gen{{ number }}{% endgeneration %}x
a{% for x in [1, 2] %}é{% generation %}é{{ x }}{% endgeneration %}{% endfor %}
{{ 1 if 2
{{ 1 + }}
{{ }}
{{ 'abc }}
{{ (1, 2 }}
{{ [1, 2) }}
{{ a b }}
{{ 1..x }}
{{ $ }}
{% if 1 %}
{% endif %}
{% nonsense %}
{% for x in %}{% endfor %}
{% for 1 in x %}{% endfor %}
{% set 1 = 2 %}
{% set none = 2 %}
{% if 1 %}{% endfor %}
{% macro m(a=1, b) %}{% endmacro %}
{% break %}
{# open
{% raw %}open
{{ m(a=1, 2) }}
{{ x.}}
{{ 007 }}
{{ 1_000 }} {{ 0x1F }} {{ 0b11 }} {{ 1_0.5 }} {{ 1e2 }}
{{ text|upper|lower|title|length + 1 }} {{ (text|upper)[0] }} {{ text|upper()|length }} {{ text.upper().lower()[0:2] }} {{ [text]|first|first }}
{{ loop }}|{{ varargs }}
{{ (1 if missing is defined else 2) + 3 }} {{ 'a' ~ ('b' if yes) ~ 'c' }} {{ -1 ** 2 }} {{ 3 - -2 }} {{ 2*-3 }}
{{ [1, 2,] }} {{ {'a': 1,} }} {{ (1, 2,) }} {{ dict(a=1,) }}
{{ person.items is callable }}{{ numbers.append is defined }}{{ 1 is defined }}{% if numbers.append %}x{% endif %}
{{ yes + yes }} {{ yes * 3 }} {{ 7 // true }} {{ true ** 2 }} {{ 5 / 2 }} {{ 4 / 2 }} {{ 2 ** 0.5 }} {{ 10 ** 15 }} {{ 1e3 + 1 }} {{ 3 * 1.0 }} {{ 7 % 2.5 }}
{{ [] is iterable and [] is not string }} {{ 'x' is string and 'x' is not mapping }} {{ content is string }}
{{ html|safe + '<' }} {{ '<' + html|safe }} {{ '<' ~ html|safe }} {{ html|safe ~ '<' }} {{ ('<'|safe) * 2 + '>' }} {{ 2 * ('&'|safe) }}
{{ [html|safe] }} {{ '<'|e + '<' }} {{ '<'|e|e }} {{ '<'|e|forceescape }} {{ '<'|safe|e }} {{ '<'|safe|string + '<' }} {{ 5|safe + '<' }} {{ none|safe }}
{{ 'a<b'|safe|upper + '<' }} {{ ' <b '|safe|trim + '<' }} {{ 'a<b'|safe|replace('a', '>') + '<' }} {{ 'a<b'|safe|title + '<' }} {{ 'a\n<b'|safe|indent(2) + '<' }} {{ 'a<'|safe|reverse + '<' }} {{ 'a'|safe|capitalize + '<' }}
{{ ('a<b'|safe).upper() + '<' }} {{ ('a,b'|safe).split(',')[1] + '<' }} {{ ('a'|safe).replace('a', '<') }} {{ ('-'|safe).join(['<', 'b']) }} {{ ('a<b'|safe).partition('<')[2] + '<' }} {{ ('a'|safe).center(3, '*') + '<' }} {{ ('{}'|safe).format('<') }}
{{ ('%s %s'|safe) % ('<', '>'|safe) }} {{ '%s' % ('<'|safe) + '<' }} {{ ('%s'|safe) % '<' + '<' }} {{ '%s'|safe|format('<') }} {{ ('%s'|safe) % 5 }}
{{ ('ab'|safe)[0] + '<' }} {{ ('ab'|safe)[1:] + '<' }} {{ 'ab'|safe|first + '<' }} {{ 'ab'|safe|list }} {{ 'ab'|safe|length }} {{ ['<'|safe, '<']|join + '<' }} {{ '<'|safe|tojson + '<' }} {{ {'a': '<'|safe}|tojson }}
{{ 'a'|safe == 'a' }} {{ 'a'|safe is string }} {{ 'a'|safe is escaped }} {{ 'a' is escaped }} {{ 'a'|safe in 'abc' }} {{ 'b' in ('abc'|safe) }} {{ {'a': 1}['a'|safe] }} {{ 'a'|safe is sequence }} {{ 'a'|safe < 'b' }} {{ ''|safe is true }} {{ (''|safe) or 'no' }}
{{ '<'|safe + 1 }}
{{ html|safe|length }} {{ missing|safe + '<' }} {{ 'x'|safe|default('y') + '<' }} {{ ('a'|safe).startswith('a') }} {{ person['name'|safe] }} {{ words|map('safe')|join('<') }} {{ 'a'|safe|truncate(3) }}
{% set x = '<'|safe %}{{ x + '<' }} {% set y %}{{ x }}<{% endset %}{{ y + '<' }} {% macro m(v) %}{{ v }}{% endmacro %}{{ m(x) + '<' }}
{{ none|map('upper')|list }} {{ none|selectattr('x')|list }} {{ none|map(attribute='x')|join }} {{ 0|select|list }} {{ none|rejectattr('x', 'equalto', 1)|list }} {{ false|reject('odd')|list }}
{{ 5|map('upper')|list }}
{{ none|list }}
'''.strip("\n").split("\n")

# Templates of several lines: whitespace control, trim_blocks and lstrip_blocks.
EXPRESSIONS += [
    "{% if true %}\n  a\n  {% if true %}\n  b\n  {% endif %}\n{% endif %}\nc\n",
    "  {% if true %}  x\n  {% endif %}  y\n\n",
    "a\n  {{ number }}\n  {# note #}\n  b",
    "a\n  {#- note -#}\n  b\n  {#+ keep +#}\n c",
    "a\n  {%- set x = 1 %}\n  b\n  {%- set x = 1 -%}\n  c {{- x -}} \n d",
    "a\n  {%+ set x = 1 %}\n  b {% set y = 1 +%}\n c",
    "{{ number }}\n\n{{ number -}}\n\n{{ text }}\n",
    "{%- for x in numbers -%}\n  {{ x }}\n{%- endfor -%}\n",
    "{% for x in numbers %}\n  {{ x }}\n  {% endfor %}\nend",
    "a\r\nb\r{% if true %}\r\nc{% endif %}\r\n",
    "  {% raw %}\n  {{ x }}\n  {% endraw %}\n  y",
    "x {% raw +%} y {% endraw %}",
    "x\n  {% raw -%}\n  y\n  {%- endraw +%}\n z",
    "\n\n{% set x = 1 %}\n\n{{ x }}\n\n",
    "\t{% if true %}\t\n\t{% endif %}\u00a0{% if true %}a{% endif %}",
    "a{{ '\n' }}{% if true %}\n\nb{% endif %}",
    "{{ number\n}}\n  {% set x = 1 %}\nz",
    "{{ {\n 'a': 1,\n 'b': [1,\n 2]\n} }}\n{{ missing.x }}",
    "one\ntwo\n{{ raise_exception('line three') }}",
    "one\n{% if true %}\n{{ 1 +\n 'a' }}\n{% endif %}",
    "one\n{% if\n",
    "{# a\nb #}{% nonsense %}",
    "{%- macro m(x) -%}\n  <{{ x }}>\n{%- endmacro -%}\n\n{{ m(1) }}\n{{ m(2) }}",
    "{% set s %}\n  block\n{% endset %}\n[{{ s }}]",
    "{% generation %}\n  a\n{% endgeneration %}\nb",
    "",
    "\n",
    "{",
    "{ {",
    "a } } %} #} b",
]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather \u2600\ufe0f \"now\" in a city",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Name, e.g. Z\u00fcrich"},
                    "unit": {"type": ["string", "null"], "enum": ["c", "f"]},
                    "days": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "noop", "description": "", "parameters": {}}},
]


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **extra):
    return {"role": "assistant", "content": text, **extra}


def system(text):
    return {"role": "system", "content": text}


def call(name, arguments, id="c1"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


CONVERSATIONS = [
    [],
    [user("Hi")],
    [user("Hi"), assistant("Hello!")],
    [system("Be brief."), user("Hi")],
    [system("Be brief."), user("Hi"), assistant("Hello!"), user("Bye"), assistant("Bye!")],
    [system("")],
    [system("Only a system message.")],
    [user("")],
    [user("  padded \n"), assistant("\n\n answer  \n")],
    [user("caf\u00e9 vs cafe\u0301"), assistant("\u00e9 \u2260 e\u0301: \U0001F469\u200d\U0001F4BB \U0001F1EB\U0001F1F7")],
    [user("\u65e5\u672c\u8a9e \u0627\u0644\u0639\u0631\u0628\u064a\u0629"), assistant("\u3000\u5168\u89d2\u3000")],
    [user("<|im_end|>\n{{ 7*7 }} {% if %} \"quoted\" 'single' \\n"), assistant("<b>&amp;</b>")],
    [assistant("I speak first.")],
    [user("a"), user("b"), assistant("c"), assistant("d")],
    [user("long " * 60), assistant("answer " * 60)],
    [user(f"q{i}") if i % 2 == 0 else assistant(f"a{i}") for i in range(16)],
    [system("Tools."), user("Weather?"),
     assistant(None, tool_calls=[call("get_weather", {"city": "Z\u00fcrich", "days": [1, 2]})]),
     {"role": "tool", "name": "get_weather", "tool_call_id": "c1", "content": "{\"t\": 21.5}"},
     assistant("It is 21.5 degrees.")],
    [user("Two calls"),
     assistant("Calling.", tool_calls=[call("get_weather", {"city": "A"}), call("noop", {}, "c2")]),
     {"role": "tool", "content": "one"}, {"role": "tool", "content": "two"},
     assistant("Done."), user("Thanks"), assistant("Welcome.")],
    [user("String arguments"), assistant("", tool_calls=[call("noop", "{\"x\": 1}")])],
    [user([{"type": "text", "text": "part one"}, {"type": "text", "text": " part two"}]), assistant("ok")],
    [user([{"type": "image"}, {"type": "text", "text": "what is it?"}]), assistant("A cat.")],
    [system([{"type": "text", "text": "sys"}]), user("x"), assistant("y")],
    [user("think"), assistant("<think>\nhm\n</think>\n\nfour"), user("again"), assistant("<think>a</think>b")],
    [user("reason"), assistant("five", reasoning_content="because\n2+3")],
    [{"role": "critic", "content": "unknown role"}],
    [user("x"), assistant("y"), system("late system")],
    [user("line\r\nbreaks\u2028here"), assistant("\ttabs\t")],
    [user("empty answer"), assistant("")],
    [user("named"), assistant("z", name="bot", extra={"a": [1, 2.5, None, True]})],
    [user("numbers 1.0 and 1e16"), assistant("0.1"), {"role": "tool", "content": "late"}],
]
