"""The tree of attempts holds each of them once, and parts where they do."""

import random

from ttc.exporting import tree

_END, _STOP = 0, 1


def _ends(token):
  return token in (_END, _STOP)


def _attempts(seed):
  """Attempts of few kinds of steps, so that many begin alike; some are cut."""
  rng = random.Random(seed)
  attempts = []
  for _ in range(rng.randint(1, 12)):
    tokens, values = [], []
    for _ in range(rng.randint(0, 4)):
      tokens += [*rng.choices((2, 3), k=rng.randint(0, 1)), _END]
      values.append(len(values) + tokens.count(3) / 10)
    cut = rng.choice(([], [2], [_STOP]))
    tokens += cut
    attempts.append({'tokens': tokens, 'values': values + [9.0] * bool(cut)})
  return attempts


def _leaves(branches, before=()):
  """(attempt, tokens, values) of every attempt that ends in the tree."""
  for branch in branches:
    path = (*before, branch)
    for index in branch.ended:
      tokens = [t for b in path for step in b.steps for t in step]
      yield index, tokens, [v for b in path for v in b.values]
    yield from _leaves(branch.children, path)


def _all(branches):
  for branch in branches:
    yield branch
    yield from _all(branch.children)


def test_attempts_are_read_off_their_tree():
  for seed in range(300):
    attempts = _attempts(seed)
    roots = tree.grown(attempts, _ends)
    found = list(_leaves(roots))
    assert len({index for index, *_ in found}) == len(found)
    assert sorted(found) == [
      (index, attempt['tokens'], attempt['values'])
      for index, attempt in enumerate(attempts)
      if attempt['tokens']
    ]


def test_branches_part_as_late_as_they_can():
  for seed in range(300):
    roots = tree.grown(_attempts(seed), _ends)
    for siblings in (roots, *(branch.children for branch in _all(roots))):
      first = [branch.steps[0] for branch in siblings]
      assert len(set(first)) == len(first)
    for branch in _all(roots):
      # One that goes on alone is no branch of its own.
      assert branch.ended or len(branch.children) > 1
      below = [i for child in branch.children for i in child.attempts]
      assert sorted([*branch.ended, *below]) == sorted(branch.attempts)


def test_a_long_chain_of_branches_is_no_deeper_than_its_attempts():
  attempts = [
    {'tokens': [2, _END] * depth + [3, _STOP]} for depth in range(200)
  ]
  (shallow, deep) = sorted(
    tree.grown(attempts, _ends), key=lambda branch: len(branch.attempts)
  )
  assert (shallow.attempts, len(deep.attempts)) == ((0,), 199)
  assert len(list(_leaves((shallow, deep)))) == 200
