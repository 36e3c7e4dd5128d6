"""What is kept of answers, against plain loops over random records."""

import collections
import itertools

import numpy as np
import pytest

from ttc.data.worksheet import Worksheet
from ttc.distillation import keeping

V = Worksheet().vocabulary
PROMPT = V.encode('13: 7 2 1?')


def answers(rng, count):
  """Rows of few texts, so that many are equal, some cut short or unparsable."""
  rows = []
  for _ in range(count):
    text = V.decode(rng.integers(3, 6, rng.integers(1, 4)))
    end = [[V.eos_id], [V.revise_id], []][rng.integers(3)]
    parsed = rng.random() < 0.8
    rows.append(
      {
        'tokens': V.encode(text) + end,
        'text': [text, f' {text}', text.replace(' ', '\n')][rng.integers(3)],
        'answer': text if parsed else None,
        'correct': parsed and len(text) % 2 == 0,
        'truncated': bool(rng.random() < 0.2),
        'values': rng.random(3).tolist(),
      }
    )
  return rows


@pytest.mark.parametrize('least', [None, 0.0, 0.6, 1.0])
def test_what_is_kept_is_right_whole_and_distinct(least):
  for seed in range(60):
    rows = answers(np.random.default_rng(seed), seed)
    expected, texts = [], []
    for row in rows:
      good = (
        row['correct']
        if least is None
        else row['answer'] is not None and row['values'][-1] >= least
      )
      text = row['text'].split()
      if good and not row['truncated'] and text not in texts:
        expected.append(row)
        texts.append(text)
    assert keeping.distinct(keeping.accepted(rows, least)) == expected


def test_records_of_a_question_are_one_wherever_they_stand():
  """Any order of questions gives a question the same rows."""
  rng = np.random.default_rng(0)
  records = [
    {'problem': p, 'budget': b, 'rows': answers(rng, 3)}
    for b in (1, 2)
    for p in (4, 9, 2)
  ]
  records.append({'problem': 9, 'decision': {}})
  found = keeping.by_question(records)
  assert [problem for problem, _ in found] == [4, 9, 2]
  for order in itertools.permutations((0, 1, 2)):
    moved = [records[i + 3 * b] for b in (0, 1) for i in order]
    assert dict(keeping.by_question(moved)) == dict(found)
  for problem, rows in found:
    own = [
      r['rows'] for r in records if r['problem'] == problem and 'rows' in r
    ]
    assert rows == [*own[0], *own[1]]


def test_a_cap_draws_each_answer_equally_often_in_their_order():
  rows = [{'text': str(i)} for i in range(6)]
  taken = collections.Counter()
  for problem in range(600):
    kept = keeping.capped(rows, 2, seed=3, problem=problem)
    places = [rows.index(row) for row in kept]
    assert places == sorted(set(places))
    assert len(kept) == 2
    assert kept == keeping.capped(rows, 2, seed=3, problem=problem)
    taken.update(places)
  # 200 expected of each, with a standard deviation below 12.
  assert max(abs(taken[i] - 200) for i in range(6)) < 60
  assert keeping.capped(rows, 2, 4, 0) != keeping.capped(rows, 2, 3, 0)
  for cap in (None, 6, 7):
    assert keeping.capped(rows, cap, 0, 0) == rows


def test_a_document_is_the_prompt_the_answer_and_one_end():
  for row in answers(np.random.default_rng(1), 30):
    document = keeping.document(row, 7, PROMPT, V)
    tokens = document.tokens.tolist()
    assert tokens[: document.loss_start] == PROMPT
    answer = [t for t in row['tokens'] if t not in (V.eos_id, V.revise_id)]
    assert tokens[document.loss_start :] == [*answer, V.eos_id]
    assert document.problem == 7


def test_answers_without_values_cannot_be_accepted_by_them():
  row = {'answer': '1', 'correct': True, 'text': '1', 'tokens': [3]}
  assert keeping.accepted([row], None) == [row]
  with pytest.raises(ValueError, match=r'accept=0\.5 asks for them'):
    keeping.accepted([row], 0.5)
