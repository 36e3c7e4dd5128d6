"""Tables of the report: accuracies, bins, policies, question sets."""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

import numpy as np

from ttc.analysis import difficulty, names, pools
from ttc.analysis.difficulty import NUM_BINS
from ttc.analysis.optimal import UNIFORM
from ttc.analysis.study import along, questions, Study
from ttc.reporting import selections
from ttc.reporting.figures import common

# Folders with samples of the base model, by question set.
QUESTION_SETS = {
  'pretrain': 'sample_pretrain',
  'finetune': 'sample',
  'test': 'difficulty',
}
_GREEDY = 'large model, greedy'

Lines = dict[str, list[common.Curve]]  # one curve per seed, by name


def lines(
  studies: Sequence[Study], asked: Sequence[selections.Selection] = ()
) -> dict[str, Lines]:
  """All curves of accuracy by budget, in the groups search and revisions."""
  groups = {
    'search': _search_lines(studies, asked),
    'revisions': _revision_lines(studies),
  }
  return {name: group for name, group in groups.items() if group}


def accuracy(
  studies: Sequence[Study], asked: Sequence[selections.Selection] = ()
) -> dict[str, Any]:
  """The curves of `lines` in percent, and the large model's greedy accuracy.

  Args:
    studies: one per seed.
    asked: selections to show beside majority, best-of-N and weighted.

  Returns:
    [group][name], rows of 'budget', 'accuracy' and its 95 % interval, 'low' and
    'high'.
  """
  table: dict[str, Any] = {}
  for group, by_name in lines(studies, asked).items():
    table[group] = {}
    for name, curves in by_name.items():
      series = common.curve(name, curves)
      table[group][name] = [
        {'budget': int(n), 'accuracy': y, 'low': low, 'high': high}
        for n, y, low, high in zip(
          series.x, series.y, series.low, series.high, strict=True
        )
      ]
  if all(s.greedy for s in studies):
    y, low, high = common.summarise(
      [s.greedy.correct[:, 0].astype(float) for s in studies]
    )
    table['large'] = {
      _GREEDY: [{'budget': 1, 'accuracy': y, 'low': low, 'high': high}]
    }
  return table


def bins(studies: Sequence[Study]) -> dict[str, Any]:
  """Sizes of the bins; pass@1 and truncation of samples that set no bins."""
  table = {}
  for kind in ('oracle', 'predicted'):
    if all(kind in s.bins and s.base for s in studies):
      size = [
        np.bincount(s.bins[kind], minlength=NUM_BINS + 1)[1:] for s in studies
      ]
      mean = lambda pick, kind=kind: [
        _percent(column)
        for column in zip(
          *(
            difficulty.by_bin(pick(s.base).mean(1), s.bins[kind], NUM_BINS)
            for s in studies
          ),
          strict=True,
        )
      ]
      table[kind] = {
        'questions': np.mean(size, 0).tolist(),
        'pass@1': mean(lambda pool: pool.correct),
        'truncated': mean(lambda pool: pool.truncated),
      }
  return table


def policies(studies: Sequence[Study]) -> list[dict[str, Any]]:
  """Share of the cross-fits that chose an arm, by side, bins, budget, bin."""
  fits = {'search': [s.search_optimal for s in studies]}
  for by in ('verifier', 'majority'):
    fits[f'revisions by {by}'] = [s.revision_optimal.get(by) for s in studies]
  rows = []
  for side, by_seed in fits.items():
    if all(by_seed):
      for kind in sorted(set.intersection(*(set(f.chosen) for f in by_seed))):
        rows += [
          {'side': side, 'bins': kind, **row}
          for row in _shares([f.chosen[kind] for f in by_seed])
        ]
  return rows


def question_sets(
  roots: Sequence[pathlib.Path], folders: Mapping[str, str] | None = None
) -> dict[str, Any]:
  """Outcomes of the base model on each question set, in percent.

  Args:
    roots: folders of the seeds.
    folders: folder names by question set; None is QUESTION_SETS.
  """
  table = {}
  for name, folder in (folders or QUESTION_SETS).items():
    by_seed = [
      pools.largest(pools.read(root / folder), 'BestOfN') for root in roots
    ]
    if all(by_seed):
      rate, low, high = common.summarise([p.correct.mean(1) for p in by_seed])
      share = lambda pick, by_seed=by_seed: (
        100 * float(np.mean([pick(p).mean() for p in by_seed]))
      )
      table[name] = {
        'pass@1': rate,
        'low': low,
        'high': high,
        'truncated': share(lambda p: p.truncated),
        'unparsable': share(lambda p: p.answer < 0),
        'questions': len(by_seed[0].problem),
        'samples': by_seed[0].width,
      }
  return table


def _search_lines(
  studies: Sequence[Study], asked: Sequence[selections.Selection]
) -> Lines:
  curves: Lines = {}
  bases = [questions(s.base_arms) for s in studies]
  for arm in (names.MAJORITY, names.BEST, names.WEIGHTED):
    if all(arm in b for b in bases):
      curves[arm] = [b[arm] for b in bases]
  chosen = [questions(selections.table(s, asked)) for s in studies]
  for arm in common.shared_arms(chosen):
    curves[arm] = [c[arm] for c in chosen]
  tables = [questions(s.search_arms) for s in studies]
  for arm in common.shared_arms(tables):
    curves.setdefault(arm, [t[arm] for t in tables])
  fits = [s.search_optimal for s in studies]
  if all(fits):
    curves |= _optimal_lines(fits, 'best uniform arm')
  if all(s.base for s in studies):
    curves['pass@N (coverage)'] = [
      {n: point.question for n, point in s.coverage(s.base).items()}
      for s in studies
    ]
  return curves


def _revision_lines(studies: Sequence[Study]) -> Lines:
  curves: Lines = {}
  for by in ('majority', 'verifier'):
    if all(by in s.revision_arms for s in studies):
      tables = [questions(s.revision_arms[by]) for s in studies]
      curves[f'parallel, {by}'] = [along(t, parallel=True) for t in tables]
      curves[f'sequential, {by}'] = [along(t, parallel=False) for t in tables]
      fits = [s.revision_optimal.get(by) for s in studies]
      if all(fits):
        optimal = _optimal_lines(fits, 'best uniform ratio')
        curves |= {f'{name}, {by}': c for name, c in optimal.items()}
  return curves


def _optimal_lines(fits, uniform: str) -> Lines:
  adaptive = {
    f'{names.COMPUTE_OPTIMAL} ({kind})': [f.refitted(kind) for f in fits]
    for kind in ('predicted', 'oracle')
    if all(kind in f.adaptive for f in fits)
  }
  return {uniform: [f.refitted(UNIFORM) for f in fits], **adaptive}


def _shares(chosen) -> list[dict[str, Any]]:
  """Mean shares over seeds; `chosen` is [seed][budget][bin][arm]."""
  rows = []
  for budget in sorted(set.intersection(*(set(c) for c in chosen))):
    for bin in sorted(set.intersection(*(set(c[budget]) for c in chosen))):
      arms = sorted({arm for c in chosen for arm in c[budget][bin]})
      share = {
        arm: float(np.mean([c[budget][bin].get(arm, 0.0) for c in chosen]))
        for arm in arms
      }
      rows.append(
        {
          'budget': budget,
          'bin': bin,
          'share': {a: v for a, v in share.items() if v},
        }
      )
  return rows


def _percent(values) -> float | None:
  """Mean over the seeds whose bin is not empty (NaN); None if all are."""
  finite = [v for v in values if np.isfinite(v)]
  return 100 * float(np.mean(finite)) if finite else None
