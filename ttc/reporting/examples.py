"""A few samples to read, with the verifier's values (paper figures 17-29)."""

from collections.abc import Mapping, Sequence
import itertools
import pathlib

from ttc.pages.page import Excerpt
from ttc.pipeline import records

_TURNS = 5


def read(root: pathlib.Path) -> list[Excerpt]:
  """Examples from the stages revise and search below a seed's folder."""
  searches = _rows(root / 'search')
  return [
    *_chains(_rows(root / 'revise')),
    *_beams(searches),
    *_samples(searches),
  ]


def _rows(folder: pathlib.Path) -> Sequence[Mapping]:
  return records.read_rows(folder) if folder.is_dir() else []


def _chains(questions: Sequence[Mapping]) -> list[Excerpt]:
  """The first chain that corrects its answer, and the first that spoils it."""
  wanted = {
    (False, True): 'A chain that mends a wrong answer',
    (True, False): 'A chain that spoils a right answer',
  }
  examples = []
  for record in questions:
    chain = [row for row in record['rows'] if row.get('chain') == 0]
    chain = sorted(chain, key=lambda row: row['turn'])[:_TURNS]
    for pair in itertools.pairwise(chain):
      title = wanted.pop(tuple(bool(row['correct']) for row in pair), None)
      if title:
        heading = f'{title}: question {record["problem"]}'
        attempts = tuple(
          (f'Turn {row["turn"]}: {_verdict(row)}', _text(row)) for row in chain
        )
        examples.append(Excerpt(heading, attempts))
  return examples


def _beams(questions: Sequence[Mapping]) -> list[Excerpt]:
  """The first searches whose highest valued answer is right, and is wrong."""
  wanted = {
    True: 'The highest valued answer of a search is right',
    False: 'The highest valued answer of a search is wrong',
  }
  examples = []
  for record in questions:
    if record['strategy'].startswith('BestOfN') or not wanted:
      continue
    valued = [row for row in record['rows'] if row.get('values')]
    row = max(valued, key=lambda row: row['values'][-1], default=None)
    title = row and wanted.pop(bool(row['correct']), None)
    if title:
      where = f'question {record["problem"]}, budget {record["budget"]}'
      attempt = _verdict(row), _text(row)
      examples.append(Excerpt(f'{title}: {where}', (attempt,)))
  return examples


def _samples(questions: Sequence[Mapping]) -> list[Excerpt]:
  """The first independent answers that are right, wrong, and unparsable."""
  wanted = {
    'right': 'An answer that is right',
    'wrong': 'An answer that is wrong',
    'none': 'An answer that cannot be parsed',
  }
  examples = []
  for record in questions:
    if not record['strategy'].startswith('BestOfN'):
      continue
    for row in record['rows']:
      kind = 'right' if row['correct'] else 'wrong'
      title = wanted.pop('none' if row['answer'] is None else kind, None)
      if title:
        heading = f'{title}: question {record["problem"]}'
        examples.append(Excerpt(heading, ((_verdict(row), _text(row)),)))
  return examples


def _verdict(row: Mapping) -> str:
  cut = ', cut short' if row['truncated'] else ''
  return ('right' if row['correct'] else 'wrong') + cut


def _text(row: Mapping) -> str:
  values = row.get('values') or ()
  shown = ' '.join(f'{value:.2f}' for value in values)
  return row['text'] + (f'\n\nvalues at step ends: {shown}' if shown else '')
