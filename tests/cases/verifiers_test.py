"""Verifiers of others: read at the tokens that they were trained on.

An id is that of a case and where it was reported.
"""

import dataclasses

import numpy as np
import pytest

from tests import testing
from tests.data import toys
from ttc.data.tokenizer import Tokenizer
from ttc.inference.verifier_text import Bridge
from ttc.models.reader import Reader, READERS

ASKED = 'What is 4+5?'
STEPS = ('We add.', 'So it is 9.')


def case(id, source, *values):
  return pytest.param(*values, id=f'{id} {source}')


def bridge(folder, reader, vocabulary=None):
  """A bridge from a tokenizer, or itself, whose steps end in blank lines."""
  tokens = Tokenizer(str(folder), '<gap>').size
  vocabulary = vocabulary or Tokenizer(str(folder), '<gap>')
  ends = ['\n\n' in vocabulary.piece(id) for id in range(vocabulary.size)]
  cfg = testing.small_config(vocab_size=tokens, context=512)
  path = folder / 'tokenizer.json'
  made = Bridge(reader, path, vocabulary, np.array(ends), {0: ASKED}, cfg)
  return made, vocabulary


def read(folder, reader, steps=STEPS):
  """Texts of the verifier's tokens, and of those at which values are read."""
  made, vocabulary = bridge(folder, reader)
  text = made.text(0, vocabulary.encode('\n\n'.join(steps)), 0)
  places = [place for place, _ in text.value_positions]
  return list(text.tokens), places, vocabulary, text.start


@pytest.mark.parametrize(
  'reader',
  [
    case(
      'R-trl', 'ProcessBench run_eval_prm_trl', Reader('{question}\n', '\n')
    ),
    case('R-trl', 'trl#2127', READERS['trl']),
    case('R-trl', 'said', Reader('{question}\n', '\n', apart=True)),
  ],
)
def test_a_separator_is_encoded_apart(tmp_path, reader):
  folder = toys.bare(tmp_path, ('<eos>', '<gap>'))
  tokens, places, vocabulary, start = read(folder, reader)
  expected = vocabulary.encode(f'{ASKED}\n')
  assert start == len(expected)
  ends = []
  for step in STEPS:
    expected += vocabulary.encode(step) + vocabulary.encode('\n')
    ends.append(len(expected) - 1)
  assert tokens == expected
  assert places == ends
  assert {vocabulary.piece(tokens[place]) for place in places} == {'\n'}


def test_a_verifier_that_saw_whole_texts_is_read_so(tmp_path):
  folder = toys.bare(tmp_path, ('<eos>', '<gap>'))
  reader = Reader('{question}\n', '\n', apart=False)
  tokens, places, vocabulary, _ = read(folder, reader)
  assert tokens == vocabulary.encode(f'{ASKED}\nWe add.\nSo it is 9.\n')
  assert {vocabulary.piece(tokens[place]) for place in places} == {'.\n'}


def test_what_stands_between_steps_is_encoded_apart_too(tmp_path):
  folder = toys.bare(tmp_path, ('<eos>', '<gap>'))
  reader = Reader('{question}', '\n\n', after='Then', apart=True)
  tokens, places, vocabulary, _ = read(folder, reader)
  parts = (ASKED, 'We add.', '\n\n', 'Then', 'So it is 9.', '\n\n')
  assert tokens == [id for part in parts for id in vocabulary.encode(part)]
  assert {vocabulary.piece(tokens[place]) for place in places} == {'\n\n'}


def test_a_special_separator_is_the_same_apart_or_not(tmp_path):
  folder = toys.bare(tmp_path, ('<eos>', '<gap>', '<extra_0>'))
  reader = Reader('{question}', '<extra_0>')
  found = [
    read(folder, dataclasses.replace(reader, apart=apart))
    for apart in (None, False, True)
  ]
  assert found[0][:2] == found[1][:2] == found[2][:2]
  tokens, places, vocabulary, _ = found[0]
  assert [vocabulary.piece(tokens[place]) for place in places] == [
    '<extra_0>',
    '<extra_0>',
  ]


@pytest.mark.parametrize(
  ('reader', 'special', 'message'),
  [
    case(
      'R-extra',
      'Qwen2.5-Math-PRM',
      READERS['qwen2.5-math-prm'],
      ('<|im_start|>', '<|im_end|>'),
      "spells '<extra_0>', which is not one token of .*tokenizer.json",
    ),
    case(
      'R-extra',
      'its prompt',
      READERS['qwen2.5-math-prm'],
      ('<extra_0>',),
      r"spells '<\|im_end\|>'",
    ),
    case(
      'R-extra',
      'what stands between steps',
      Reader('{question}', '\n', after='<|eot_id|>'),
      (),
      r"spells '<\|eot_id\|>'",
    ),
    case(
      'R-extra',
      'a tag of one letter less',
      Reader('{question}', '<extra_1>'),
      ('<extra_0>',),
      "spells '<extra_1>'",
    ),
    case(
      'R-extra',
      'a word that stands for a token',
      Reader('{question}', ' ⶻ'),
      (),
      "spells ' ⶻ'",
    ),
  ],
)
def test_a_separator_that_the_tokenizer_splits(
  tmp_path, reader, special, message
):
  folder = toys.bare(tmp_path, ('<eos>', '<gap>', *special))
  with pytest.raises(ValueError, match=f'{message}.*--tokenizer=FOLDER'):
    bridge(folder, reader)


def test_a_word_that_stands_for_a_token(tmp_path):
  """Case R-shepherd: Math-Shepherd has a word of another script."""
  folder = toys.bare(tmp_path, ('<eos>', '<gap>'))
  reader = dataclasses.replace(READERS['math-shepherd'], good=None, bad=None)
  tokens, places, vocabulary, _ = read(folder, reader)
  assert [vocabulary.piece(tokens[place]) for place in places] == [' ки', ' ки']


def test_a_verifier_begins_as_its_files_say(tmp_path):
  """Case T-bos: the verifier's BOS is asked for by its configuration."""
  folder = toys.bare(
    tmp_path,
    ('<bos>', '<eos>', '<gap>'),
    bos_token='<bos>',
    add_bos_token=True,
    tokenizer_class='LlamaTokenizerFast',
  )
  tokens, places, vocabulary, start = read(folder, READERS['trl'])
  assert [vocabulary.piece(id) for id in tokens].count('<bos>') == 1
  assert vocabulary.piece(tokens[0]) == '<bos>'
  assert vocabulary.decode(tokens[:start]) == f'{ASKED}\n'
  assert {vocabulary.piece(tokens[place]) for place in places} == {'\n'}


def test_steps_spell_no_control_token_of_the_verifier(tmp_path):
  """Case T-control: also one that the file calls ordinary."""
  folder = toys.bare(tmp_path / 'v', ('<eos>', '<gap>'), ('<｜Reply｜>',))
  proposer = Tokenizer(str(toys.qwen(tmp_path / 'p')), '<|quad_end|>')
  made, _ = bridge(folder, READERS['trl'], proposer)
  text = made.text(0, proposer.encode('Say <｜Reply｜>9.'), 0)
  reply = Tokenizer(str(folder), '<gap>')
  assert '<｜Reply｜>' not in {reply.piece(id) for id in text.tokens}


def test_ids_of_a_preset_are_those_of_one_tokenizer(tmp_path):
  """648 and 387 are + and - to Mistral, and parts of words to Llama 3."""
  folder = toys.bare(tmp_path, ('<eos>', '<gap>'))
  tokens = Tokenizer(str(folder), '<gap>')
  (plus,), (minus,) = tokens.encode('+'), tokens.encode('-')
  reader = Reader('{question}\n', '\n', good=648, bad=387)
  with pytest.raises(
    ValueError, match=r"token 648 for '\+', and in .*json it is"
  ):
    bridge(folder, reader)
  for own in ({'good': plus, 'bad': minus}, {'good': minus, 'bad': plus}):
    bridge(folder, dataclasses.replace(reader, **own))  # whatever they are


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'prompt': 3}, 'Reader.prompt=3; give a text'),
    ({'before': ['\n']}, r"Reader.before=\['\\n'\]; give a text"),
    ({'after': None}, 'Reader.after=None; give a text'),
    ({'apart': 'no'}, "Reader.apart='no'; give true or false"),
    ({'trim': 0}, 'Reader.trim=0; give true or false'),
    ({'good': '10', 'bad': '12'}, "Reader.good='10'; give the id of a token"),
    ({'good': True, 'bad': 0}, 'Reader.good=True; give the id of a token'),
    ({'good': 10, 'bad': 10}, 'both 10, .*; give two tokens'),
    ({'good': 10}, 'give both tokens, or neither'),
  ],
)
def test_a_reader_of_other_types(changes, message):
  """A text for a flag was true, and one token twice gave equal values."""
  fields = {'prompt': '{question}\n', 'before': '\n', **changes}
  with pytest.raises(ValueError, match=message):
    Reader.from_json(fields)


def test_a_reader_that_is_no_object():
  with pytest.raises(ValueError, match=r"\['prompt'\] is no object"):
    Reader.from_json(['prompt'])


def test_a_reader_is_kept_as_it_was(tmp_path):
  """Its identity has no field that came later, unless it is set."""
  old = {
    'prompt': '{question}',
    'before': '<extra_0>',
    'after': '',
    'trim': True,
    'good': None,
    'bad': None,
  }
  assert Reader.from_json(old).to_json() == old
  assert READERS['trl'].to_json()['apart'] is True
  assert Reader.from_json(READERS['trl'].to_json()) == READERS['trl']
