import numpy as np
import pytest

from ttc.data.vocabulary import end_table, step_end_table, WordVocabulary

VOCABULARY = WordVocabulary(
  (*map(str, range(1, 21)), *(f'{n}:' for n in range(10, 21)), *'+-*/=?\n')
)


def test_every_sequence_of_words_survives_text():
  rng = np.random.default_rng(0)
  for _ in range(300):
    ids = rng.integers(3, VOCABULARY.size, rng.integers(0, 40)).tolist()
    assert VOCABULARY.encode(VOCABULARY.decode(ids)) == ids


def test_every_text_that_encodes_survives_tokens():
  rng = np.random.default_rng(1)
  taken = 0
  for _ in range(3_000):
    text = ''.join(rng.choice(list('12:0 +=\n'), rng.integers(0, 6)))
    try:
      ids = VOCABULARY.encode(text)
    except ValueError:
      continue
    taken += 1
    assert VOCABULARY.decode(ids) == text
  assert 300 < taken < 2_700


def test_only_words_are_parted_by_a_space():
  text = '13: 7*2=14 14-1=13\n17: 1'
  assert VOCABULARY.decode(VOCABULARY.encode(text)) == text
  assert len(VOCABULARY.encode(text)) == 14


@pytest.mark.parametrize(
  ('text', 'word', 'offset'),
  [
    ('7*2=x', "'x'", 4),
    ('7 *2', "' '", 1),
    ('7  2', "' '", 1),
    (' 7', "' '", 0),
    ('7 ', "' '", 1),
    ('7+21', "'21'", 2),
    ('13:7', "'13:7'", 0),
    ('1 :', "':'", 2),
    ('7+A', "'A'", 2),
    ('07', "'07'", 0),
    ('7+٣', "'٣'", 2),
    ('7\r\n', r"'\\r'", 1),
    ('9' * 5_000, f"'{'9' * 20}'", 0),
  ],
)
def test_unknown_text_is_named_with_its_offset(text, word, offset):
  with pytest.raises(ValueError, match=f'{word} at offset {offset} '):
    VOCABULARY.encode(text)


def test_special_ids_have_no_text_and_are_never_encoded():
  ids = VOCABULARY.encode('7+2')
  special = {VOCABULARY.pad_id, VOCABULARY.eos_id, VOCABULARY.revise_id}
  assert len(special) == 3
  assert VOCABULARY.decode([*special, *ids, *special]) == '7+2'
  assert VOCABULARY.piece(VOCABULARY.revise_id) == '<revise>'
  with pytest.raises(ValueError, match="'<' at offset 0"):
    VOCABULARY.encode('<eos>')


def test_steps_end_at_the_delimiter_and_where_an_attempt_ends():
  ends = np.flatnonzero(step_end_table(VOCABULARY, '\n')).tolist()
  newline = VOCABULARY.encode('\n')
  assert ends == sorted([VOCABULARY.eos_id, VOCABULARY.revise_id, *newline])


def test_a_token_that_holds_the_delimiter_ends_a_step():
  class Glued(WordVocabulary):
    def piece(self, id):
      return super().piece(id).replace('?', '.\n\n')

  table = step_end_table(Glued(('?', '7', '\n')), '\n')
  assert table.tolist() == [False, True, True, True, False, True]


def test_padding_ends_no_step():
  vocabulary = WordVocabulary(('7', 'p'))  # as in <pad>
  assert np.flatnonzero(step_end_table(vocabulary, 'p')).tolist() == [
    vocabulary.eos_id,
    vocabulary.revise_id,
    *vocabulary.encode('p'),
  ]


def test_a_delimiter_that_no_token_holds_is_refused():
  with pytest.raises(ValueError, match=r"splits the delimiter '\\n\\n' into"):
    step_end_table(VOCABULARY, '\n\n')


def test_every_end_of_an_attempt_ends_it():
  ends = np.flatnonzero(end_table(VOCABULARY)).tolist()
  assert ends == sorted([VOCABULARY.eos_id, VOCABULARY.revise_id])


def test_step_end_table_refuses_an_empty_delimiter():
  with pytest.raises(ValueError, match='delimiter'):
    step_end_table(VOCABULARY, '')


@pytest.mark.parametrize(
  'words',
  [
    ('++',),
    (' ',),
    ('',),
    ('1', '2', '1'),
    ('1+',),
    ('٣٤',),
    ('é',),
    ('_',),
    ('+:',),
  ],
)
def test_vocabulary_refuses_words_it_could_not_part(words):
  with pytest.raises(ValueError, match=r'WordVocabulary\.words'):
    WordVocabulary(words)
