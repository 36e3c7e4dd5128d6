"""Short names of strategies, for figures and tables.

Records name a strategy by its repr. A repr that is not known here is shown
unchanged.
"""

from collections.abc import Iterable
import fractions
import re

WEIGHTED = 'best-of-N weighted'
BEST = 'best-of-N'
MAJORITY = 'majority'
BEAM = 'beam M=4'
GREEDY = 'greedy'
COMPUTE_OPTIMAL = 'compute-optimal'

_ALLOCATORS = {
  'Beam': 'beam',
  'Keep': 'beam',
  'Dvts': 'DVTS',
  'Rebase': 'REBASE',
  'ParticleFilter': 'particle filter',
}
# What figures call the strategies that are inside another one.
_PLAIN = {'BestOfN()': BEST, 'GreedySeeded()': 'greedy-seeded'}
_WRAPPER = re.compile(
  r'(Tempered|Sparse)\(strategy=(.+), (?:temperature|every)=([^,()]+)\)'
)
_GUIDED = re.compile(r'Guided\(strategy=(.+), first=.*\)')
_LETTERS = {'Tempered': 'T', 'Sparse': 'g'}
# A field of a repr whose value has no fields of its own.
_FIELD = re.compile(r'\w+=[^=,()]+')


def short(strategy: str) -> str:
  """The short name of a strategy, e.g. 'beam M=4' or 'lookahead k=1, M=√N'.

  Args:
    strategy: a strategy's repr. An unknown one is returned unchanged.
  """
  if wrapper := _WRAPPER.fullmatch(strategy):
    kind, inner, value = wrapper.groups()
    return f'{_PLAIN.get(inner, short(inner))} {_LETTERS[kind]}={value}'
  if guided := _GUIDED.fullmatch(strategy):
    inner = '' if guided[1] == 'BestOfN()' else f' × {short(guided[1])}'
    return f'guided{inner}'
  if strategy == 'GreedySeeded()':
    return _PLAIN[strategy]
  if strategy.startswith('Backtrack('):
    return f'backtrack {_width(strategy)}'.strip()
  if strategy.startswith('Mcts('):
    return _tree_search(strategy)
  # The fields of an allocator have no parentheses of their own.
  allocator = re.search(r'allocator=(\w+)\(([^()]*)\)', strategy)
  if not strategy.startswith('StepSearch(') or not allocator:
    return strategy
  if allocator[1] not in _ALLOCATORS:
    return strategy
  name, root = _ALLOCATORS[allocator[1]], _width(allocator[2])
  ahead = re.search(r'lookahead=(\d+)', strategy)
  if ahead and ahead[1] != '0':
    parts = [f'lookahead k={ahead[1]}', '' if name == 'beam' else name, root]
    return ', '.join(p for p in parts if p)
  return f'{name} {root}'.strip()


def unique(strategies: Iterable[str]) -> dict[str, str]:
  """Short names by repr, all different.

  Strategies whose short names coincide are told apart by the fields in which
  their reprs differ, e.g. 'beam M=4, rounds=8'; those that differ otherwise
  keep their reprs.
  """
  strategies = sorted(set(strategies))
  alike: dict[str, list[str]] = {}
  for strategy in strategies:
    alike.setdefault(short(strategy), []).append(strategy)
  found = {}
  for name, group in alike.items():
    fields = [set(_FIELD.findall(s)) for s in group]
    same = set.intersection(*fields)
    for strategy, own in zip(group, fields, strict=True):
      found[strategy] = ', '.join([name, *sorted(own - same)])
  names = list(found.values())
  return {s: found[s] if names.count(found[s]) == 1 else s for s in strategies}


def at(arm: str, budget: int) -> str:
  """Name of an arm that competes at a larger budget than it spends."""
  return f'{arm} at N={budget}'


def spent(arm: str, budget: int) -> tuple[str, int]:
  """An arm's own name and the budget it spends: what `at` was made of.

  Args:
    arm: name of an arm, which may be from `at`.
    budget: the budget that it competes at.
  """
  name, _, less = arm.rpartition(' at N=')
  return (name, int(less)) if name else (arm, budget)


def ratio(sequential: int, parallel: int) -> str:
  """Name of a revision arm: '4:1' for 8 turns in each of 2 chains."""
  share = fractions.Fraction(sequential, parallel)
  return f'{share.numerator}:{share.denominator}'


def _tree_search(strategy: str) -> str:
  """'MCTS M=√N', with ', K=2' where there are rollouts."""
  rollouts = re.search(r'rollouts=(\d+)', strategy)
  name = f'MCTS {_width(strategy)}'.strip()
  return f'{name}, K={rollouts[1]}' if rollouts and rollouts[1] != '0' else name


def _width(fields: str) -> str:
  """'M=4', 'M=√N' or 'K=2'; '' if the fields have no width."""
  if kept := re.fullmatch(r'rows=(\d+)', fields):
    return f'K={kept[1]}'
  # A number, or the string 'sqrt'.
  width = re.search(r"width='?(\w+)'?", fields)
  return f'M={width[1].replace("sqrt", "√N")}' if width else ''
