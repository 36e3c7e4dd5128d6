"""Chat templates of checkpoints: as in transformers, and under limits."""

import concurrent.futures
import copy
import datetime
import json
import pathlib

import pytest

from tests.data import toys
from ttc.data.chat_template import ChatTemplate
from ttc.data.jsonl import Rows
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer
from ttc.pipeline import contents

pytest.importorskip('jinja2', reason='the optional extra hf')

# Written for this test, each with what templates of a family are made of.
TEMPLATES = {
  # Qwen: a system message of its own, line breaks in tags.
  'chatml': """{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content }}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
  # Llama 3: BOS, the date, a filter, a list that is cut.
  'headers': """{{- bos_token }}
{%- if not day is defined %}
    {%- set day = strftime_now("%d %b %Y") if strftime_now is defined %}
{%- endif %}
{%- set told = '' %}
{%- if messages[0].role == 'system' %}
    {%- set told = messages[0].content | trim %}
    {%- set messages = messages[1:] %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday: ' + day + '\\n' }}
{{- told + '<|eot_id|>' }}
{%- for message in messages if message.role in ('user', 'assistant') %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
    {{- message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}""",
  # Gemma: no system message, other names of roles, turns that must alternate.
  'turns': """{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{{ raise_exception('No system here') }}{% endif %}{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Turns must alternate') }}{% endif %}
{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim }}
<end_of_turn>
{% endfor %}{% if add_generation_prompt %}<start_of_turn>model
{% endif %}""",
  # Mistral: instructions in brackets, the system message in the last one.
  'brackets': """{%- set system, turns = '', messages %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system, turns = messages[0]['content'] + '\\n\\n', messages[1:] %}
{%- endif %}
{{- bos_token }}
{%- for message in turns %}
    {%- if message['role'] == 'user' and loop.last and tools is none %}
        {{- '[INST] ' + system + message['content'] + '[/INST]' }}
    {%- elif message['role'] == 'user' %}
        {{- '[INST] ' + message['content'] + '[/INST]' }}
    {%- else %}
        {{- ' ' + message['content'] + eos_token }}
    {%- endif %}
{%- endfor %}""",
  # DeepSeek-R1: a namespace, thoughts that are taken out, loop controls.
  'thinking': """{%- set ns = namespace(system='') -%}
{%- for message in messages -%}
  {%- if message['role'] != 'system' -%}{%- continue -%}{%- endif -%}
  {%- set ns.system = message['content'] -%}{%- break -%}
{%- endfor -%}{{ bos_token }}{{ ns.system }}
{%- for message in messages -%}
  {%- set content = message['content'] -%}
  {%- if message['role'] == 'user' -%}{{ '<｜User｜>' + content }}{%- endif -%}
  {%- if message['role'] == 'assistant' -%}
    {%- if '</think>' in content -%}
      {%- set content = content.split('</think>')[-1] -%}
    {%- endif -%}
    {%- generation -%}{{ '<｜Assistant｜>' + content }}{%- endgeneration -%}
  {%- endif -%}
{%- endfor -%}
{{ '<｜Assistant｜><think>\\n' if add_generation_prompt }}""",
  # The rest: macros, JSON, a token that is not there, documents.
  'macros': """{% macro turn(message) -%}
  [{{ message.role }}] {{ message | tojson }}{{ unk_token }}
{%- endmacro %}
{% for message in messages %}
  {{ turn(message) }} {# a remark #}
{% endfor %}
{% if documents is none %}{{ messages | map(attribute='role') | join('-') }}
{% endif %}""",
}
SPECIALS = (
  *('<s>', '</s>', '[INST]', '[/INST]', '<｜User｜>', '<｜Assistant｜>'),
  *('<start_of_turn>', '<end_of_turn>', '<|im_start|>', '<|im_end|>'),
  *('<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>', '<eos>'),
)
QUESTIONS = (
  *('What is 1+1?', '  $x$ \n', '', r'{{ 7*7 }} {% x %} \frac{1}{2} é <b>&"'),
  'a </think> b\n\nc',
)
SHOTS = (('2+2', 'We add.</think>\n\n4'),)


def model(folder, text, **config):
  """The folder of a model with this chat template."""
  toys.bare(folder, (*SPECIALS, '<revise>'), bos_token='<s>', **config)
  (folder / 'chat_template.jinja').write_text(text, encoding='utf-8')
  return folder


def messages(system, shots, question):
  yield from [{'role': 'system', 'content': system}] * bool(system)
  for solved, solution in shots:
    yield {'role': 'user', 'content': solved}
    yield {'role': 'assistant', 'content': solution}
  yield {'role': 'user', 'content': question}


@pytest.mark.parametrize('name', TEMPLATES)
def test_prompts_are_those_of_transformers(name, tmp_path):
  transformers = pytest.importorskip('transformers')
  folder = model(tmp_path / 'model', TEMPLATES[name])
  tokenizer = Tokenizer(str(folder), '<revise>')
  theirs = transformers.PreTrainedTokenizerFast.from_pretrained(str(folder))
  today = datetime.date.today().isoformat()
  for system in ('', 'Think.'):
    for shots in ((), SHOTS):
      for options in ({}, {'enable_thinking': False}):
        ours = ChatTemplate(
          str(folder), system, shots=shots, options=options, date=today
        )
        for question in QUESTIONS:
          asked = list(messages(system, shots, question))
          given = dict(add_generation_prompt=True, **options)
          if name == 'turns' and system:
            with pytest.raises(Exception, match='No system here'):
              theirs.apply_chat_template(asked, **given)
            with pytest.raises(ValueError, match='No system here'):
              ours(question)
            continue
          text = theirs.apply_chat_template(asked, tokenize=False, **given)
          ids = theirs.apply_chat_template(asked, return_dict=False, **given)
          assert ours(question) == text
          assert tokenizer.encode_template(text, ours.begin) == list(ids)


@pytest.fixture
def chat(tmp_path):
  def chat(text, files=(), **fields):
    folder = tmp_path / 'model'
    folder.mkdir(exist_ok=True)
    for name, content in {'chat_template.jinja': text, **dict(files)}.items():
      if content is not None:
        (folder / name).write_text(content, encoding='utf-8')
    return ChatTemplate(str(folder), **fields)

  return chat


ROLES = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}'


def test_messages_in_their_order(chat):
  template = chat(
    ROLES, system='S', turn='Q: {question} {x}', shots=(('1', '2'), ('3', '4'))
  )
  assert template('5') == (
    'system: S\nuser: Q: 1 {x}\nassistant: 2\nuser: Q: 3 {x}\nassistant: 4\n'
    'user: Q: 5 {x}\n'
  )


def test_where_the_template_and_its_tokens_are(chat):
  tokens = '{{ bos_token }}|{{ eos_token }}|{{ pad_token }}'
  config = {
    'chat_template': 'of the configuration',
    'bos_token': {'content': '<s>', 'lstrip': False},
    'eos_token': '</s>',
    'pad_token': None,
  }
  files = {'tokenizer_config.json': json.dumps(config)}
  assert chat(None, files)('') == 'of the configuration'
  more = {'special_tokens_map.json': json.dumps({'eos_token': '<e>'})}
  assert chat(tokens, more)('') == '<s>|</s>|'
  named = [
    {'name': 'tool_use', 'template': 'tools'},
    {'name': 'default', 'template': 'the default'},
  ]
  files = {'tokenizer_config.json': json.dumps({'chat_template': named})}
  template = chat(None, files)
  (pathlib.Path(template.folder) / 'chat_template.jinja').unlink()
  assert template('') == 'the default'


@pytest.mark.parametrize(
  'config', ['{}', '{"chat_template": null}', '{"chat_template": []}', '[]']
)
def test_a_base_model_has_none(chat, config):
  with pytest.raises(
    ValueError, match=r'it may be a base model.*gin/templates'
  ):
    chat(None, {'tokenizer_config.json': config})('1')


def test_no_prompt_depends_on_the_day(chat):
  text = "{{ strftime_now('%d %b %Y') }}"
  assert chat(text)('') == '26 Jul 2024'
  assert chat(text, date='2026-01-02')('') == '02 Jan 2026'
  for date in ('26 Jul 2024', '', 20240726, '2024-02-30'):
    with pytest.raises(ValueError, match=r'ChatTemplate\.date='):
      chat(text, date=date)


def test_what_a_folder_and_fields_must_be(tmp_path):
  with pytest.raises(ValueError, match=r'is no folder.*`hf download a/b`'):
    ChatTemplate('a/b')
  with pytest.raises(ValueError, match=r'ChatTemplate\.turn=.*write it once'):
    ChatTemplate(str(tmp_path), turn='Solve.')
  with pytest.raises(ValueError, match='Shot 1 of ChatTemplate'):
    ChatTemplate(str(tmp_path), shots=(('1', ''),))


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    # Time.
    (
      '{% for a in range(99999) %}{% for b in range(99999) %}'
      '{% endfor %}{% endfor %}',
      'it takes more than 1 s of',
    ),
    (
      '{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}'
      '{% endmacro %}{{ f(99) }}',
      'it takes more than 1 s of',
    ),
    # Memory.
    (
      "{% set ns = namespace(a='x') %}{% for i in range(99) %}"
      '{% set ns.a = ns.a ~ ns.a %}{% endfor %}{{ ns.a }}',
      'it takes more than 512 MB',
    ),
    ("{{ 'a' * 10 ** 10 }}", 'it takes more than 512 MB'),
    ("{{ '%9999999999d' | format(1) }}", 'it takes more than 512 MB'),
    ("{{ 'ab' * 1000000 }}", 'it makes a text of 2000000 characters'),
    ('{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'without an end'),
    # What the sandbox keeps from it.
    ("{{ ''.__class__.mro() }}", 'SecurityError'),
    ('{{ messages.append(1) }}', 'SecurityError'),
    ("{{ cycler.__init__.__globals__.os.popen('id') }}", 'SecurityError'),
    ("{% include '/etc/passwd' %}", 'no loader'),
    ("{% import 'os' as os %}", 'no loader'),
    # Mistakes.
    ('{% for', 'TemplateSyntaxError'),
    ('{{ 1 / 0 }}', 'ZeroDivisionError'),
    ('{{ nothing.at.all }}', "UndefinedError: 'nothing' is undefined"),
    ("{{ raise_exception('no\nsystem') }}", 'no system|no\nsystem'),
  ],
)
def test_a_template_that_fails_is_one_error(chat, text, message):
  template = chat(text)
  with pytest.raises(ValueError, match=message) as told:
    template('1')
  assert 'gin/templates/' in str(told.value)


def test_a_failure_of_one_question_is_not_that_of_the_next(chat):
  text = (
    "{% set asked = messages[0].content %}{% if asked == 'slow' %}"
    '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}'
    "{% endfor %}{% endif %}{{ asked }}{{ 'x' * asked | int }}"
  )
  template = chat(text)
  assert template('a') == 'a'
  for hostile in ('slow', '9999999999', '1000001'):
    with pytest.raises(ValueError, match=r'it (takes|makes)'):
      template(hostile)
    assert template('b') == 'b'


def test_threads_and_copies_share_nothing_wrong(chat):
  template = chat(ROLES)
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    prompts = list(pool.map(template, map(str, range(60))))
  assert prompts == [f'user: {number}\n' for number in range(60)]
  assert copy.deepcopy(template)('7') == prompts[7]


def test_another_template_is_another_run(chat):
  before = contents.of(template := chat(ROLES))
  assert [pathlib.Path(name).name for name in before] == ['chat_template.jinja']
  path = pathlib.Path(template.folder) / 'chat_template.jinja'
  path.write_text(ROLES + ' ')
  assert contents.differences(before, contents.of(template))


@pytest.fixture
def questions(tmp_path):
  path = tmp_path / 'a.jsonl'
  path.write_text('{"question": "1+1", "answer": "2"}\n')

  def questions(vocabulary, template):
    return Questions(
      vocabulary, template, None, Rows(str(path)), workers=0, delimiter='\n'
    )

  return questions


@pytest.mark.parametrize(
  ('toy', 'text', 'begins'),
  [
    # Each family spells its BOS, which its tokenizer would add as well.
    ('llama3', '{{ bos_token }}<|start_header_id|>', 1),
    ('gemma', '{{ bos_token }}<start_of_turn>', 1),
    ('llama2', '{{ bos_token }}[INST]', 1),
    # ChatML on a tokenizer with BOS: transformers adds none then.
    ('llama3', '<|start_header_id|>', 0),
    ('qwen', '{{ bos_token }}<|im_start|>', 0),
    ('llama3', '<|user|>\n', 0),  # Tulu 3, which has no token for it
  ],
)
def test_bos_is_there_as_often_as_the_template_spells_it(
  questions, tmp_path, toy, text, begins
):
  folder = getattr(toys, toy)(tmp_path / toy)
  (folder / 'chat_template.jinja').write_text(
    text + '{{ messages[0].content }}'
  )
  revise = {
    'llama3': '<|reserved_special_token_0|>',
    'gemma': '<unused0>',
    'llama2': '<revise>',
    'qwen': '<|quad_end|>',
  }[toy]
  vocabulary = Tokenizer(str(folder), revise)
  task = questions(vocabulary, ChatTemplate(str(folder)))
  (problem,) = task.problems('test')
  tokens = task.prompt_tokens(problem)
  bos = vocabulary.begin_ids
  assert sum(token in bos for token in tokens) == begins
  # A template of ours leaves BOS to the tokenizer, or spells it, once.
  for spelt in ('', *map(vocabulary.piece, bos)):
    written = questions(vocabulary, Template(turn=f'{spelt}{{question}}\n'))
    tokens = written.prompt_tokens(problem)
    assert sum(token in bos for token in tokens) == len(bos)


def test_a_vocabulary_of_another_model_is_refused(questions, tmp_path):
  folder = toys.gemma(tmp_path / 'gemma')
  (folder / 'chat_template.jinja').write_text(
    '{{ bos_token }}<start_of_turn>user\n{{ messages[0].content }}'
  )
  qwen = Tokenizer(str(toys.qwen(tmp_path / 'qwen')), '<|quad_end|>')
  with pytest.raises(ValueError, match='spells <bos>, which is no special'):
    questions(qwen, ChatTemplate(str(folder))).problems('test')
