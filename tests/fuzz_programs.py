"""What `make fuzz` feeds to what runs a stranger's program: grammars and chat templates.

A template that is rendered must not see what its process knows, nor write a file: the process has a secret in its
environment, and lives in an empty folder. Knows: parsers, examples of their files. Does not know: how inputs are made,
what else counts as a failure.
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import fuzz_mutators as mutators
from fuzz_target import ROOT, Run, target

MARKS = b"# kind: reasoned\n# prompt: pairwise-cot\n# verdict a: A\n# verdict b: B\n# reasoning: 9\n"
RULES = b"root ::= reasoning verdict\nreasoning ::= [a-z]*\nverdict ::= "
GRAMMAR_BOMBS = (
    MARKS + RULES + b"(" * 20_000,
    MARKS + RULES + b'((((("A"{2000}){2000}){2000}){2000}){2000})',
    MARKS + RULES + b'"A"? ' * 5_000,
    MARKS + RULES + b"x0\n" + b"".join(b"x%d ::= x%d x%d\n" % (n, n + 1, n + 1) for n in range(60)) + b'x60 ::= ""\n',
    MARKS + RULES + b"x0\n" + b"".join(b"x%d ::= x%d\n" % (n, n + 1) for n in range(3000)) + b'x3000 ::= "A"\n',
    MARKS + b'# bridge: "a"\nroot ::= reasoning verdict\nreasoning ::= (("a"?){2000}){2000}\nverdict ::= "A" | "B"\n',
    b"# kind: pairwise\n" * 700_000,
    MARKS + RULES + b'"' + b"A" * 10_000_000 + b'"',
    MARKS + RULES + b'"A" | ' * 2_000_000 + b'"B"',
    MARKS + RULES + b"[" + b"a-z" * 3_000_000 + b"]",
    MARKS + b"# verdict a: A\n" * 600_000 + RULES + b'"A" | "B"',
    MARKS + RULES + b"verdict\n",
    MARKS + b"root ::= reasoning verdict\nreasoning ::= reasoning reasoning | x\nx ::= reasoning*\nverdict ::= x x x",
)
GRAMMAR_PIECES = (
    b"root", b"reasoning", b"verdict", b"x", b"::=", b"|", b"(", b")", b"*", b"+", b"?", b"{2}", b"{0,}", b"{,3}",
    b"{2,1}", b"{2000}", b"{99999999999}", b'"A"', b'"[[A]]"', b'""', b'"\\n"', b'"\\x41"', b'"\\u00e9"',
    b'"\\U0010ffff"', b'"\\U00110000"', b'"\\', b"[a-z]", b"[^a]", b"[]", b"[z-a]", b"[\\]]", b"[^]", b".", b"\n",
    b" ", b"# kind: ", b"# prompt: ", b"# verdict a: ", b"# field a: ", b"# reasoning: 9", b"# bridge: \"x\"",
    b"# schema: {}", b"# accept: A", b"pairwise", b"pointwise", b"reasoned", b"free", b"trained-in", b"1 | 2",
    b"x ::= x", b"\xf0\x9f\xa6\x99", b"\x80",
)  # fmt: skip
GRAMMAR_WORD = re.compile(rb'"(?:[^"\\\n]|\\.)*"|\[[^\]\n]*\]|[\w-]+|\s+|::=|.', re.DOTALL)
mutated_grammar = mutators.mutated_of(GRAMMAR_PIECES, GRAMMAR_WORD)


@target("grammar", mutated_grammar, *GRAMMAR_BOMBS)
def gbnf(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.protocols import grammar

    def run(data: bytes) -> None:
        made = grammar.read("x", data.decode(errors="replace"))
        grammar.verdict(made, "because it is [[A]]", ("no [[B]]",))
        grammar.verdict(made, '{"reasoning":"x","verdict":"A"}')

    return run, [path.read_bytes() for path in sorted((ROOT / "grammars").glob("*.gbnf"))]


SHOWN = b"{{ messages[0].content }}"
TEMPLATE_BOMBS = (
    b"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}" + SHOWN,
    b"{% for i in range(10**9) %}{% endfor %}" + SHOWN,
    b"{% set n = namespace(x='ab') %}{% for i in range(90) %}{% set n.x = n.x ~ n.x %}{% endfor %}" + SHOWN,
    b"{% set n = namespace(x=[1]) %}{% for i in range(90) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}" + SHOWN,
    b"{{ 'a' * 10**10 }}" + SHOWN,
    b"{{ 10**10**10 }}" + SHOWN,
    b"{{ 'a' | center(10**10) }}" + SHOWN,
    b"{{ '%10000000000d' % 1 }}" + SHOWN,
    b"{% for i in range(99999) %}{{ 'x' * 100000 }}{% endfor %}" + SHOWN,
    b"{{ raise_exception('\x1b[31m' * 1000) }}" + SHOWN,
    b"{{ " + b"(" * 100_000,
    b"{% if 1 %}" * 3_000,
    b"{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}" + SHOWN,
    b"{{ messages | tojson(indent=10**9) }}" + SHOWN,
    b"{{ [1] * 10**9 }}" + SHOWN,
    b"{{ 'a' | indent(10**10) }}" + SHOWN,
    b"{{ (range(99999) | list | batch(1) | list) * 99999 }}" + SHOWN,
    b"{{ strftime_now('%Y' * 10000000) }}" + SHOWN,
    b"{{ ('(a' ~ ('+)+' * 5)) | wordwrap(1) | urlize | striptags | title }}" + SHOWN,
    b"{# " * 300_000,
)
# Ways out of Jinja's sandbox that were found in it, or in others (CVE-2016-10745, CVE-2019-10906, CVE-2024-56201,
# CVE-2024-56326, CVE-2025-27516).
ESCAPES = (
    b"{{ ''.__class__.__mro__[1].__subclasses__() }}",
    b"{{ ''['__cl' ~ 'ass__']['__ba' ~ 'se__'] }}",
    b"{{ ''|attr('__class__')|attr('__base__')|attr('__subclasses__')() }}",
    b"{{ cycler.__init__.__globals__.os.environ }}",
    b"{{ joiner.__init__.__globals__['os'].popen('id').read() }}",
    b"{{ lipsum.__globals__['os'].environ }}{{ lipsum['__globals__'] }}",
    b"{{ namespace.__init__.__globals__ }}{{ self.__init__.__globals__ }}",
    b"{{ raise_exception.__globals__ }}{{ strftime_now.__code__ }}{{ strftime_now.__closure__ }}",
    b"{{ '{0.__class__.__init__.__globals__}'.format(cycler) }}",
    b"{{ '{x.__init__.__globals__}'.format_map({'x': cycler}) }}",
    b"{% set f = '{0.__init__.__globals__}'.format %}{{ f(cycler) }}",
    b"{{ ''|attr('format') }}{{ ('{0.__init__.__globals__}'|attr('format'))(cycler) }}",
    b"{{ ['{0.__init__.__globals__}']|map('format', cycler)|list }}",
    b"{{ ['{0.__init__.__globals__}']|map(attribute='format')|first }}",
    b"{{ [cycler]|map(attribute='__init__.__globals__')|list }}",
    b"{{ {'a': cycler}|xmlattr }}{{ {'a b=c': 1}|xmlattr }}",
    b"{% for x in [cycler]|groupby('__init__.__globals__') %}{{ x }}{% endfor %}",
    b"{{ [1]|sort(attribute='__class__')|sum(attribute='__class__') }}",
    b"{{ (lipsum)(html=False, n=1) }}{{ messages.append(1) }}{{ messages[0].pop('content') }}",
    b"{% include '/etc/passwd' %}{% import 'os' as os %}{% extends 'x' %}",
    b"{% set x = namespace() %}{% set x.__class__ = 1 %}{{ x.__class__ }}{{ x._Namespace__attrs }}",
    b"{{ caller.__globals__ }}{{ loop.__class__ }}{{ varargs }}{{ kwargs }}{{ self._TemplateReference__context }}",
    b"{% macro m() %}{{ caller() }}{{ m.__class__ }}{{ m._func.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    b"{{ strftime_now('%c %Z \x00 \xed\xa0\x80') }}{{ range(3).__reduce__() }}{{ dict.mro() }}",
)
TEMPLATE_PIECES = (
    *(escape for escape in ESCAPES), SHOWN, b"{{ ", b" }}", b"{% ", b" %}", b"{%- ", b"-%}", b"{# x #}", b"{% if ",
    b"{% endif %}", b"{% else %}", b"{% for m in messages %}", b"{% endfor %}", b"{% set x = ", b"{% break %}",
    b"{% continue %}", b"{% macro m(x) %}", b"{% endmacro %}", b"{% raw %}", b"{% endraw %}", b"{% filter upper %}",
    b"{% endfilter %}", b"messages", b"m.role", b"m['content']", b"messages[0]", b"messages[1:]", b"loop.index0",
    b"bos_token", b"eos_token", b"add_generation_prompt", b"enable_thinking", b"raise_exception('x')",
    b"strftime_now('%d')", b"namespace(x=1)", b"tools", b"|tojson", b"|trim", b"|list", b"|length", b"|upper",
    b"|default('x')", b"|map('upper')", b"|attr('x')", b"|replace('a', 'b')", b"|selectattr('role')", b"|join",
    b"|first", b"|round", b"|format(1)", b".__class__", b"['__init__']", b".split('\\n')", b" is defined",
    b" is none", b" == ", b" ~ ", b" + ", b" * ", b" ** ", b" // 0", b" % ", b" in ", b" not ", b"'x'", b"1",
    b"10**9", b"[1, 2]", b"{'a': 1}", b"range(9)", b"none", b"true", b"lipsum", b"cycler('a')", b"dict(a=1)",
    b"\xee\x80\x80", b"\n", b"    ",
)  # fmt: skip
mutated_template = mutators.mutated_of(TEMPLATE_PIECES, re.compile(rb"\{[{%#]-?|-?[}%#]\}|\w+|\s+|.", re.DOTALL))


@target("chat-template", mutated_template, *TEMPLATE_BOMBS)
def chat_template(folder: Path) -> tuple[Run, list[bytes]]:
    from test_chat import LLAMA_2

    from edge_judge.engine import chat
    from edge_judge.engine.chat import NAMED, chat_format

    room = folder / "room"
    room.mkdir()
    if hasattr(os, "fork"):
        chat.subprocess = ForkingProgram(room)  # type: ignore[assignment]

    def run(data: bytes) -> None:
        chat_format(data.decode(errors="replace"), bos="<s>", eos="</s>")

    macro = "{% macro m(x) %}{{ x | trim | tojson }}{% endmacro %}{% set ns = namespace(i=0) %}" + SHOWN.decode()
    written = [text.encode() for text in (*NAMED.values(), LLAMA_2, macro)]
    return run, [*written, *(escape + SHOWN for escape in ESCAPES)]


class ForkingProgram:
    """In the place of `subprocess` in chat.py: the program is begun once and forks for each template, under the same
    limits and a fifth of a second of a processor, and compiles it once for all conversations. It is fed a hundred times
    as often so. room: an empty folder, where it is.
    """

    TimeoutExpired = subprocess.TimeoutExpired
    SECRET = "a-secret-of-the-process"
    SERVER = """
import functools, json, os, signal, struct, sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("program", sys.argv[1])
program = module_from_spec(spec)
spec.loader.exec_module(program)
sys.path[:] = json.loads(sys.argv[2])
environment = program._environment()
while size := sys.stdin.buffer.read(4):
    request = json.loads(sys.stdin.buffer.read(*struct.unpack("<I", size)))
    reading, writing = os.pipe()
    if not (child := os.fork()):
        program._limit()
        signal.setitimer(signal.ITIMER_PROF, 0.2)
        environment.from_string = functools.lru_cache(environment.from_string)
        replies = [program._reply(environment, request, one) for one in request["conversations"]]
        with open(writing, "w") as out:
            out.write(json.dumps(replies))
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as out:
        said = out.read()
    os.waitpid(child, 0)
    sys.stdout.buffer.write(struct.pack("<I", len(said)) + said)
    sys.stdout.buffer.flush()
"""

    def __init__(self, room: Path) -> None:
        from edge_judge.engine import template_program

        path = json.dumps([place for place in sys.path if place])
        program = [sys.executable, "-c", self.SERVER, template_program.__file__, path]
        pipes, environment = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}, {**os.environ, "X": self.SECRET}
        self._server = subprocess.Popen(program, cwd=room, env=environment, **pipes)
        self._room = room

    def run(self, program: list[str], *, input: bytes, **_: object) -> subprocess.CompletedProcess[bytes]:
        sent, received = self._server.stdin, self._server.stdout
        assert sent is not None and received is not None
        sent.write(struct.pack("<I", len(input)) + input)
        sent.flush()
        said = received.read(*struct.unpack("<I", received.read(4)))
        assert self.SECRET.encode() not in said, "the template saw its process's environment"
        assert not any(self._room.iterdir()), "the template wrote a file"
        return subprocess.CompletedProcess(program, 0 if said else -9, said, b"")
