"""Selections that a report shows where it is asked."""

import dataclasses
import itertools
import pathlib

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import names, study
from ttc.cli import configuration
from ttc.pipeline import fingerprint, records
from ttc.reporting import selections, tables
from ttc.reporting.selections import Certain, Likely, Pessimistic
from ttc.stages.report import Report

TRUTH = world.Truth(questions=12, width=6, chains=2)
ASKED = (Pessimistic(), Likely(), Likely('weighted'), Certain(), Certain(0.5))


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
  """A world in which right answers are likely, and lengths differ."""
  root = tmp_path_factory.mktemp('runs')
  folder = world.write(root, TRUTH, without=('search',))
  made = np.random.default_rng(3)
  rows = [
    world.record(
      q,
      world.BEST_OF_N,
      TRUTH.width,
      [
        {
          **world.row(made, right, True, ''),
          'tokens': [3] * length,
          'logprob': length * (made.normal() - 3 + 2 * right),
          'certainty': length * (made.random() + right),
        }
        for right, length in zip(
          made.random(TRUTH.width) < skill,
          made.integers(1, 9, TRUTH.width).tolist(),
          strict=True,
        )
      ],
    )
    for q, skill in enumerate(TRUTH.skill)
  ]
  world.write_stage(folder / 'search', rows)
  return folder, study.load(folder, 0, subsets=1500)


def likeliest(rows):
  rows = [r for r in rows if r['answer'] is not None] or rows
  return max(rows, key=lambda r: r['logprob'] / len(r['tokens']))


def test_the_likeliest_answer_is_by_its_mean_token(measured):
  """Of all subsets of an answer's records, in plain Python."""
  folder, found = measured
  by_id = {
    r['problem']: r['rows'] for r in records.read_rows(folder / 'search')
  }
  curve = selections.table(found, (Likely(),))[Likely().name]
  assert list(curve) == [1, 2, 4, 6]
  for n, point in curve.items():
    truth = [
      np.mean(
        [
          likeliest(subset)['correct']
          for subset in itertools.combinations(by_id[q], n)
        ]
      )
      for q in found.problem
    ]
    exact = n in (1, TRUTH.width)
    np.testing.assert_allclose(
      point.question, truth, atol=1e-12 if exact else 0.07
    )


def test_a_selection_chooses_by_its_own_scores(measured):
  """The whole pool of each question, one at a time."""
  found = measured[1]
  for selection in ASKED:
    point = selections.table(found, (selection,))[selection.name][TRUTH.width]
    pool, score = found.base, selection.score(found.base)
    alone = [
      pool.correct[q, selection.select(pool.answer[q], score[q], None)]
      for q in range(len(found.problem))
    ]
    np.testing.assert_array_equal(point.question, alone)


@pytest.mark.parametrize('power', [0.5, 1, 3.0])
def test_a_vote_weighs_ranks_of_certainty(measured, power):
  """In plain Python, of the whole pool of each question."""
  folder, found = measured
  point = selections.table(found, (Certain(power),))[Certain(power).name]
  for q, row in zip(found.problem, point[TRUTH.width].question, strict=True):
    rows = records.read_rows(folder / 'search')[q]['rows']
    rows = sorted(rows, key=lambda r: -r['certainty'] / len(r['tokens']))
    votes = {}
    for rank, one in enumerate(rows, start=1):
      weight = (len(rows) - rank + 1) ** power
      votes[one['answer']] = votes.get(one['answer'], 0) + weight
    parsed = {a: v for a, v in votes.items() if a is not None} or votes
    # Of equals the one that was given with the most certainty, which is first.
    best = max(parsed, key=lambda answer: round(parsed[answer], 9))
    assert row == (best == 'right')


def test_only_what_is_asked_for_is_shown(measured):
  studies = [measured[1]]
  usual = tables.accuracy(studies)
  more = tables.accuracy(studies, ASKED)
  added = {s.name for s in ASKED}
  assert set(more['search']) - set(usual['search']) == added
  for name in added:
    del more['search'][name]
  assert more == usual
  assert names.WEIGHTED in usual['search']


def test_what_lacks_its_scores_is_left_out(measured):
  found = measured[1]
  (base,) = found.search
  bare = dataclasses.replace(base, values=None, likelihood=None, certainty=None)
  found = dataclasses.replace(found, search=(bare,))
  assert selections.table(found, ASKED) == {}
  assert selections.table(dataclasses.replace(found, search=()), ASKED) == {}


def test_a_report_that_asks_for_none_is_the_one_it_was():
  assert 'Report.selections[]' not in fingerprint.bindings(Report())
  asked = fingerprint.bindings(Report(selections=(Pessimistic(0.2),)))
  assert asked['Report.selections[0].doubt'] == 0.2


def test_is_asked_for_by_gin(tmp_path):
  quickstart = pathlib.Path('gin/experiments/worksheet_quickstart.gin')
  (tmp_path / 'asked.gin').write_text(
    f"""
from __gin__ import dynamic_registration
from ttc.reporting import selections
from ttc.stages import report
include '{quickstart.resolve()}'
selections.Pessimistic.doubt = 0.2
weighted/selections.Likely.rule = 'weighted'
report.Report.selections = (
    @selections.Pessimistic(), @selections.Likely(),
    @weighted/selections.Likely())
""",
    encoding='utf-8',
  )
  file = str(tmp_path / 'asked.gin')
  experiment, _ = configuration.load((file,), (), check=False)
  asked = (Pessimistic(0.2), Likely(), Likely('weighted'))
  assert experiment.report.selections == asked


def test_bad_settings():
  with pytest.raises(ValueError, match=r'Pessimistic\.doubt=-1'):
    Pessimistic(-1)
  with pytest.raises(ValueError, match=r"Likely\.rule='worst'.*best and weigh"):
    Likely('worst')
  with pytest.raises(ValueError, match=r'Certain\.power=0'):
    Certain(0)
