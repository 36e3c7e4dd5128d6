"""By what, when and from what a report was made, on the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from ttc.pages import elements
from ttc.runtime.safe_text import as_html

PAPER = 'https://arxiv.org/abs/2408.03314'
_WORDS = {
  'task': 'Task',
  'split': 'Split',
  'proposer': 'Proposer',
  'verifier': 'Verifier',
  'temperature': 'Temperature',
  'top_p': 'Top p',
  'max_tokens': 'Longest answer (tokens)',
}


def html(
  made: Mapping[str, Any],
  command: str,
  made_with: Sequence[str],
  links: Mapping[str, str],
) -> str:
  """Models, sampling, runs and files.

  Args:
    made: of `reporting.made_of.table`.
    command: command line of the report.
    made_with: code and devices, in lines of text.
    links: paths of files relative to the page, by what they are.
  """
  listed = [
    f'<li>{elements.link(name, target)}</li>' for name, target in links.items()
  ]
  listed.append(f'<li>{elements.link("The paper", PAPER)}</li>')
  return '\n'.join(
    [
      _models(made['models']),
      _sampling(made['sampling']),
      _runs(made['runs'], command),
      *(elements.paragraph(line) for line in made_with),
      f'<ul class="links">{"".join(listed)}</ul>',
    ]
  )


def _models(models: Sequence[Mapping[str, Any]]) -> str:
  rows = [
    [
      as_html(m['stage']),
      f'{m["parameters"]:,}',
      str(m['layers']),
      str(m['width']),
      f'{m["vocabulary"]:,}',
    ]
    for m in models
  ]
  header = ['Model', 'Parameters', 'Layers', 'Width', 'Vocabulary']
  caption = 'Models, as each stage left them'
  return elements.table(header, rows, (1, 2, 3, 4), caption) if rows else ''


def _sampling(stages: Sequence[Mapping[str, Any]]) -> str:
  used = [key for key in _WORDS if any(key in s for s in stages)]
  rows = [
    [as_html(s['stage']), *(as_html(str(s.get(key, ''))) for key in used)]
    for s in stages
  ]
  header = ['Stage', *(_WORDS[key] for key in used)]
  return elements.table(header, rows, (), 'Sampling') if rows else ''


def _runs(runs: Sequence[Mapping[str, str]], command: str) -> str:
  lines = ''.join(
    f'<li><time>{as_html(r["began"])}</time> '
    f'<code>{as_html(r["command"])}</code></li>'
    for r in runs
  )
  lines = lines or f'<li><code>{as_html(command)}</code></li>'
  return f'<h3>Commands</h3><ul class="commands">{lines}</ul>'
