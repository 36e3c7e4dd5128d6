import gzip
import json

import numpy as np
import pytest

from tests.data import toys
from ttc.data.tokenizer import Tokenizer
from ttc.data.vocabulary import end_table, step_end_table

REVISE = {
  'qwen': '<|quad_end|>',
  'llama3': '<|reserved_special_token_0|>',
  'gemma': '<unused0>',
  'llama2': '<revise>',
}
ALPHABET = [*'ab .$\\\n\n\n\n01é∞🙂\t\r', '\n\n', '.\n\n', ' \n', '▁']


@pytest.fixture(scope='module', params=sorted(REVISE))
def vocabulary(request, tmp_path_factory):
  folder = tmp_path_factory.mktemp(request.param)
  return Tokenizer(
    str(getattr(toys, request.param)(folder)), REVISE[request.param]
  )


@pytest.fixture(scope='module')
def qwen(tmp_path_factory):
  return toys.qwen(tmp_path_factory.mktemp('qwen'))


def texts(count, without=''):
  rng = np.random.default_rng(0)
  alphabet = [c for c in ALPHABET if c not in without]
  return [
    ''.join(rng.choice(alphabet, rng.integers(1, 30))) for _ in range(count)
  ]


def test_text_survives_tokens(vocabulary):
  # Those that write a space as this character cannot keep the character.
  spaced = vocabulary.revise in (REVISE['gemma'], REVISE['llama2'])
  for text in texts(500, without='▁' if spaced else ''):
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert not vocabulary.special_ids & set(ids)


@pytest.mark.parametrize('name', ['math500_test.jsonl', 'gsm8k_test.jsonl.gz'])
def test_real_questions_survive_tokens(vocabulary, name):
  path = toys.DATA / name
  if not path.exists():
    pytest.skip('no shared data here')
  with (gzip.open if name.endswith('gz') else open)(path, 'rt') as file:
    rows = [json.loads(line) for line in file]
  for row in rows[:500]:
    for text in (
      row.get('problem') or row['question'],
      row.get('solution') or row['answer'],
    ):
      assert vocabulary.decode(vocabulary.encode(text)) == text


def test_steps_end_wherever_the_delimiter_is(vocabulary):
  ends = step_end_table(vocabulary, '\n')
  for text in texts(300, without='▁'):
    ids = vocabulary.encode(text)
    seen = 0
    for i in np.flatnonzero(ends[ids]):
      until = vocabulary.decode(ids[: i + 1])
      assert text.startswith(until)
      assert '\n' in until[seen:]
      assert '\n' not in vocabulary.decode(ids[:i])[seen:]
      seen = len(until)
    assert '\n' not in text[seen:]


def test_blank_lines_end_steps_of_a_tokenizer_that_has_them(qwen):
  vocabulary = Tokenizer(str(qwen), '<|quad_end|>')
  ends = step_end_table(vocabulary, '\n\n')
  glued = {vocabulary.piece(id) for id in np.flatnonzero(ends)}
  assert {'\n\n', '.\n\n'} <= glued
  for text in texts(500):
    ids = vocabulary.encode(text)
    seen = 0
    for i in np.flatnonzero(ends[ids]):
      assert '\n\n' not in vocabulary.decode(ids[seen:i])
      assert '\n\n' in vocabulary.decode(ids[seen : i + 1])
      seen = i + 1
    assert '\n\n' not in vocabulary.decode(ids[seen:])


def test_a_tokenizer_that_splits_the_delimiter(tmp_path):
  vocabulary = Tokenizer(str(toys.llama2(tmp_path)), '<revise>')
  with pytest.raises(ValueError, match=r"splits the delimiter '\\n\\n' into"):
    step_end_table(vocabulary, '\n\n')
  assert step_end_table(vocabulary, '\n')[vocabulary.encode('\n')].any()


def test_specials_are_tokens_in_templates_and_text_in_data(qwen):
  vocabulary = Tokenizer(str(qwen), '<|quad_end|>')
  text = '<|im_start|>user\nHi<|im_end|>'
  start, end = (
    vocabulary._plain.token_to_id(t) for t in ('<|im_start|>', '<|im_end|>')
  )
  ids = vocabulary.encode_template(text)
  assert ids[0] == start
  assert ids[-1] == end == vocabulary.eos_id
  assert ids[1:-1] == vocabulary.encode('user\nHi')
  plain = vocabulary.encode(text)
  assert not {start, end} & set(plain)
  assert vocabulary.decode(plain) == text
  assert vocabulary.spelt_special(text) == '<|im_start|>'
  assert vocabulary.spelt_special('a <tool_call>') == '<tool_call>'
  assert vocabulary.decode(ids) == 'user\nHi'


def test_the_family_decides_what_begins_a_text(vocabulary):
  begins = {
    'qwen': '',
    'llama3': '<|begin_of_text|>',
    'gemma': '<bos>',
    'llama2': '<s>',
  }
  name = next(n for n, t in REVISE.items() if t == vocabulary.revise)
  begin = ''.join(map(vocabulary.piece, vocabulary.begin_ids))
  assert begin == begins[name]
  ids = vocabulary.encode_template('Hi there')
  assert ids == [*vocabulary.begin_ids, *vocabulary.encode('Hi there')]
  assert not set(ids) & set(vocabulary.end_ids)
  spelt = vocabulary.encode_template(f'{begin}Hi')  # said twice, there once
  assert sum(id in vocabulary.begin_ids for id in spelt) == len(
    vocabulary.begin_ids
  )


def test_all_ends_of_the_model_end_an_attempt(qwen):
  vocabulary = Tokenizer(str(qwen), '<|quad_end|>')
  ends = {vocabulary.piece(id) for id in np.flatnonzero(end_table(vocabulary))}
  assert ends == {'<|im_end|>', '<|endoftext|>', '<|quad_end|>'}
  assert vocabulary.piece(vocabulary.eos_id) == '<|im_end|>'
  assert vocabulary.piece(vocabulary.pad_id) == '<|endoftext|>'
  base = Tokenizer(
    str(qwen), '<|quad_end|>', eos='<|endoftext|>', stops=('\n\n',)
  )
  assert base.piece(base.eos_id) == '<|endoftext|>'
  assert {base.piece(id) for id in base.end_ids} > ends | {'.\n\n'}
  assert all(
    '\n\n' in base.piece(id) or id in vocabulary.end_ids for id in base.end_ids
  )


def test_what_lies_beyond_the_tokenizer_has_no_text(vocabulary):
  ids = vocabulary.encode('a b')
  beyond = [vocabulary.size, vocabulary.size + 270]
  assert vocabulary.decode([*beyond, *ids, *beyond]) == 'a b'
  assert vocabulary.piece(vocabulary.size) == ''


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'revise': '<|nothing|>'}, r"revise='<\|nothing\|>' is no token of"),
    ({'revise': ''}, r"Tokenizer\.revise=''; name a token"),
    ({'revise': '<|im_end|>'}, 'is also the end or the padding'),
    ({'eos': '</s>'}, "eos='</s>' is no token"),
    ({'stops': ('',)}, 'is no tuple of texts'),
    ({'stops': '\n\n'}, 'is no tuple of texts'),
    ({'path': '/nowhere'}, r'/nowhere holds no tokenizer\.json'),
  ],
)
def test_what_does_not_fit_is_named(qwen, changes, message):
  given = {'path': str(qwen), 'revise': '<|quad_end|>'} | changes
  with pytest.raises(ValueError, match=message):
    _ = Tokenizer(**given).end_ids


def test_a_folder_that_names_no_end(tmp_path):
  toys.qwen(tmp_path)
  (tmp_path / 'generation_config.json').unlink()
  (tmp_path / 'tokenizer_config.json').unlink()
  vocabulary = Tokenizer(str(tmp_path), '<|quad_end|>')
  with pytest.raises(ValueError, match=r'set Tokenizer\.eos'):
    _ = vocabulary.eos_id
  named = Tokenizer(str(tmp_path), '<|quad_end|>', eos='<|im_end|>')
  assert named.pad_id == named.eos_id


def test_files_that_do_not_belong_together(tmp_path):
  toys.qwen(tmp_path)
  (tmp_path / 'generation_config.json').write_text('{"eos_token_id": 151645}')
  with pytest.raises(ValueError, match='not of one model'):
    _ = Tokenizer(str(tmp_path), '<|quad_end|>').eos_id
  (tmp_path / 'tokenizer.json').write_text('{}')
  with pytest.raises(ValueError, match='not a tokenizer'):
    Tokenizer(str(tmp_path), '<|quad_end|>').encode('a')
