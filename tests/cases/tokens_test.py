"""Tokenizers as they are published: what begins a text, and what it may spell.

An id is that of a case and where it was reported. What BOS is expected was
read from transformers 4.57.
"""

import json

import pytest
import tokenizers
from tokenizers import processors

from tests.data import toys
from ttc.data.jsonl import Rows
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer

SPECIAL = ('<bos>', '<eos>', '<gap>')


def case(id, source, *values):
  return pytest.param(*values, id=f'{id} {source}')


def post_process(folder, single):
  path = str(folder / 'tokenizer.json')
  tokenizer = tokenizers.Tokenizer.from_file(path)
  tokenizer.post_processor = processors.TemplateProcessing(
    single=single,
    special_tokens=[(t, tokenizer.token_to_id(t)) for t in SPECIAL],
  )
  tokenizer.save(path)


LLAMA, FAST = 'LlamaTokenizerFast', 'PreTrainedTokenizerFast'


@pytest.mark.parametrize(
  ('kind', 'asked', 'single', 'expected'),
  [
    case('T-bos', 'DeepSeek-R1#151', LLAMA, True, '', True),
    case('T-bos', 'lm-evaluation-harness#2781', LLAMA, None, '', True),
    case('T-bos', 'slow class', 'LlamaTokenizer', True, '', True),
    case('T-bos', 'Gemma', 'GemmaTokenizer', None, '', True),
    case('T-bos', 'by its class twice', LLAMA, True, '<bos> $A', True),
    case('T-bos', 'refused by its class', LLAMA, False, '<bos> $A', False),
    case('T-bos', 'GPT-NeoX', 'GPTNeoXTokenizerFast', None, '<bos> $A', False),
    case('T-bos', 'Qwen', 'Qwen2Tokenizer', False, '', False),
    case('T-bos', 'Llama 3', FAST, None, '<bos> $A', True),
    case(
      'T-bos', 'a class that does not listen', FAST, False, '<bos> $A', True
    ),
    case('T-bos', 'nor in the other direction', FAST, True, '', False),
    case('T-bos', 'no class', None, True, '', True),
    case('T-bos', 'no class, no wish', None, None, '<bos> $A', True),
    case('T-eos', 'add_eos_token', FAST, None, '<bos> $A <eos>', True),
    case('T-eos', 'add_eos_token alone', FAST, None, '$A <eos>', False),
  ],
)
def test_a_text_begins_as_in_transformers(
  tmp_path, kind, asked, single, expected
):
  config = {'tokenizer_class': kind, 'add_bos_token': asked}
  folder = toys.bare(
    tmp_path,
    SPECIAL,
    bos_token={'__type': 'AddedToken', 'content': '<bos>'},
    add_eos_token=True,  # no prompt ends, whatever a file wishes
    **{name: value for name, value in config.items() if value is not None},
  )
  if single:
    post_process(folder, single)
  vocabulary = Tokenizer(str(folder), '<gap>')
  begin = [vocabulary.piece(id) for id in vocabulary.begin_ids]
  assert begin == ['<bos>'] * expected
  ids = vocabulary.encode_template('We add.')
  assert ids == [*vocabulary.begin_ids, *vocabulary.encode('We add.')]
  if expected:  # spelt by a template it is there once
    assert vocabulary.encode_template('<bos>We add.') == ids


def test_bos_that_is_no_token(tmp_path):
  folder = toys.bare(
    tmp_path,
    SPECIAL,
    tokenizer_class=LLAMA,
    add_bos_token=True,
    bos_token='<s>',
  )
  with pytest.raises(ValueError, match=r"bos_token='<s>', which is no token"):
    Tokenizer(str(folder), '<gap>').encode_template('a')


def test_bos_without_a_name(tmp_path):
  folder = toys.bare(
    tmp_path,
    SPECIAL,
    tokenizer_class=LLAMA,
    add_bos_token=True,
    bos_token=None,
  )
  assert Tokenizer(str(folder), '<gap>').begin_ids == ()


CONFIG, GENERATION = 'tokenizer_config.json', 'generation_config.json'


@pytest.mark.parametrize(
  ('name', 'content', 'message'),
  [
    (CONFIG, '[]', 'tokenizer_config.json holds no JSON object'),
    (CONFIG, 'null', 'tokenizer_config.json holds no JSON object'),
    (
      CONFIG,
      'version https://git-lfs.github.com/spec/v1\n',
      'tokenizer_config.json is a pointer of Git LFS.*git lfs pull',
    ),
    (
      'tokenizer.json',
      'version https://git-lfs.github.com/spec/v1\n',
      'tokenizer.json is a pointer of Git LFS.*git lfs pull',
    ),
    (CONFIG, '{"eos_token": 2}', 'eos_token=2; give the text of one token'),
    (CONFIG, '{"eos_token": ["a"]}', r"eos_token=\['a'\]; give the text"),
    (GENERATION, '[]', 'generation_config.json holds no JSON object'),
    (GENERATION, '{"eos_token_id": "2"}', "the end '2', .* not of one model"),
    (GENERATION, '{"eos_token_id": [1, -1]}', 'the end -1, .*from 0 on'),
    (GENERATION, '{"eos_token_id": true}', 'the end True, .*from 0 on'),
    (GENERATION, '{"eos_token_id": 999999}', 'the end 999999, .*from 0 on'),
  ],
)
def test_damaged_files_beside_a_tokenizer_are_named(
  tmp_path, name, content, message
):
  folder = toys.bare(tmp_path, SPECIAL)
  (folder / name).write_text(content)
  with pytest.raises(ValueError, match=message):
    assert Tokenizer(str(folder), '<gap>').end_ids


def test_the_first_token_may_end_a_text(tmp_path):
  """HuggingFaceTB/SmolLM2-135M: its eos_token_id is 0, which is not none."""
  folder = toys.bare(tmp_path, SPECIAL)
  (folder / GENERATION).write_text('{"eos_token_id": 0}')
  assert 0 in Tokenizer(str(folder), '<gap>').end_ids


def test_a_byte_order_mark_before_a_configuration(tmp_path):
  folder = toys.bare(tmp_path, SPECIAL)
  text = (folder / CONFIG).read_text()
  (folder / CONFIG).write_text(text, encoding='utf-8-sig')
  vocabulary = Tokenizer(str(folder), '<gap>')
  assert vocabulary.piece(vocabulary.eos_id) == '<eos>'


def questions(folder, template, *asked):
  path = folder / 'q.jsonl'
  rows = [{'question': q, 'answer': '9'} for q in asked]
  path.write_text('\n'.join(map(json.dumps, rows)))
  (folder / 'e.jsonl').write_text('')
  return Questions(
    Tokenizer(str(folder), '<gap>'),
    template,
    Rows(str(folder / 'e.jsonl')),
    Rows(str(path)),
    workers=0,
  )


@pytest.mark.parametrize(
  ('turn', 'marker'),
  [
    case(
      'T-family',
      'LlamaFactory#6987',
      '<｜User｜>{question}<｜Assistant｜>',
      '<｜Assistant｜>',
    ),
    case(
      'T-family',
      'the same, of ChatML',
      '<|im_start|>user\n{question}',
      r'<\|im_start\|>',
    ),
    case('T-family', 'Gemma', '<start_of_turn>{question}', '<start_of_turn>'),
    case('T-family', 'Llama 2', '[INST] {question} [/INST]', r'\[/INST\]'),
    case('T-family', 'Llama 2', '<<SYS>>a<</SYS>>{question}', '<</SYS>>'),
    case('T-family', 'Mistral', '<s>{question}', '<s>'),
    case(
      'T-family',
      'Mistral 7',
      '[SYSTEM_PROMPT]{question}',
      r'\[SYSTEM_PROMPT\]',
    ),
    case('T-family', 'GLM', '[gMASK]<sop>{question}', '<sop>'),
    case('T-family', 'Gemma 4', '<|turn>user\n{question}<turn|>', '<turn\\|>'),
    case('T-family', 'EXAONE', '[|user|]{question}', r'\[\|user\|\]'),
    case('T-family', 'Phi 3', '<|user|>\n{question}<|end|>', r'<\|end\|>'),
    case(
      'T-family',
      'DeepSeek, BOS',
      '<｜begin▁of▁sentence｜>{question}',
      '<｜begin▁of▁sentence｜>',
    ),
  ],
)
def test_a_template_of_another_family_is_refused(tmp_path, turn, marker):
  folder = toys.bare(tmp_path, SPECIAL)
  task = questions(folder, Template(turn=turn), 'What is 4+5?')
  with pytest.raises(ValueError, match=f'spells {marker}, which .*{folder}.*;'):
    task.problems('test')


@pytest.mark.parametrize(
  ('special', 'ordinary', 'bos', 'turn'),
  [
    case(
      'T-family',
      'its own, called ordinary',
      SPECIAL,
      ('<｜User｜>', '<｜Assistant｜>'),
      None,
      '<｜User｜>{question}<｜Assistant｜>',
    ),
    case(
      'T-family',
      'Mistral 0.3',
      (*SPECIAL, '[INST]', '[/INST]'),
      (),
      None,
      '[INST]{question}[/INST]',
    ),
    case(
      'T-family',
      'Llama 2 has no such tokens',
      (*SPECIAL, '<s>'),
      (),
      '<s>',
      '[INST] {question} [/INST]',
    ),
    case(
      'T-family',
      'plain tags of a base model',
      SPECIAL,
      (),
      None,
      'Write <think> and <answer>.\n{question}\n',
    ),
    case(
      'T-family', 'brackets of mathematics', SPECIAL, (), None, '[A] {question}'
    ),
    case(
      'T-family',
      'Zephyr has no tokens for roles',
      (*SPECIAL, '<s>', '</s>'),
      (),
      '<s>',
      '<|user|>\n{question}</s>\n<|assistant|>\n',
    ),
  ],
)
def test_a_template_of_its_family_is_taken(
  tmp_path, special, ordinary, bos, turn
):
  config = {'tokenizer_class': LLAMA, 'bos_token': bos} if bos else {}
  folder = toys.bare(tmp_path, special, ordinary, **config)
  task = questions(folder, Template(turn=turn), 'What is 4+5?')
  (problem,) = task.problems('test')
  spelt = [m for m in (*special, *ordinary) if m in turn]
  pieces = [task.vocabulary.piece(id) for id in task.prompt_tokens(problem)]
  assert all(pieces.count(marker) == 1 for marker in spelt)


@pytest.mark.parametrize(
  'spelt',
  [
    case('T-control', 'DeepSeek', '<｜Reply｜>'),
    case('T-control', 'Qwen 3', '<think>'),
    case('T-control', 'Mistral', '[TOOL_CALLS]'),
    case('T-control', 'special', '<gap>'),
    case('T-control', 'special, of no shape', 'EOT'),
    case('T-control', 'within other brackets', '[a<｜Reply｜>b]'),
    case('T-control', 'behind an open one', '<1 and <<｜Reply｜>'),
  ],
)
def test_a_question_spells_no_control_token(tmp_path, spelt):
  folder = toys.bare(
    tmp_path,
    (*SPECIAL, 'EOT'),
    ('<｜Reply｜>', '<think>', '[TOOL_CALLS]', '\n\n', 'rope', '<sub>'),
  )
  # Gemma 3 has tokens for tags of HTML, which are text.
  asked = 'A rope, a < b > c.\n\nIs [x<sub>1</sub>] 9?'
  task = questions(folder, Template(), f'Say {spelt}9.', asked)
  assert [p.id for p in task.problems('test')] == [1]
  (reason,) = task.left_out('test')
  assert reason.startswith('spells the special token ')
  assert reason.removeprefix('spells the special token ') in spelt
