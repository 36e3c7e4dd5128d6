import pytest

from tests.data import toys
from ttc.data.tokenizer import Tokenizer
from ttc.data.vocabulary import WordVocabulary
from ttc.examples.context import context_tokens, one_end, strip_end

VOCABULARY = WordVocabulary(('7', '8'))
PROMPT, R = [3, 4], VOCABULARY.revise_id


@pytest.mark.parametrize(
  ('attempts', 'keep', 'expected'),
  [
    ([], 4, [3, 4]),
    ([[3]], 4, [3, 4, 3, R]),
    ([[3], [4, 4]], 4, [3, 4, 3, R, 4, 4, R]),
    ([[3], [4, 4], [3, 3]], 2, [3, 4, 4, 4, R, 3, 3, R]),
    ([[3], [4, 4]], 0, [3, 4]),
    ([[]], 4, [3, 4, R]),
  ],
)
def test_context_is_the_most_recent_attempts_in_order(attempts, keep, expected):
  assert context_tokens(PROMPT, attempts, R, keep) == expected
  assert PROMPT == [3, 4]


def test_a_verifier_reads_one_end():
  end = VOCABULARY.eos_id
  assert one_end([3, 4, R], VOCABULARY) == [3, 4, end]
  assert one_end([3, 4, end], VOCABULARY) == [3, 4, end]
  for unended in ([3, 4], [R, 4], []):
    assert one_end(unended, VOCABULARY) == unended


def test_four_attempts_are_kept_by_default():
  attempts = [[i] for i in range(10)]
  assert context_tokens([], attempts, R) == [6, R, 7, R, 8, R, 9, R]


def test_a_negative_number_of_attempts_is_refused():
  with pytest.raises(ValueError, match='keep=-1'):
    context_tokens(PROMPT, [[3]], R, -1)


def test_only_one_end_is_stripped():
  end = VOCABULARY.eos_id
  assert strip_end([3, 4, end], VOCABULARY) == [3, 4]
  assert strip_end([3, 4, R], VOCABULARY) == [3, 4]
  assert strip_end([3, 4], VOCABULARY) == [3, 4]
  assert strip_end([end], VOCABULARY) == []
  assert strip_end([], VOCABULARY) == []


def test_an_end_that_has_text_is_part_of_the_attempt(tmp_path):
  vocabulary = Tokenizer(
    str(toys.qwen(tmp_path)), '<|quad_end|>', stops=('\n\n',)
  )
  text = 'The sum is 3.\n\n'
  tokens = vocabulary.encode(text)
  assert tokens[-1] in vocabulary.end_ids
  assert vocabulary.piece(tokens[-1]) == '.\n\n'
  assert strip_end(tokens, vocabulary) == tokens
  for end in (vocabulary.eos_id, vocabulary.revise_id):
    assert strip_end([*tokens, end], vocabulary) == tokens
