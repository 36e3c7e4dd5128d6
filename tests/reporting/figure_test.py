"""Figures as data: nothing is lost in JSON, nonsense is refused."""

import dataclasses
import json
import math

import pytest

from ttc.reporting.figure import Figure, Panel, Series

LINE = Series(
  'a',
  (1, 2, 4),
  (10.0, None, 30.0),
  (9, None, 29),
  (11, None, 31),
  dashed=True,
  marker='star',
  hue=3,
  shade=0.5,
  legend='',
)
BARS = Panel(
  'bars',
  'bars',
  'bin',
  '%',
  (Series('b', (0, 1), (-1, 2)),),
  categories=('easy', 'hard'),
  legend_title='what',
)
LINES = Panel(
  'lines',
  'lines',
  'N',
  '%',
  (LINE,),
  x_scale='log2',
  marks=((4.0, 'R'),),
  palette='ordered',
)
FIGURE = Figure('a-1', 'title', 'caption', (LINES, BARS))


def test_json_round_trip_through_text():
  text = json.dumps(FIGURE.to_json())
  assert Figure.from_json(json.loads(text)) == FIGURE


def test_what_is_not_finite_was_not_measured():
  series = Series('a', (1, 2), (math.nan, math.inf))
  assert series.y == (None, None)
  json.dumps(dataclasses.asdict(series), allow_nan=False)


@pytest.mark.parametrize(
  ('make', 'words'),
  [
    (lambda: Series('a', (1, 2), (1,)), 'y has 1 values for 2'),
    (lambda: Series('a', (1,), (1,), low=(0,)), 'only one of low and high'),
    (lambda: Series('a', (1,), (1,), low=(0, 1), high=(1, 2)), 'low has 2'),
    (lambda: Series('a', (1,), (1,), marker='cross'), "'cross'"),
    (lambda: Series('a', (1,), (1,), shade=1.5), 'shade=1.5'),
    (lambda: Series('a', (math.nan,), (1,)), 'x must be finite'),
    (lambda: dataclasses.replace(LINES, series=(LINE, LINE)), 'repeat'),
    (lambda: dataclasses.replace(LINES, kind='pie'), "'pie'"),
    (lambda: dataclasses.replace(LINES, categories=('a',)), '1 categories'),
    (lambda: dataclasses.replace(BARS, categories=('easy',)), '1 categories'),
    (
      lambda: dataclasses.replace(LINES, series=(Series('a', (0, 1), (1, 1)),)),
      'needs x > 0',
    ),
    (
      lambda: Panel(
        'lines', 'l', 'x', 'y', (Series('a', (0,), (1,)),), x_scale='log10'
      ),
      'x_scale log10 needs x > 0',
    ),
    (lambda: dataclasses.replace(FIGURE, id='../up'), 'file name'),
    (lambda: dataclasses.replace(FIGURE, panels=()), 'no panels'),
  ],
)
def test_refuses(make, words):
  with pytest.raises(ValueError, match=words):
    make()
