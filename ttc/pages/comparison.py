"""Several runs on one page: what differs in them, and what that makes."""

from collections.abc import Mapping, Sequence
from typing import Any

from ttc.pages import elements, figures, numbers, page
from ttc.pages.figures import Drawing
from ttc.pages.page import Section
from ttc.runtime.safe_text import as_html

_NOTE = (
  'Differences in points, paired over questions and 95 %. They are told apart '
  'where the whole interval and every seed agree.'
)


def render(
  compared: Mapping[str, Any], drawings: Mapping[str, Sequence[Drawing]]
) -> str:
  """The page as HTML.

  Args:
    compared: the content of comparison.json, see `reporting.versus`.
    drawings: the panels of each figure, by its id.
  """
  names = compared['runs']
  title = ' and '.join(names) if len(names) < 4 else f'{len(names)} runs'
  return page.document(
    title,
    f'Compared with {names[0]}',
    [
      Section('differences', 'Differences', _differences(compared)),
      Section('settings', 'Settings that differ', _settings(compared)),
      Section(
        'figures',
        'Curves',
        figures.html(compared['figures'], drawings, {})
        if compared['figures']
        else '',
      ),
    ],
  )


def _differences(compared: Mapping[str, Any]) -> str:
  parts = [elements.paragraph(_NOTE, 'note')]
  for run in compared['differences']:
    if run['why']:
      text = f'{run["name"]} is not paired: {run["why"]}.'
      parts.append(elements.paragraph(text))
      continue
    rows = [
      [
        as_html(row['strategy']),
        str(row['budget']),
        numbers.percent(row['first']),
        numbers.percent(row['accuracy']),
        f'{numbers.points(row["ahead"])} '
        f'{numbers.between(row["interval"], signed=True)}',
        {True: 'better', False: 'worse', None: ''}[row['holds']],
      ]
      for row in run['rows']
    ]
    header = [
      'Strategy', 'Generations', compared['runs'][0], run['name'],
      'Ahead by (points)', 'Told apart',
    ]  # fmt: skip
    parts.append(elements.table(header, rows, (1, 2, 3, 4), run['name']))
  return '\n'.join(parts)


def _settings(compared: Mapping[str, Any]) -> str:
  parts = []
  for run in compared['settings']:
    lines = ''.join(
      f'<li><code>{as_html(line)}</code></li>' for line in run['lines']
    )
    lines = lines or '<li>None of the stages that both have.</li>'
    parts.append(f'<h3>{as_html(run["name"])}</h3><ul>{lines}</ul>')
  return '\n'.join(parts)
