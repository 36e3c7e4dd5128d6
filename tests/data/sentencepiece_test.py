import io

import numpy as np
import pytest
import sentencepiece

from tests.data import toys
from ttc.data.sentencepiece import SentencePiece
from ttc.data.vocabulary import step_end_table


@pytest.fixture(scope='module')
def path(tmp_path_factory):
  model = io.BytesIO()
  lines = [line for text in toys.CORPUS for line in text.split('\n') if line]
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(lines * 20),
    model_writer=model,
    vocab_size=320,
    model_type='bpe',
    byte_fallback=True,
    user_defined_symbols=['<unused0>', '<start_of_turn>'],
    normalization_rule_name='identity',
    remove_extra_whitespaces=False,
    hard_vocab_limit=False,
    minloglevel=2,
  )
  path = tmp_path_factory.mktemp('sp') / 'toy.model'
  path.write_bytes(model.getvalue())
  return str(path)


def test_text_survives_tokens_and_steps_end_at_newlines(path):
  vocabulary = SentencePiece(path, '<unused0>')
  ends = step_end_table(vocabulary, '\n')
  rng = np.random.default_rng(0)
  for _ in range(300):
    text = ''.join(rng.choice(list('ab .$\\\n01é🙂'), rng.integers(1, 30)))
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert ends[ids].sum() == text.count('\n')
  with pytest.raises(ValueError, match='splits the delimiter'):
    step_end_table(vocabulary, '\n\n')


def test_specials(path):
  vocabulary = SentencePiece(path, '<unused0>')
  assert vocabulary.begin_ids == (1,)
  assert SentencePiece(path, '<unused0>', begin=False).begin_ids == ()
  ids = vocabulary.encode_template('<start_of_turn>user\nHi')
  assert ids[0] == 1
  assert vocabulary.encode_template('<start_of_turn>user\nHi', False) == ids[1:]
  assert vocabulary.spelt_special('a <start_of_turn>') == '<start_of_turn>'
  assert vocabulary.spelt_special('a <s> <0x0A>') == ''
  assert not vocabulary.special_ids & set(vocabulary.encode('</s><s>'))
  assert (
    vocabulary.decode(
      [
        vocabulary.revise_id,
        *vocabulary.encode('Hi'),
        vocabulary.eos_id,
        vocabulary.size + 3,
      ]
    )
    == 'Hi'
  )
  assert vocabulary.piece(vocabulary.size) == ''
  with pytest.raises(ValueError, match='spells <unused0>'):
    vocabulary.encode('a<unused0>')


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'revise': '<nothing>'}, 'is no piece of'),
    ({'revise': '</s>'}, 'is also the end'),
    ({'path': '/nowhere'}, 'is not a file'),
  ],
)
def test_what_does_not_fit_is_named(path, changes, message):
  given = {'path': path, 'revise': '<unused0>'} | changes
  with pytest.raises(ValueError, match=message):
    _ = SentencePiece(**given).end_ids
