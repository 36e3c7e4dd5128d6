import collections

import numpy as np
import pytest

from ttc.data.worksheet import Worksheet
from ttc.examples.marks import Marks
from ttc.examples.trajectories import nearest_rows, Trajectories

V = Worksheet().vocabulary
PROMPT = V.encode('13: 7 2 1?')


def distance(a, b):
  """Character edit distance, row by row."""
  before = list(range(len(b) + 1))
  for i, x in enumerate(a, start=1):
    now = [i]
    for j, y in enumerate(b, start=1):
      now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (x != y)))
    before = now
  return before[-1]


def make_record(problem, right, wrong, unparsable=0):
  rng = np.random.default_rng((9, problem))
  rows, texts = [], set()
  while len(rows) < right + wrong + unparsable:
    text = V.decode(rng.integers(3, V.size, rng.integers(3, 12)))
    if text in texts:
      continue
    texts.add(text)
    i = len(rows)
    end = [[V.eos_id], [V.revise_id], []][rng.integers(3)]
    rows.append(
      {
        'tokens': V.encode(text) + end,
        'text': text,
        'correct': i < right,
        'answer': text if i < right + wrong else None,
      }
    )
  return {
    'problem': problem,
    'rows': [rows[i] for i in rng.permutation(len(rows))],
  }


def read(document):
  """Context attempts and target of a trajectory, as text."""
  tokens = document.tokens.tolist()
  assert tokens[: len(PROMPT)] == PROMPT
  assert tokens[-1] == V.eos_id
  context = tokens[len(PROMPT) : document.loss_start]
  assert not context or context[-1] == V.revise_id
  attempts, last = [], []
  for token in context:
    if token == V.revise_id:
      attempts.append(V.decode(last))
      last = []
    else:
      last.append(token)
  target = tokens[document.loss_start : -1]
  assert V.eos_id not in tokens[:-1]
  assert V.revise_id not in target
  return attempts, V.decode(target)


def graded(record):
  """Texts of right and of wrong parsable samples."""
  texts = {True: [], False: []}
  for row in record['rows']:
    if row['answer'] is not None:
      texts[row['correct']].append(row['text'])
  return texts[True], texts[False]


def test_nearest_is_what_brute_force_finds():
  for problem in range(20):
    record = make_record(problem, right=4, wrong=9)
    right = [r for r in record['rows'] if r['correct']]
    wrong = [r for r in record['rows'] if not r['correct']]
    for target, found in zip(right, nearest_rows(right, wrong), strict=True):
      lengths = [distance(target['text'], r['text']) for r in wrong]
      assert found == lengths.index(min(lengths))


def test_trajectories_are_as_the_paper_says():
  lengths = collections.Counter()
  for problem in range(60):
    record = make_record(problem, right=5, wrong=7, unparsable=3)
    right, wrong = graded(record)
    documents = Trajectories()(record, PROMPT, V)
    assert [read(d)[1] for d in documents] == right
    for document in documents:
      attempts, target = read(document)
      assert document.problem == problem
      assert len(set(attempts)) == len(attempts)
      assert set(attempts) <= set(wrong)
      lengths[len(attempts)] += 1
      if attempts:
        nearest = min(distance(target, text) for text in wrong)
        assert distance(target, attempts[-1]) == nearest
  # 300 draws, uniform over 0..4: 60 each with SD 6.9.
  assert set(lengths) == set(range(5))
  assert max(abs(n - 60) for n in lengths.values()) < 28


def test_the_other_attempts_are_any_of_the_wrong_ones():
  record = make_record(0, right=1, wrong=4)
  _, wrong = graded(record)
  first = collections.Counter()
  for seed in range(600):
    (document,) = Trajectories(seed=seed)(record, PROMPT, V)
    attempts, _ = read(document)
    first.update(attempts[:1] if len(attempts) == 4 else [])
  assert len(first) == len(wrong) - 1  # all but the nearest, which comes last
  assert min(first.values()) > 15  # 40 expected


@pytest.mark.parametrize(('wrong', 'longest'), [(0, 0), (1, 1), (3, 3), (9, 4)])
def test_context_is_no_longer_than_there_are_wrong_samples(wrong, longest):
  record = make_record(3, right=6, wrong=wrong)
  lengths = {
    len(read(d)[0])
    for seed in range(40)
    for d in Trajectories(seed=seed)(record, PROMPT, V)
  }
  assert lengths == set(range(longest + 1))


def test_control_has_the_same_targets_without_history():
  record = make_record(1, right=9, wrong=9)
  fields = dict(max_targets=4, right_share=0.5, seed=3)
  targets = [read(d)[1] for d in Trajectories(**fields)(record, PROMPT, V)]
  control = Trajectories(max_context=0, **fields)(record, PROMPT, V)
  assert [read(d) for d in control] == [([], target) for target in targets]
  assert len(targets) == 4
  assert {d.loss_start for d in control} == {len(PROMPT)}


def test_cap_takes_random_targets_once():
  record = make_record(2, right=8, wrong=2)
  taken = collections.Counter()
  for seed in range(200):
    targets = [
      read(d)[1]
      for d in Trajectories(max_targets=2, seed=seed)(record, PROMPT, V)
    ]
    assert len(set(targets)) == 2
    taken.update(targets)
  assert len(taken) == 8
  assert min(taken.values()) > 25  # 50 expected


def test_equal_samples_may_count_once():
  record = make_record(4, right=2, wrong=3)
  twice = {**record, 'rows': record['rows'] * 2}
  assert len(Trajectories()(twice, PROMPT, V)) == 4
  distinct = Trajectories(distinct=True)
  assert key(distinct(twice, PROMPT, V)) == key(distinct(record, PROMPT, V))


def test_a_share_of_contexts_ends_in_the_target_itself():
  ends = []
  for problem in range(100):
    record = make_record(problem, right=3, wrong=5)
    _, wrong = graded(record)
    for document in Trajectories(right_share=0.4)(record, PROMPT, V):
      attempts, target = read(document)
      ends.append(attempts[-1:] == [target])
      before = attempts[:-1] if ends[-1] else attempts
      assert set(before) <= set(wrong)
      assert len(set(attempts)) == len(attempts) <= 4
      if before:
        nearest = min(distance(target, text) for text in wrong)
        assert distance(target, before[-1]) == nearest
  assert abs(np.mean(ends) - 0.4) < 0.1


def test_a_right_attempt_needs_no_wrong_one_before_it():
  record = make_record(5, right=3, wrong=0)
  for document in Trajectories(right_share=1.0)(record, PROMPT, V):
    attempts, target = read(document)
    assert attempts == [target]


def test_questions_do_not_depend_on_each_other():
  records = [make_record(problem, 3, 5) for problem in range(10)]
  forward = [key(Trajectories()(r, PROMPT, V)) for r in records]
  backward = [key(Trajectories()(r, PROMPT, V)) for r in records[::-1]]
  assert forward == backward[::-1]
  other = [key(Trajectories(seed=1)(r, PROMPT, V)) for r in records]
  assert forward != other


def key(documents):
  return [(d.tokens.tolist(), d.loss_start, d.problem) for d in documents]


def test_a_question_without_right_samples_yields_nothing():
  assert Trajectories()(make_record(6, 0, 5, 2), PROMPT, V) == []


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'max_context': -1}, 'max_context'),
    ({'max_targets': 0}, 'max_targets'),
    ({'right_share': 1.1}, 'right_share'),
  ],
)
def test_nonsense_is_refused(fields, message):
  with pytest.raises(ValueError, match=rf'Trajectories\.{message}'):
    Trajectories(**fields)


def test_marked_trajectories_are_those_without_marks_with_marks():
  task = Worksheet()
  marks = Marks(task, good='+', bad='?', threshold=0.5)
  plain, marked = Trajectories(), Trajectories(marks=marks)
  differ = 0
  for problem in range(20):
    record = make_record(problem, right=3, wrong=5)
    rng = np.random.default_rng(problem)
    by_text = {}
    for row in record['rows']:
      row['values'] = rng.random(len(marks.ends(row['tokens']))).tolist()
      by_text[row['text']] = row
    pairs = zip(
      plain(record, PROMPT, V), marked(record, PROMPT, V), strict=True
    )
    for one, other in pairs:
      attempts, _ = read(one)
      context = list(PROMPT)
      for text in attempts:
        row = by_text[text]
        context += marks(row['tokens'], row['values'])
      target = one.tokens[one.loss_start :].tolist()
      assert other.tokens.tolist() == context + target
      assert other.loss_start == len(context)
      differ += bool(attempts)
  assert differ
  assert Trajectories(max_context=0, marks=marks)(record, PROMPT, V)[
    0
  ].loss_start == len(PROMPT)
