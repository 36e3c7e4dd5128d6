"""Claims about revisions (paper §3.1, §6)."""

from collections.abc import Sequence

import numpy as np

from ttc.analysis import bootstrap
from ttc.analysis.chains import ChainOutcomes
from ttc.analysis.difficulty import NUM_BINS
from ttc.analysis.optimal import UNIFORM
from ttc.analysis.study import along, Curve, questions, Study
from ttc.claims import compare, verdicts
from ttc.claims.verdicts import Claim

PAPER_RIGHT_TO_WRONG = 38.0  # percent


def claims(studies: Sequence[Study]) -> list[Claim]:
  """Claims about turns, transitions, ratios and the policy over ratios."""
  if not all(study.revise for study in studies):
    return []
  chains = [s.revise.chains() for s in studies]
  results = [
    *_turns(chains),
    *_transitions(chains),
    *_first_attempt(studies, chains),
  ]
  for by in ('verifier', 'majority'):
    tables = [s.revision_arms.get(by) for s in studies]
    if all(tables):
      results += _ratios(studies, [questions(t) for t in tables], by)
      fits = [s.revision_optimal.get(by) for s in studies]
      if all(fits):
        parallel = [along(questions(t), parallel=True) for t in tables]
        results += compare.optimal(
          f'revisions.{by}',
          f'revisions by {by}',
          studies,
          fits,
          {
            'all parallel': parallel,
            'the best uniform ratio': [fit.refitted(UNIFORM) for fit in fits],
          },
        )
  return results


def _turns(chains: Sequence[ChainOutcomes]) -> list[Claim]:
  longest = min(c.turns.max() for c in chains)
  results = []
  for turn in sorted({t for t in (2, 4, int(longest)) if 1 < t <= longest}):
    long = [c.correct[:, c.turns >= turn] for c in chains]
    results.append(
      compare.better(
        f'revisions.turn{turn}-vs-first',
        f'The attempt at turn {turn} is right more often than the first one '
        'of the same chain.',
        [x[:, :, turn - 1].mean(1) for x in long],
        [x[:, :, 0].mean(1) for x in long],
      )
    )
  return results


def _transitions(chains: Sequence[ChainOutcomes]) -> list[Claim]:
  """How often the next attempt of a chain loses or gains a right answer."""
  rows = []
  for c in chains:
    now, later = c.correct[:, :, :-1], c.correct[:, :, 1:]
    # Whether a chain has a turn after this one [C, T - 1].
    follows = np.arange(now.shape[2]) + 1 < c.turns[:, None]
    # Numerator and denominator of the rate of losses, then of gains.
    kinds = (now & ~later, now, ~now & later, ~now)
    rows.append(np.stack([(x & follows).sum((1, 2)) for x in kinds]) * 1.0)
  if not any(r[[1, 3]].any() for r in rows):
    return []
  # A rate of 0 or 1 has an interval without a width, however few the attempts.
  varies = any(r[0].any() for r in rows) and any(
    (r[0] < r[1]).any() for r in rows
  )
  lost = lambda m: 100 * bootstrap.ratio(m[..., :2])
  gained = lambda m: 100 * bootstrap.ratio(m[..., 2:])
  return [
    verdicts.judge(
      'revisions.right-to-wrong',
      'A right attempt is followed by a wrong one more often than the '
      f"paper's {PAPER_RIGHT_TO_WRONG:.0f} %.",
      rows,
      lost,
      above=PAPER_RIGHT_TO_WRONG,
      unit='percent',
      evidence=[(r[1:2] > 0) & varies for r in rows],
    ),
    verdicts.judge(
      'revisions.gain-vs-loss',
      'A wrong attempt is followed by a right one more often than a right '
      'one by a wrong one.',
      rows,
      lambda m: gained(m) - lost(m),
      evidence=[r[[1, 3]] > 0 for r in rows],
    ),
  ]


def _first_attempt(studies, chains: Sequence[ChainOutcomes]) -> list[Claim]:
  """What finetuning contributes by itself, without revising."""
  base = [s.base and s.base.correct.mean(1) for s in studies]
  control = [s.control and s.control.correct.mean(1) for s in studies]
  turn = min(4, *(int(c.turns.max()) for c in chains))
  at_turn = lambda t: [
    c.correct[:, c.turns >= t, t - 1].mean(1) for c in chains
  ]
  pairs = [
    (
      'first-vs-base',
      "The revision model's first attempt is right more "
      'often than an attempt of the base model.',
      at_turn(1),
      base,
    ),
    (
      'control-vs-base',
      'A model finetuned on its own right answers without '
      'history is right more often than the base model.',
      control,
      base,
    ),
    (
      f'turn{turn}-vs-control',
      f'The attempt at turn {turn} is right more '
      'often than an attempt of the model finetuned without history.',
      at_turn(turn),
      control,
    ),
  ]
  return [
    compare.better(f'revisions.{id}', statement, a, b)
    for id, statement, a, b in pairs
    if all(x is not None for x in (*a, *b))
  ]


def _ratios(studies, tables: Sequence[dict[str, Curve]], by) -> list[Claim]:
  sequential = [along(t, parallel=False) for t in tables]
  parallel = [along(t, parallel=True) for t in tables]
  budgets = compare.shared([*sequential, *parallel], above=1)
  stem, what = f'revisions.{by}', 'One chain is more accurate than parallel'
  results = [
    compare.better(
      f'{stem}.sequential-vs-parallel.all.n{n}',
      f'{what} first attempts at {n} generations, chosen by {by}.',
      compare.at(sequential, n),
      compare.at(parallel, n),
    )
    for n in budgets
  ]
  if not budgets or not all(s.bins for s in studies):
    return results
  top = budgets[-1]
  ends = compare.at(sequential, top), compare.at(parallel, top)
  results += [
    compare.better(
      f'{stem}.sequential-vs-parallel.bin{k}.n{top}',
      f'{what} first attempts at {top} generations, chosen by {by}, in bin '
      f'{k}.',
      *ends,
      compare.members(studies, k),
    )
    for k in range(1, NUM_BINS + 1)
  ]
  rows = []
  for s, a, b in zip(studies, *ends, strict=True):
    easy, hard = s.bins['oracle'] <= 2, s.bins['oracle'] >= NUM_BINS - 1
    rows.append(np.stack([(a - b) * easy, easy, (a - b) * hard, hard]))
  results.append(
    verdicts.judge(
      f'{stem}.sequential-gain.easy-vs-hard.n{top}',
      'One chain gains more over parallel first attempts in bins 1 and 2 than '
      f'in bins 4 and 5, at {top} generations, chosen by {by}.',
      rows,
      lambda m: (
        100 * (bootstrap.ratio(m[..., :2]) - bootstrap.ratio(m[..., 2:]))
      ),
      evidence=[
        np.stack([r[1] > 0, r[3] > 0, (r[0] != 0) | (r[2] != 0)]) for r in rows
      ],
    )
  )
  return results
