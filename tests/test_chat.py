"""Chat templates: other people's programs, rendered around a user's message without trusting them."""

import pytest
from checkpoints import CHATML

from edge_judge.engine.chat import ChatFormat, chat_format
from edge_judge.errors import ModelError

LLAMA_2 = """
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] %}
    {%- set messages = messages[1:] %}
{%- endif %}
{%- for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must take turns') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {{- bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}
    {%- else %}
        {{- ' ' + message['content'] + ' ' + eos_token }}
    {%- endif %}
{%- endfor %}"""


def formatted(template):
    return chat_format(template, bos="<s>", eos="</s>")


def test_chatml_puts_the_message_between_its_turns():
    expected = ChatFormat("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n")  # and nothing before an answer
    assert formatted(CHATML.replace("assistant\n", "{{ 'assistant\\n' }}")) == expected


def test_a_line_end_at_the_very_end_of_a_template_belongs_to_its_file_not_to_the_prompt():
    assert CHATML.endswith("assistant\n")
    assert formatted(CHATML).after == "<|im_end|>\n<|im_start|>assistant"


def test_a_template_may_have_a_system_line_of_its_own_and_ask_for_the_answer():
    template = (
        "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nBe good.<|im_end|>\n"
        "{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    found = formatted(template)
    assert found.before == "<|im_start|>system\nBe good.<|im_end|>\n<|im_start|>user\n"
    assert found.after.endswith("<|im_start|>assistant\n")


def test_a_llama_2_template_knows_the_models_first_token_trims_a_message_and_leads_in_an_answer_with_a_space():
    found = formatted(LLAMA_2)
    assert found == ChatFormat("<s>[INST] ", " [/INST]", trims_left=True, trims_right=True, lead=" ")
    assert found.trimmed(" \n a b\t") == "a b"


@pytest.mark.parametrize(("shown", "left", "right"), [("rstrip()", False, True), ("lstrip()", True, False)])
def test_a_template_may_trim_one_side_of_a_message(shown, left, right):
    found = formatted(f"U: {{{{ messages[0].content.{shown} }}}}\nA:")
    assert (found.trims_left, found.trims_right) == (left, right)
    assert found.trimmed(" x ") == " x "[left : 3 - right]


@pytest.mark.parametrize("shown", ["content[1:]", "content[:-1]", "content | replace('\n', ' ')", "content + ' '"])
def test_a_template_that_changes_the_white_space_of_a_message_otherwise_is_refused_or_known(shown):
    template = f"U: {{{{ messages[0].{shown} }}}}"
    if "+" in shown:
        assert formatted(template) == ChatFormat("U: ", " ")
    else:
        with pytest.raises(ModelError, match="times, expected once|changes the user's message"):
            formatted(template)


@pytest.mark.parametrize(
    ("answer", "lead"),
    [
        ("Assistant: {{ m.content }}", " "),
        ("Assistant:{{ m.content }}", ""),
        ("Assistant:\n {{ m.content }}<end>", "\n "),
        ("Assistant:<think></think>{{ m.content }}", ""),
        ("Bot: {{ m.content }}", ""),
        ("{{ raise_exception('no answers') }}", ""),
    ],
)
def test_the_white_space_before_an_answer_is_what_the_template_writes_there(answer, lead):
    template = (
        "{% for m in messages %}{% if m.role == 'user' %}User: {{ m.content }}\n{% else %}" + answer + "{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
    )
    assert formatted(template) == ChatFormat("User: ", "\nAssistant:", lead=lead)


def test_a_judge_that_can_think_first_is_told_not_to_as_its_own_template_says_it():
    template = (
        "{% for m in messages %}{% if m.role == 'user' %}<|im_start|>user\n{{ m.content }}<|im_end|>\n{% else %}"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
        "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
        "{% endif %}"
    )
    after = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert formatted(template) == ChatFormat("<|im_start|>user\n", after)  # and so nothing more stands before an answer


def test_block_lines_leave_no_trace_as_in_the_library_templates_are_written_for():
    template = (
        "{% for m in messages %}\n    {% if m.role == 'user' %}\nU: {{ m.content }}\n    {% endif %}\n{% endfor %}\nA:"
    )
    assert formatted(template) == ChatFormat("U: ", "\nA:")


def test_a_loop_may_be_left_early():
    assert formatted("{% for m in messages %}<{{ m.content }}>{% break %}{% endfor %}") == ChatFormat("<", ">")


def test_the_date_in_a_prompt_is_the_same_on_every_day():
    found = formatted("{{ strftime_now('%d %b %Y') }}|{{ messages[0].content }}")
    assert found.before == "01 Jan 2024|"


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.content }}",
        "{{ messages[0].content | no_such_filter }}",
        "{{ messages[0].content.no.such.thing }}",
        "{{ messages[7].content }}{{ missing() }}",
        "{{ raise_exception('only a system message') }}",
        "{{ 1 / 0 }}{{ messages[0].content }}",
        "{% for i in range(10 ** 9) %}{{ i }}{% endfor %}",
        "{{ messages[0].content + 1 }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{% include 'elsewhere' %}{{ messages[0].content }}",
    ],
)
def test_a_template_that_fails_in_whatever_way_is_the_models_error(template):
    with pytest.raises(ModelError, match="chat template cannot be rendered"):
        formatted(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ messages[0].content }}",
        "{{ raise_exception.__globals__.os }}{{ messages[0].content }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}{{ messages[0].content }}",
        "{{ messages.append(1) }}{{ messages[0].content }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}{{ messages[0].content }}",
    ],
)
def test_a_template_cannot_reach_out_of_its_sandbox(template):
    with pytest.raises(ModelError, match="cannot be rendered"):
        formatted(template)


@pytest.mark.parametrize(("template", "times"), [("hello", 0), ("{{ messages[0].content * 2 }}", 2)])
def test_a_message_must_be_shown_exactly_once(template, times):
    with pytest.raises(ModelError, match=f"shows the user's message {times} times, expected once"):
        formatted(template)
