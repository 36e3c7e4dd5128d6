"""The report as a single, self-contained HTML file.

What is drawn is a function of summary.json, of the pictures of its figures, and
of samples. Text from outside, model output above all, is escaped. Styles and
scripts are in the page; nothing is fetched but the files of the explorer that
lie beside it, and those only when a question is opened.
"""

from collections.abc import Mapping, Sequence
import importlib.resources
from typing import Any, NamedTuple

from ttc.claims.verdicts import Claim
from ttc.pages import (
  claim_list,
  elements,
  explorer,
  figures,
  glossary,
  policy_map,
  provenance,
  recommendation,
  tables,
)
from ttc.pages.figures import Drawing
from ttc.runtime.safe_text import as_html

# In the page, in this order.
SCRIPTS = (
  'vendor/d3.min.js',
  'vendor/plot.umd.min.js',
  'page.js',
  'charts.js',
  'explorer.js',
  'questions.js',
  'chains.js',
  'tree.js',
  'question.js',
)


class Excerpt(NamedTuple):
  """Attempts to read.

  Attributes:
    title: what they illustrate.
    attempts: (heading, text) of each; text is model output.
  """

  title: str
  attempts: Sequence[tuple[str, str]]


class Section(NamedTuple):
  """A part of a page; one whose `html` is '' is left out."""

  id: str
  title: str
  html: str


def render(
  summary: Mapping[str, Any],
  drawings: Mapping[str, Sequence[Drawing]],
  samples: Sequence[Excerpt],
  overview: str,
  links: Mapping[str, str],
) -> str:
  """The whole page as HTML.

  Args:
    summary: the content of summary.json.
    drawings: the panels of each figure, by its id.
    samples: attempts to read.
    overview: tables as text, as in the terminal.
    links: paths of files relative to the page, by what they are.
  """
  numbers = summary['tables']
  claims = [Claim.from_json(tree) for tree in summary['claims']]
  by_id = {c.id: c for c in claims}
  sections = [
    Section(
      'recommendation',
      'Recommendation',
      recommendation.html(numbers['recommendation'], claims)
      + glossary.links('generation', 'FLOPs', 'control', 'interval'),
    ),
    Section(
      'policy', 'Policy by difficulty', policy_map.html(numbers['policy'])
    ),
    Section(
      'findings',
      'Findings',
      claim_list.first([by_id[i] for i in summary['findings']]),
    ),
    Section(
      'figures',
      'Figures',
      figures.html(summary['figures'], drawings, summary['left_out']),
    ),
    Section('claims', 'Claims', claim_list.every(claims)),
    Section('questions', 'Questions', explorer.html(summary['seeds'])),
    Section('samples', 'Samples', ''.join(map(_sample, samples))),
    Section(
      'numbers',
      'Numbers',
      elements.folded(
        'Accuracies, bins and costs as text',
        f'<pre tabindex="0">{as_html(overview)}</pre>',
      ),
    ),
    Section(
      'question-sets',
      'Question sets',
      tables.question_sets(numbers['question_sets']),
    ),
    Section('skipped', 'Skipped questions', tables.skipped(numbers['skipped'])),
    Section('cost', 'Cost', tables.costs(numbers['costs'])),
    Section('time', 'Time', tables.seconds(summary['seconds'])),
    Section(
      'made-of',
      'Made of',
      provenance.html(
        numbers['made_of'], summary['command'], summary['made_with'], links
      ),
    ),
    Section('glossary', 'Glossary', glossary.html()),
  ]
  return document(summary['experiment'], summary['about'], sections)


def document(title: str, about: str, sections: Sequence[Section]) -> str:
  """A whole page of these sections, with styles and scripts.

  Args:
    title: of the page.
    about: one line below it.
    sections: in their order.
  """
  sections, title = [s for s in sections if s.html], as_html(title)
  contents = ''.join(
    f'<li>{elements.link(s.title, f"#{s.id}")}</li>' for s in sections
  )
  body = '\n'.join(
    f'<section id="{s.id}" aria-labelledby="{s.id}-title">\n'
    f'<h2 id="{s.id}-title">{as_html(s.title)}</h2>\n{s.html}\n</section>'
    for s in sections
  )
  scripts = ''.join(f'<script>\n{_asset(name)}</script>\n' for name in SCRIPTS)
  return (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta name="color-scheme" content="light dark">\n'
    f'<title>{title}</title>\n<style>\n{_asset("page.css")}</style>\n</head>\n'
    '<body>\n<a class="skip" href="#main">To the content</a>\n'
    f'<header>\n<h1>{title}</h1>\n'
    f'<p class="about">{as_html(about)}</p>\n'
    f'<nav aria-label="Contents"><ul>{contents}</ul></nav>\n</header>\n'
    f'<main id="main">\n{body}\n</main>\n{scripts}</body>\n</html>\n'
  )


def _sample(sample: Excerpt) -> str:
  shown = ''.join(
    f'<h3>{as_html(heading)}</h3><pre tabindex="0">{as_html(text)}</pre>'
    for heading, text in sample.attempts
  )
  return elements.folded(sample.title, shown)


def _asset(name: str) -> str:
  file = importlib.resources.files('ttc.pages') / 'assets' / name
  return file.read_text(encoding='utf-8')
