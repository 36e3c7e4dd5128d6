"""The card of an exported model: README.md, as Hugging Face's hub shows it."""

from collections.abc import Iterator, Mapping
import json
import pathlib
from typing import Any

from ttc.runtime.safe_text import printable

FILE = 'README.md'
_CODE = {
  'text-generation': """\
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(FOLDER)""",
  'token-classification': """\
from transformers import AutoModelForTokenClassification
model = AutoModelForTokenClassification.from_pretrained(FOLDER)
# At the last token of each step; the last step's is the attempt's score.
value = model(tokens).logits[..., 0].sigmoid()""",
}
_KINDS = {
  'text-generation': 'A language model',
  'token-classification': 'A verifier, which values the steps of an answer,',
}


def write(source: pathlib.Path, folder: pathlib.Path, parameters: int) -> None:
  """Writes the card of a model beside it.

  Args:
    source: the stage or model folder that it was exported from.
    folder: of the exported model, config.json included.
    parameters: their number.

  Raises:
    OSError: a file cannot be read or written.
  """
  config = _read(folder / 'config.json')
  causal = config['architectures'][0].endswith('ForCausalLM')
  task = 'text-generation' if causal else 'token-classification'
  home = source.parent if source.name == 'model' else source
  lines = [
    *('---', 'library_name: transformers', f'pipeline_tag: {task}'),
    *('tags:', '- test-time-compute', '- ttc', '---', ''),
    f'# {_named(home)}',
    '',
    f'{_KINDS[task]} of {parameters:,} parameters'
    f' ({config["architectures"][0]}, {config["dtype"]}), from ttc.',
    '',
    *(f'    {line}' for line in _CODE[task].splitlines()),
    *_made(home),
    '',
    '## To be added',
    '',
    'A `license:` and, where it was not trained from scratch, a `base_model:`,'
    ' in the lines at the top: no file says which.',
  ]
  (folder / FILE).write_text('\n'.join(lines) + '\n', encoding='utf-8')


def _named(home: pathlib.Path) -> str:
  """What a stage's model is called; a name may hold anything."""
  parts = [home.name]
  if home.parent.name.startswith('seed-'):
    parts = [home.parents[1].name, home.name, home.parent.name]
  return printable(' '.join(parts), 200, one_line=True)


def _made(home: pathlib.Path) -> Iterator[str]:
  """How a stage made it, if one did: a card is Markdown, and so is quoted."""
  stage = _read(home / 'stage.json')
  if not stage:
    return
  facts: dict[str, Any] = {
    'seeds': stage.get('seeds'),
    'made_by': stage.get('made_by'),
    'bindings': stage.get('bindings'),
  }
  measured = _read(home / 'metrics.json').get('evaluations')
  if measured:
    facts = {'last evaluation': measured[-1], **facts}
  yield from ('', '## How it was trained', '')
  text = json.dumps(facts, indent=1, ensure_ascii=True)
  yield from (f'    {line}' for line in text.splitlines())


def _read(path: pathlib.Path) -> Mapping[str, Any]:
  """A file with a JSON object; an empty one where there is none."""
  try:
    return json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    return {}
