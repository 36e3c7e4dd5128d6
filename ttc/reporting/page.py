"""The report as a single, self-contained HTML file.

Text from outside, model output above all, is escaped. Figures are embedded as
images, in which browsers run no scripts.
"""

import base64
from collections.abc import Mapping, Sequence
import itertools
from typing import Any

from ttc.claims import verdicts
from ttc.claims.verdicts import Claim
from ttc.reporting import terminal
from ttc.reporting.examples import Example
from ttc.reporting.figure import Figure
from ttc.runtime.safe_text import as_html

_STYLE = """
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
  color: #222; max-width: 1080px; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .2rem; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .8rem; padding-bottom: .3rem;
  border-bottom: 1px solid #ddd; }
h3 { font-size: 1rem; margin: 2rem 0 .4rem; }
.about { color: #666; margin: 0 0 1.6rem; }
code, pre { font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; }
code { background: #f3f4f5; padding: .1em .35em; border-radius: 4px;
  overflow-wrap: anywhere; }
pre { background: #f7f8f9; padding: 1rem 1.2rem; overflow-x: auto;
  border-radius: 8px; }
figure { margin: 1rem 0 2.4rem; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #555; font-size: .88rem; margin-top: .5rem;
  max-width: 52rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0;
  border-bottom: 1px solid #eee; vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.mark { display: inline-block; white-space: nowrap; font-weight: 600; }
.holds { color: #00704f; } .fails { color: #b34700; } .open { color: #777; }
details { margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; }
.finding { margin: .5rem 0 .5rem 0; padding-left: 9.5rem; position: relative; }
.finding .mark { position: absolute; left: 0; }
.finding .value { color: #555; white-space: nowrap; }
.lefts { color: #555; font-size: .9rem; }
"""
_MARKS = {
  'holds': ('holds', '✓'),
  'does not hold': ('fails', '✗'),
  'undecided': ('open', '?'),
  'not measured': ('open', '–'),
}
_TOPICS = {
  'base': 'Base model',
  'verifier': 'Verifier',
  'selection': 'Selection',
  'search': 'Search',
  'over-optimisation': 'Over-optimisation',
  'revisions': 'Revisions',
  'matched': 'Against a larger model',
}


def render(
  *,
  title: str,
  about: str,
  command: str,
  findings: Sequence[Claim],
  overview: str,
  figures: Sequence[tuple[Figure, bytes]],
  left_out: Mapping[str, str],
  claims: Sequence[Claim],
  tables: Mapping[str, Any],
  seconds: Mapping[str, float],
  made_with: Sequence[str],
  examples: Sequence[Example],
) -> str:
  """The whole page as HTML.

  Args:
    title: title of the page.
    about: seeds and numbers of questions, in one line of text.
    command: command line of the experiment.
    findings: claims to show at the top.
    overview: tables as text, as in the terminal.
    figures: (figure, its SVG) in order.
    left_out: missing inputs by id of the figure that needs them.
    claims: all claims; adjacent ones of a topic share a table.
    tables: tables of the summary by name.
    seconds: wall-clock seconds by stage.
    made_with: by which code and devices, in lines of text.
    examples: samples to read.
  """
  body = [
    f'<h1>{as_html(title)}</h1>',
    f'<p class="about">{as_html(about)}</p>',
    *map(_finding, findings),
    f'<pre>{as_html(overview)}</pre>',
    '<h2>Figures</h2>',
    *itertools.starmap(_figure, figures),
    _left_out(left_out),
    '<h2>Claims</h2>',
    f'<p>{as_html(terminal.tally(claims))}. Intervals: 95 % bootstrap, paired '
    'over questions and over seeds where there are several. A claim holds, or '
    'does not, where the whole interval and every seed agree and at least '
    f'{verdicts.FEWEST} questions bear on it, that is, tell apart what it '
    'compares. Intervals repeat the choice of a policy and of the best single '
    'arm. p is adjusted for all claims of the page (Benjamini-Hochberg); one '
    'above 0.05 decides nothing. Not measured is what has no questions, such '
    'as an empty bin.</p>',
    *_claims(claims),
    *_section('Samples', map(_example, examples)),
    *_section('Question sets', _question_sets(tables['question_sets'])),
    *_section('Skipped questions', _skipped(tables['skipped'])),
    *_section('Cost', _costs(tables['costs'])),
    *_section('Time', _seconds(seconds)),
    '<h2>Made with</h2>',
    f'<p><code>{as_html(command)}</code></p>',
    *(f'<p>{as_html(line)}</p>' for line in made_with),
  ]
  return (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width">\n'
    f'<title>{as_html(title)}</title>\n<style>{_STYLE}</style>\n</head>\n'
    '<body>\n' + '\n'.join(b for b in body if b) + '\n</body>\n</html>\n'
  )


def _section(title: str, parts) -> list[str]:
  """A heading and its parts; nothing without parts."""
  parts = list(parts)
  return [f'<h2>{as_html(title)}</h2>', *parts] if parts else []


def _mark(claim: Claim) -> str:
  style, sign = _MARKS[claim.verdict]
  return f'<span class="mark {style}">{sign} {claim.verdict}</span>'


def _finding(claim: Claim) -> str:
  return (
    f'<p class="finding">{_mark(claim)} {as_html(claim.statement)} '
    f'<span class="value">{as_html(terminal.number(claim))}</span>'
    '</p>'
  )


def _figure(figure: Figure, svg: bytes) -> str:
  data = base64.b64encode(svg).decode('ascii')
  name = as_html(figure.id)
  return (
    f'<figure id="{name}"><h3>{as_html(figure.title)}</h3>'
    f'<img alt="{as_html(figure.title)}" '
    f'src="data:image/svg+xml;base64,{data}">'
    f'<figcaption>{as_html(figure.caption)} '
    f'<a href="figures/{name}.svg">SVG</a> '
    f'<a href="figures/{name}.png">PNG</a></figcaption></figure>'
  )


def _left_out(left_out: Mapping[str, str]) -> str:
  if not left_out:
    return ''
  items = ''.join(
    f'<li>{as_html(name)}: needs {as_html(why)}</li>'
    for name, why in left_out.items()
  )
  return f'<p>Figures left out:</p><ul class="lefts">{items}</ul>'


def _claims(claims: Sequence[Claim]) -> list[str]:
  parts = []
  for topic, group in itertools.groupby(
    claims, lambda c: c.id.split('.', 1)[0]
  ):
    rows = [
      [
        _mark(c),
        as_html(c.statement),
        as_html(terminal.number(c)),
        '' if c.adjusted is None else f'{c.adjusted:.2g}',
      ]
      for c in group
    ]
    table = _table(
      ['', 'Statement', 'Estimate and interval', 'p'], rows, (2, 3)
    )
    name = as_html(_TOPICS.get(topic, topic))
    parts.append(
      f'<details><summary>{name} ({len(rows)})</summary>{table}</details>'
    )
  return parts


def _example(example: Example) -> str:
  parts = [f'<details><summary>{as_html(example.title)}</summary>']
  for heading, text in example.attempts:
    parts.append(f'<h3>{as_html(heading)}</h3><pre>{as_html(text)}</pre>')
  return ''.join([*parts, '</details>'])


def _question_sets(sets: Mapping[str, Mapping]) -> list[str]:
  columns = ('pass@1', 'truncated', 'unparsable')
  rows = [
    [
      as_html(name),
      str(s['questions']),
      str(s['samples']),
      *(f'{s[column]:.1f} %' for column in columns),
    ]
    for name, s in sets.items()
  ]
  header = ['Set', 'Questions', 'Samples', 'pass@1', 'Cut short', 'Unparsable']
  return [_table(header, rows, (1, 2, 3, 4, 5))] if rows else []


def _skipped(skipped: Sequence[Mapping[str, Any]]) -> list[str]:
  rows = [
    [
      f'{as_html(row["stage"])} (seed {row["seed"]})',
      str(row['question']),
      as_html(row['reason']),
      'all arms' if row['dropped'] else 'this strategy',
    ]
    for row in skipped
  ]
  note = (
    '<p>A question that any strategy skipped is left out of all, and '
    'counts neither as right nor as wrong. A strategy that skipped every '
    'question counts as not run.</p>'
  )
  table = _table(['Stage', 'Question', 'Why', 'Left out of'], rows, (1,))
  summary = f'<summary>All skipped ({len(rows)})</summary>'
  return [f'{note}<details>{summary}{table}</details>'] if rows else []


def _costs(costs: Sequence[Mapping[str, Any]]) -> list[str]:
  kinds = sorted({kind for row in costs for kind in row['tokens']})
  rows = []
  for row in costs:
    spent, flops = [row['tokens'].get(kind) for kind in kinds], row['flops']
    rows.append(
      [
        as_html(row['stage']),
        as_html(row['strategy']),
        str(row['budget']),
        as_html(row['of']),
        *(
          [
            f'{flops["useful"]:.3g} / {flops["executed"]:.3g}',
            f'{flops["executed"] / flops["useful"]:.2f}',
            f'{flops["paper"]:.3g}',
          ]
          if flops
          else ['', '', '']
        ),
        *('' if s is None else f'{s[0]:,.0f} / {s[1]:,.0f}' for s in spent),
      ]
    )
  header = [
    'Stage',
    'Strategy',
    'Budget',
    'Of',
    'FLOPs',
    'Executed / useful',
    "FLOPs, the paper's",
    *(kind.replace('_', ' ') for kind in kinds),
  ]
  note = (
    '<p>Means per question for the answers that a row names, useful / '
    'executed: exact FLOPs of the programs '
    '(matrix products and attention at the lengths they ran), then '
    'token-forwards by kind. Executed counts padding and lanes without a '
    'row as well. The paper charges 2 FLOPs per parameter and sampled '
    'token. The samples of the difficulty stage are not charged to any '
    'strategy above; a policy needs them.</p>'
  )
  table = _table(header, rows, (2, *range(4, len(header))))
  details = f'<details><summary>All pools</summary>{table}</details>'
  return [note + details] if rows else []


def _seconds(seconds: Mapping[str, float]) -> list[str]:
  rows = [[as_html(stage), f'{s:,.1f} s'] for stage, s in seconds.items()]
  rows.append(['all', f'{sum(seconds.values()):,.1f} s'])
  return [_table(['Stage', 'Wall time'], rows, (1,))] if seconds else []


def _table(
  header: Sequence[str], rows: Sequence[Sequence[str]], numbers: tuple[int, ...]
) -> str:
  """Rows are HTML, the header is plain text; `numbers` are aligned right."""

  def line(entries, tag: str) -> str:
    return ''.join(
      f'<{tag}{" class=number" if i in numbers else ""}>{entry}</{tag}>'
      for i, entry in enumerate(entries)
    )

  head = line(map(as_html, header), 'th')
  body = ''.join(f'<tr>{line(row, "td")}</tr>' for row in rows)
  return f'<table><tr>{head}</tr>{body}</table>'
