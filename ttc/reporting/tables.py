"""The numbers behind the report: accuracies, bins, policies, question sets."""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

import numpy as np

from ttc.analysis import difficulty, names, pools
from ttc.analysis.study import along, Curve, NUM_BINS, questions, Study
from ttc.reporting.figures import common

# Folders whose samples tell the base model's pass@1 on each question set.
QUESTION_SETS = {
  'pretrain': 'sample_pretrain',
  'finetune': 'sample',
  'test': 'difficulty',
}
_GREEDY = 'large model, greedy'

Lines = dict[str, list[Curve]]  # curves of every seed, by name


def lines(studies: Sequence[Study]) -> dict[str, Lines]:
  """Accuracy by budget of everything that can be compared, in two groups."""
  groups = {
    'search': _search_lines(studies),
    'revisions': _revision_lines(studies),
  }
  return {name: group for name, group in groups.items() if group}


def accuracy(studies: Sequence[Study]) -> dict[str, Any]:
  """The lines in percent: group, name, a row of numbers for each budget."""
  table: dict[str, Any] = {}
  for group, found in lines(studies).items():
    table[group] = {}
    for name, curves in found.items():
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
  """Sizes of the bins; pass@1 and cut answers, on samples that made no bin."""
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
  """Share of all cross-fits that chose an arm, by side, bins, bin, budget."""
  fits = {'search': [s.search_optimal for s in studies]}
  for by in ('verifier', 'majority'):
    fits[f'revisions by {by}'] = [s.revision_optimal.get(by) for s in studies]
  rows = []
  for side, found in fits.items():
    if all(found):
      for kind in sorted(set.intersection(*(set(f.chosen) for f in found))):
        rows += [
          {'side': side, 'bins': kind, **row}
          for row in _shares([f.chosen[kind] for f in found])
        ]
  return rows


def question_sets(
  roots: Sequence[pathlib.Path],
  folders: Mapping[str, str] | None = None,
) -> dict[str, Any]:
  """pass@1 of the base model on each question set, in percent.

  Args:
    roots: the folder of each seed.
    folders: stages by question set; see QUESTION_SETS.
  """
  table = {}
  for name, folder in (folders or QUESTION_SETS).items():
    found = [
      pools.largest(pools.read(root / folder), 'BestOfN') for root in roots
    ]
    if all(found):
      rate, low, high = common.summarise([p.correct.mean(1) for p in found])
      share = lambda pick, found=found: (
        100 * float(np.mean([pick(p).mean() for p in found]))
      )
      table[name] = {
        'pass@1': rate,
        'low': low,
        'high': high,
        'truncated': share(lambda p: p.truncated),
        'unparsable': share(lambda p: p.answer < 0),
        'questions': len(found[0].problem),
        'samples': found[0].width,
      }
  return table


def _search_lines(studies: Sequence[Study]) -> Lines:
  found: Lines = {}
  bases = [questions(s.base_arms) for s in studies]
  for arm in (names.MAJORITY, names.BEST, names.WEIGHTED):
    if all(arm in b for b in bases):
      found[arm] = [b[arm] for b in bases]
  tables = [questions(s.search_arms) for s in studies]
  for arm in common.shared_arms(tables):
    found.setdefault(arm, [t[arm] for t in tables])
  fits = [s.search_optimal for s in studies]
  if all(fits):
    found |= _optimal_lines(fits, 'best uniform arm')
  if all(s.base_greedy for s in studies):
    found['greedy'] = [
      {1: s.base_greedy.correct[:, 0].astype(float)} for s in studies
    ]
  if all(s.base for s in studies):
    found['pass@N (coverage)'] = [
      {n: point.question for n, point in s.coverage(s.base).items()}
      for s in studies
    ]
  return found


def _revision_lines(studies: Sequence[Study]) -> Lines:
  found: Lines = {}
  for by in ('majority', 'verifier'):
    if all(by in s.revision_arms for s in studies):
      tables = [questions(s.revision_arms[by]) for s in studies]
      found[f'parallel, {by}'] = [along(t, parallel=True) for t in tables]
      found[f'sequential, {by}'] = [along(t, parallel=False) for t in tables]
      fits = [s.revision_optimal.get(by) for s in studies]
      if all(fits):
        optimal = _optimal_lines(fits, 'best uniform ratio')
        found |= {f'{name}, {by}': curves for name, curves in optimal.items()}
  return found


def _optimal_lines(fits, uniform: str) -> Lines:
  adaptive = {
    f'{names.COMPUTE_OPTIMAL} ({kind})': [f.adaptive[kind] for f in fits]
    for kind in ('predicted', 'oracle')
    if all(kind in f.adaptive for f in fits)
  }
  return {uniform: [f.uniform for f in fits], **adaptive}


def _shares(chosen) -> list[dict[str, Any]]:
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
  finite = [v for v in values if np.isfinite(v)]
  return 100 * float(np.mean(finite)) if finite else None
