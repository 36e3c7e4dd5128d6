"""Tests of grading and voting on what people and models write."""

import concurrent.futures
import itertools
import operator
import pickle
import random
import sys

import pytest

from tests.grading import corpus
from ttc.grading import grader as grader_module
from ttc.grading.grader import Grader, Limits
from ttc.runtime.termination import Terminated


def _partition(answers, numbers):
  classes = {}
  for answer, number in zip(answers, numbers, strict=True):
    classes.setdefault(number, set()).add(answer)
  return {frozenset(members) for members in classes.values()}


def test_every_answer_is_itself(grader):
  for answer in corpus.ANSWERS:
    verdict = grader.grade('\\boxed{z}', answer)
    assert verdict.correct is False
    if answer:
      assert grader.grade(answer, answer).correct
      assert grader.grade(answer, f' ${answer}$. ').correct


def test_grading_is_symmetric(grader):
  answers = [answer for answer in corpus.ANSWERS if answer]
  for a, b in itertools.combinations(answers, 2):
    verdict = grader.grade(a, b)
    if verdict.reason in ('equal', 'different'):
      assert verdict.correct == grader.grade(b, a).correct, (a, b)


def test_classes_partition_in_any_order(grader):
  answers = list(corpus.ANSWERS)
  expected = _partition(answers, grader.classes(answers))
  shuffled = random.Random(0).sample(answers, len(answers))
  assert _partition(shuffled, grader.classes(shuffled)) == expected


def test_classes_join_what_is_graded_equal_and_nothing_else(grader):
  answers = [a for a in corpus.ANSWERS if a and '\\%' not in a]
  number = dict(zip(answers, grader.classes(answers), strict=True))
  only_joined = set()
  for a, b in itertools.combinations(answers, 2):
    if grader.grade(a, b).correct:
      assert number[a] == number[b], (a, b)
    elif number[a] == number[b]:
      only_joined.add((a, b))
  # An expression is no equation, but `y = expression` may be either.
  assert only_joined == {
    ('x^2 - 1', 'x^2 - y = 1'),
    ('(x-1)(x+1)', 'x^2 - y = 1'),
  }


def test_classes_are_numbered_as_they_come_and_none_is_apart(grader):
  found = grader.classes(['7', None, '1/2', '0.5', ' ', '7.0', '\\frac12'])
  assert found == [0, -1, 1, 1, -1, 0, 1]
  assert grader.classes([]) == []


def test_long_answers_are_told_by_their_text(grader):
  long, other = 'x+' * 1200 + '1', 'x+' * 1200 + '2'
  assert grader.classes([long, '1', other, long]) == [0, 1, 2, 0]
  assert grader.grade(long, long).reason == 'equal'
  assert grader.grade(long, other).reason == 'too long'
  assert grader.canonical(long) != grader.canonical(other)


def test_canonical_names_are_equal_for_equal_answers(grader):
  names = [grader.canonical(a) for a in ('0.5', '\\frac12', 'x=1/2', '50/100')]
  assert len(set(names)) == 1
  assert grader.canonical('1/3') != names[0]


@pytest.mark.parametrize(
  ('pred', 'kind', 'reason'),
  [
    (None, 'answer', 'no answer'),
    ('', 'answer', 'no answer'),
    ('No idea.', 'response', 'no answer'),
    ('so \\boxed{1', 'response', 'cut short'),
    ('6', 'answer', 'different'),
    ('5', 'answer', 'equal'),
    ('5 ' * 1001, 'answer', 'too long'),
    ('5 ' * 1000, 'response', 'equal'),
  ],
)
def test_reasons(grader, pred, kind, reason):
  verdict = grader.grade('5', pred, kind)
  assert verdict.reason == reason
  assert verdict.correct == (reason == 'equal')


def test_a_reference_with_its_decimal_accepts_both(grader):
  gold = '\\$\\dfrac23 \\approx \\$0.67'
  assert grader.grade(gold, '0.67').correct
  assert grader.grade(gold, '2/3').correct
  assert not grader.grade(gold, '0.6').correct


def test_references_may_be_boxed_or_marked(grader):
  assert grader.grade('2 + 3 = 5\n#### 5', '5').correct
  assert grader.grade('Hence $\\boxed{5}$.', '5').correct


@pytest.mark.parametrize('gold', ['', '  ', '\\boxed{}'])
def test_an_empty_reference_is_refused(grader, gold):
  with pytest.raises(ValueError, match='reference answer is empty'):
    grader.grade(gold, '5')


def test_wrong_settings_are_refused(grader):
  with pytest.raises(ValueError, match="kind is 'essay'"):
    grader.grade('5', '5', 'essay')
  with pytest.raises(ValueError, match='workers'):
    Grader(workers=-1)
  with pytest.raises(ValueError, match='seconds'):
    Grader(limits=Limits(seconds=0))


def test_without_workers_hard_pairs_are_different():
  alone = Grader(workers=0)
  assert not alone.grade('6', '\\sum_{k=1}^{3} k').correct
  assert alone.grade('0.5', '\\frac12').correct


def test_workers_find_what_cheap_means_leave_open(grader):
  for a, b, expected in [
    ('\\cos 2x', '2\\cos^2 x - 1', True),
    ('\\tan 15^\\circ', '2 - \\sqrt3', True),
    ('6', '\\sum_{k=1}^{3} k', True),
    ('7', '\\sum_{k=1}^{3} k', False),
    ('\\frac12', '\\int_0^1 x\\,dx', True),
    ('(1, \\infty)', '3x + 1 > 4', True),
    ('262537412640768744', 'e^{\\pi\\sqrt{163}}', False),
    ('\\sqrt{x^2}', 'x', False),
    ('\\sqrt{x^2}', '|x|', True),
    ('0', '\\sin^2 x + \\cos^2 x - 1', True),
  ]:
    assert grader.grade(a, b).correct is expected, (a, b)
    assert grader.grade(b, a).correct is expected, (b, a)


def test_many_rows_at_once_are_graded_in_order(grader):
  rows = [(str(i), str(i if i % 3 else i + 1), 'answer') for i in range(200)]
  verdicts = grader.grade_many(rows)
  assert [v.correct for v in verdicts] == [i % 3 > 0 for i in range(200)]


def test_threads_agree_with_one_another(grader):
  pairs = [
    (a, b) for a in corpus.ANSWERS[:12] for b in corpus.ANSWERS[:40] if a
  ]
  pairs += [('6', f'\\sum_{{k=1}}^{{3}} k + {i}') for i in range(20)]

  def graded(seed):
    mixed = random.Random(seed).sample(pairs, len(pairs))
    return {pair: grader.grade(*pair).correct for pair in mixed}

  with concurrent.futures.ThreadPoolExecutor(8) as executor:
    first, *others = executor.map(graded, range(8))
  assert all(other == first for other in others)


@pytest.mark.parametrize('where', ['parser.read', 'classes.key', 'same'])
def test_an_exception_in_voting_costs_one_answer(monkeypatch, where):
  real = operator.attrgetter(where)(grader_module)

  def function(text, *args, **kwargs):
    if 'BUG' in repr(text):
      raise RecursionError('a bug')
    return real(text, *args, **kwargs)

  monkeypatch.setattr(f'ttc.grading.grader.{where}', function)
  alone = Grader(workers=0)
  answers = ['1/2', '"BUG"', '0.5', '3']
  assert alone.classes(answers) == [0, 1, 0, 2]
  assert len({alone.canonical(answer) for answer in answers}) == 3


@pytest.mark.parametrize('error', [KeyboardInterrupt, Terminated])
def test_signals_pass_through(monkeypatch, error):
  def function(*args, **kwargs):
    raise error

  alone = Grader(workers=0)
  monkeypatch.setattr('ttc.grading.grader.same', function)
  with pytest.raises(error):
    alone.grade('x', 'y')
  with pytest.raises(error):
    alone.classes(['x', 'y+\\sin 1'])


def test_long_texts_are_not_kept():
  alone = Grader(workers=0, limits=Limits(characters=10))
  text = f'{"1" * 100}+x'
  alone.grade('5', text)
  alone.classes(['5', text])
  assert sys.getrefcount(text) == 2


def test_pickling_keeps_the_settings():
  copy = pickle.loads(pickle.dumps(Grader(2, Limits(seconds=0.25))))  # noqa: S301
  assert copy.grade('0.5', '1/2').correct
  copy.close()
