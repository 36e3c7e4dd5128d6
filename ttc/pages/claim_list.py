"""Claims on a page: those to show first, and all of them by topic."""

from collections.abc import Sequence
import itertools

from ttc.claims import verdicts, words
from ttc.claims.verdicts import Claim
from ttc.pages import elements, numbers
from ttc.runtime.safe_text import as_html

_MARKS = {
  'holds': ('holds', '✓'),
  'does not hold': ('fails', '✗'),
  'undecided': ('open', '?'),
  'not measurable': ('none', '∅'),
}
_TOPICS = {
  'allocation': 'Spending as results come in',
  'base': 'Base model',
  'verifier': 'Verifier',
  'selection': 'Selection',
  'search': 'Search',
  'over-optimisation': 'Over-optimisation',
  'revisions': 'Revisions',
  'matched': 'Against a larger model',
}
_NOTE = (
  'Intervals: 95 % bootstrap, paired over questions and over seeds where there '
  'are several. A claim holds, or does not, where the whole interval and every '
  f'seed agree and at least {verdicts.FEWEST} questions bear on it, that is, '
  'tell apart what it compares. Intervals repeat the choice of a policy and of '
  'the best single arm. p is adjusted for all claims of the page '
  '(Benjamini-Hochberg); one above 0.05 decides nothing. Undecided is what '
  'more questions could decide. Not measurable is what no result of these '
  'questions could, because too few of them bear on it, as in an empty bin.'
)


def first(claims: Sequence[Claim]) -> str:
  """The claims to show first, in sentences."""
  items = ''.join(
    f'<li>{mark(c)} <span>{as_html(c.statement)} '
    f'<span class="value">{_number(c)}</span></span></li>'
    for c in claims
  )
  return f'<ul class="findings">{items}</ul>' if claims else ''


def every(claims: Sequence[Claim]) -> str:
  """All claims by topic; adjacent ones of a topic share a table."""
  parts = [elements.paragraph(f'{words.tally(claims)}. {_NOTE}'), _search()]
  topic = lambda c: c.id.split('.', 1)[0]
  for name, group in itertools.groupby(claims, topic):
    rows = [
      [
        mark(c),
        f'<span id="{as_html(c.id)}">{as_html(c.statement)}</span>',
        _number(c),
        '' if c.bearing is None else str(c.bearing),
        '' if c.adjusted is None else f'{c.adjusted:.2g}',
      ]
      for c in group
    ]
    header = ['Verdict', 'Statement', 'Estimate and interval', 'Questions', 'p']
    title = f'{_TOPICS.get(name, name)} ({len(rows)})'
    parts.append(elements.folded(title, elements.table(header, rows, (3, 4))))
  return '\n'.join(parts) if claims else ''


def mark(claim: Claim) -> str:
  """The verdict with a sign that does not need colour."""
  style, sign = _MARKS[claim.verdict]
  return (
    f'<span class="mark {style}"><span aria-hidden="true">{sign}</span> '
    f'{claim.verdict}</span>'
  )


def _number(claim: Claim) -> str:
  return as_html(words.number(claim, numbers.MINUS))


def _search() -> str:
  """Hidden until the script, without which it does nothing, shows it."""
  boxes = ''.join(
    f'<label><input type="checkbox" value="{style}" checked> {verdict}</label>'
    for verdict, (style, _) in _MARKS.items()
  )
  return (
    '<form id="claim-search" role="search" aria-label="Claims" hidden>'
    '<label>Search claims <input type="search" autocomplete="off"></label>'
    f'{boxes}<output aria-live="polite"></output></form>'
  )
