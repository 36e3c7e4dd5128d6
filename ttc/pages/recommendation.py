"""The recommendation: what to take at each budget, and what it costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from ttc.claims.verdicts import Claim
from ttc.pages import elements, numbers
from ttc.runtime.safe_text import as_html

TableRow = Mapping[str, Any]

_SAME = 0.02  # prices that differ by less are equal in words

_NOTE = (
  'Accuracy is that of choosing: the strategy is chosen on nine tenths of the '
  'questions and judged on the rest, so it can be below that of the strategy '
  'that looks best on all of them; its interval makes the choice again in '
  'every draw. Differences are paired over questions. Intervals are 95 %, each '
  'by itself: this table stands outside the family in which the claims below '
  'are judged together, so of twenty equal pairs one may seem told apart. The '
  'price is what one question takes: exact FLOPs as executed, padding and the '
  'verifier included; × greedy compares it with one greedy answer of the base '
  'model.'
)


def html(rows: Sequence[TableRow], claims: Sequence[Claim]) -> str:
  """The table over budgets, what it says in a sentence, and all strategies.

  Args:
    rows: of `claims.recommendation.table`.
    claims: those of allocations give the factors of adaptive spending.
  """
  if not rows:
    return ''
  factors = {c.id: c for c in claims}
  lines, greedy = [], _greedy(rows)
  for row in rows:
    factor = factors.get(f'allocation.factor-vs-uniform.n{row["budget"]}')
    lines.append(
      [
        str(row['budget']),
        f'<strong>{as_html(row["take"])}</strong>',
        _accuracy(row),
        _over(row['over']),
        _price(row['flops'], greedy),
        _policy(row['policy']),
        '' if factor is None else _adaptive(factor),
      ]
    )
  header = [
    'Generations',
    'Take',
    'Accuracy',
    'Ahead of the next best (points)',
    'FLOPs per question',
    'Policy by difficulty instead',
    'FLOPs if spent as results come in',
  ]
  used = [i for i in range(len(header)) if any(line[i] for line in lines)]
  return '\n'.join(
    [
      f'<p class="lead">{_sentence(rows, greedy)}</p>',
      elements.table(
        [header[i] for i in used],
        [[line[i] for i in used] for line in lines],
        (0,),
      ),
      elements.paragraph(_NOTE, 'note'),
      elements.folded(
        'Every strategy at every budget, greedy and control included',
        *(_strategies(row, greedy) for row in rows),
      ),
    ]
  )


def _sentence(rows: Sequence[TableRow], greedy: float | None) -> str:
  """The largest budget in words, and whether it is told from the next best."""
  row = rows[-1]
  price = numbers.times(row['flops'], greedy)
  name = f'<strong>{as_html(row["take"])}</strong>'
  text = (
    f'With {row["budget"]} generations per question take {name}: '
    f'{numbers.percent(row["accuracy"])} {numbers.between(row["interval"])}, '
    f'for {numbers.flops(row["flops"])} FLOPs per question'
    + (f', {price} one greedy answer. ' if price else '. ')
  )
  over = row['over']
  other = as_html(over['name'])
  if over['holds']:
    return (
      f'{text}It is ahead of {other} by {numbers.points(over["ahead"])} points '
      f'{numbers.between(over["interval"], signed=True)}.'
    )
  return (
    f'{text}This run cannot tell it from {other} '
    f'({numbers.points(over["ahead"])} points '
    f'{numbers.between(over["interval"], signed=True)})'
    f'{_compared(over["flops"], row["flops"])}.'
  )


def _compared(flops: float | None, others: float | None) -> str:
  if flops is None or not others:
    return ''
  share = flops / others
  if abs(share - 1) < _SAME:
    return ', which costs as much'
  return f', which costs {share:.2g}× as much'


def _greedy(rows: Sequence[TableRow]) -> float | None:
  """FLOPs of a greedy answer; None where there is none."""
  names = {s['name']: s['flops'] for r in rows for s in r['strategies']}
  return names.get('greedy', names.get('greedy at N=1'))


def _accuracy(row: TableRow) -> str:
  return (
    f'{numbers.percent(row["accuracy"])} '
    f'<small>{numbers.between(row["interval"])}</small>'
  )


def _ahead(row: TableRow) -> str:
  return (
    f'{numbers.points(row["ahead"])} '
    f'<small>{numbers.between(row["interval"], signed=True)}</small>'
  )


def _over(over: TableRow) -> str:
  told = '' if over['holds'] else ' <small>not told apart</small>'
  return f'{_ahead(over)} over {as_html(over["name"])}{told}'


def _price(flops: float | None, greedy: float | None) -> str:
  times = numbers.times(flops, greedy)
  return numbers.flops(flops) + (
    f' <small>{times} greedy</small>' if times else ''
  )


def _policy(policy: TableRow | None) -> str:
  if policy is None:
    return ''
  bins = '' if policy['bins'] == 'predicted' else ', knowing the gold answers'
  samples = policy['difficulty_flops']
  extra = (
    f' <small>and {numbers.flops(samples)} to find the difficulty</small>'
    if samples
    else ''
  )
  return (
    f'{_ahead(policy)} points at {numbers.flops(policy["flops"])} FLOPs'
    f'{bins}{extra}'
  )


def _adaptive(claim: Claim) -> str:
  """Of the best uniform arm, its FLOPs over those of adaptive spending."""
  if not claim.estimate:
    return 'never as accurate'
  factor, (low, high) = claim.estimate, claim.interval
  word = 'fewer'
  if factor < 1:  # more are needed, by the inverse
    factor, word = 1 / factor, 'more'
    low, high = (1 / x if x else None for x in (high, low))
  ends = ['∞' if x is None else f'{x:.2f}' for x in (low, high)]
  bounds = '' if claim.interval[0] is None else f'[{ends[0]}, {ends[1]}]'
  return f'{factor:.2f}× {word} <small>{bounds}</small>'


def _strategies(row: TableRow, greedy: float | None) -> str:
  return elements.table(
    ['Strategy', 'Accuracy', '95 %', 'FLOPs per question', '× greedy'],
    [
      [
        as_html(s['name']),
        numbers.percent(s['accuracy']),
        numbers.between(s['interval']),
        numbers.flops(s['flops']),
        numbers.times(s['flops'], greedy),
      ]
      for s in row['strategies']
    ],
    (1, 2, 3, 4),
    f'At most {row["budget"]} generations, accuracy on all questions',
  )
