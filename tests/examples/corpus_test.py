import dataclasses
import functools
import hashlib
import itertools

import numpy as np
import pytest

from ttc.data.countdown import is_solution, is_true, read_line
from ttc.data.worksheet import read_question, Worksheet
from ttc.examples.corpus import Corpus

TASK = Worksheet(num_pretrain=2_000, num_finetune=100, num_test=100)
MIXED = dataclasses.replace(TASK, mixed=True)
MISS = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
CORPUS = Corpus(
  attempts=(0.3, 0.5, 0.2), miss=tuple(MISS), draft=1.5, redo=0.5, keep=0.9
)


@functools.cache
def problems_of(task):
  return {p.id: p for p in task.problems('pretrain')}


@functools.cache
def goal_level(task, numbers, target):
  table = task.table
  same = (table.numbers == numbers).all(axis=1) & (table.target == target)
  return int(task.goal_levels(np.flatnonzero(same))[0])


def levels_of(task, problem):
  return [
    goal_level(task, tuple(numbers), target)
    for numbers, target in read_question(problem.question)
  ]


def read(document, task=TASK):
  """A document's problem and its attempts as text, checking how it is built."""
  tokens = document.tokens.tolist()
  ends = (task.vocabulary.eos_id, task.vocabulary.revise_id)
  problem = problems_of(task)[document.problem]
  assert task.vocabulary.decode(tokens[: document.loss_start]) == (
    task.prompt(problem)
  )
  assert document.tokens.dtype == np.int32
  attempts = [[]]
  for token in tokens[document.loss_start :]:
    attempts[-1].append(token)
    if token in ends:
      attempts.append([])
  assert attempts.pop() == []
  assert [a[-1] for a in attempts] == [ends[1]] * (len(attempts) - 1) + [
    ends[0]
  ]
  return problem, [task.vocabulary.decode(a[:-1]) for a in attempts]


def hits(problem, attempt):
  """Whether each line of an attempt solves its goal."""
  return [
    is_solution(line, *goal)
    for goal, line in zip(
      read_question(problem.question), lines_of(attempt), strict=True
    )
  ]


def lines_of(attempt):
  return [read_line(line.partition(': ')[2]) for line in attempt.split('\n')]


def test_documents_hold_true_arithmetic_and_nothing_else():
  for document in CORPUS.documents(TASK, 0, 500):
    problem, attempts = read(document)
    for attempt in attempts:
      assert TASK.grade(problem, attempt).answer is not None
      assert all(
        is_true(equation) for line in lines_of(attempt) for equation in line
      )


@pytest.mark.parametrize('task', [TASK, MIXED])
def test_shares_are_the_fields(task):
  counts, kept = np.zeros(3), []
  hit = {kind: [[] for _ in range(6)] for kind in ('single', 'draft', 'redo')}
  for document in CORPUS.documents(task, 0, 9_000):
    problem, attempts = read(document, task)
    counts[len(attempts) - 1] += 1
    kind = 'single' if len(attempts) == 1 else 'draft'
    levels = levels_of(task, problem)
    for level, now in zip(levels, hits(problem, attempts[0]), strict=True):
      hit[kind][level].append(now)
    for before, after in itertools.pairwise(attempts):
      for level, was, line, now, other in zip(
        levels,
        hits(problem, before),
        before.split('\n'),
        hits(problem, after),
        after.split('\n'),
        strict=True,
      ):
        if was:
          assert now
          kept.append(line == other)
        else:
          hit['redo'][level].append(now)
  assert np.abs(counts / 9_000 - [0.3, 0.5, 0.2]).max() < 0.03
  for kind, factor in [('single', 1.0), ('draft', 1.5), ('redo', 0.5)]:
    share = [1 - np.mean(level) for level in hit[kind][1:]]
    assert np.abs(share - factor * MISS).max() < 0.06
  # Lines answered anew are by chance the same, mostly: many goals have one.
  assert 0.9 < np.mean(kept) < 0.98


def test_documents_of_one_level_are_those_of_earlier_revisions():
  # The digest was taken at revision 363a090; lengths of prompts differ.
  task = Worksheet(
    (2, 4), num_pretrain=300, num_finetune=50, num_test=50, seed=3
  )
  corpus = Corpus(draft=1.5, redo=0.5, end_right=True, keep=0.9, seed=2)
  written = b'|'.join(
    d.tokens.tobytes() + bytes([d.loss_start])
    for d in corpus.documents(task, 0, 500)
  )
  assert hashlib.sha256(written).hexdigest().startswith('c2c8d48d6eb81035')


def test_the_last_of_several_attempts_may_always_be_right():
  corpus = dataclasses.replace(CORPUS, end_right=True, redo=2.0)
  inner = []
  for document in corpus.documents(TASK, 0, 500):
    problem, attempts = read(document)
    if len(attempts) > 1:
      assert all(hits(problem, attempts[-1]))
      inner += [all(hits(problem, a)) for a in attempts[1:-1]]
  assert 0 < np.mean(inner) < 0.7


def test_a_document_depends_on_seed_and_number_alone():
  whole = CORPUS.documents(TASK, 0, 200)
  parts = [
    d
    for begin in range(0, 200, 7)
    for d in CORPUS.documents(TASK, begin, min(begin + 7, 200))
  ]
  other = dataclasses.replace(CORPUS, seed=1).documents(TASK, 0, 200)
  assert list(map(key, whole)) == list(map(key, parts))
  assert sum(map(lambda a, b: key(a) == key(b), whole, other)) < 10


def key(document):
  return document.tokens.tobytes(), document.loss_start, document.problem


def test_documents_do_not_repeat():
  documents = CORPUS.documents(TASK, 0, 2_000)
  assert len(set(map(key, documents))) > 1_900
  assert len({d.problem for d in documents}) > 1_100  # 1 - 1/e of 2,000


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'attempts': ()}, 'attempts'),
    ({'attempts': (0.0, 0.0)}, 'attempts'),
    ({'attempts': (1.0, -0.5)}, 'attempts'),
    ({'miss': (0.5, 1.5)}, 'miss'),
    ({'keep': -0.1}, 'miss'),
    ({'draft': -1.0}, 'draft'),
  ],
)
def test_nonsense_is_refused(fields, message):
  with pytest.raises(ValueError, match=rf'Corpus\.{message}'):
    Corpus(**fields)


def test_a_corpus_needs_questions():
  task = Worksheet(num_pretrain=0, num_finetune=1, num_test=1)
  with pytest.raises(ValueError, match='num_pretrain'):
    CORPUS.documents(task, 0, 1)


def test_a_corpus_needs_a_share_for_each_level():
  task = dataclasses.replace(TASK, levels=(0.0, 0.5, 1.0))
  with pytest.raises(ValueError, match='5 shares for the 2 levels'):
    CORPUS.documents(task, 0, 1)


def test_questions_of_several_sizes_are_written_whole():
  task = dataclasses.replace(TASK, goals=(2, 4))
  problems = {p.id: p for p in task.problems('pretrain')}
  sizes = set()
  for document in CORPUS.documents(task, 0, 100):
    prompt = document.tokens[: document.loss_start]
    problem = problems[document.problem]
    assert task.vocabulary.decode(prompt) == task.prompt(problem)
    sizes.add(len(prompt))
  assert sizes == {9, 17}
