"""The card of an exported model: its metadata, and how it was made."""

import json

import pytest

from tests.stages.random_models import stored
from ttc.cli import main


def _exported(source, target):
  command = ['convert', f'--from={source}', f'--to={target}']
  assert main.main([*command, '--format=huggingface']) == 0
  text = (target / 'README.md').read_text()
  _, head, body = text.split('---\n', 2)
  return head, body


def _metadata(head):
  yaml = pytest.importorskip('yaml')
  return yaml.safe_load(head)


@pytest.mark.parametrize(
  ('head', 'task', 'kind'),
  [
    ('logits', 'text-generation', 'AutoModelForCausalLM'),
    ('value', 'token-classification', 'AutoModelForTokenClassification'),
  ],
)
def test_it_says_what_the_model_is_for(tmp_path, head, task, kind):
  stored(tmp_path / 'ours', head)
  top, body = _exported(tmp_path / 'ours', tmp_path / 'hub')
  assert _metadata(top) == {
    'library_name': 'transformers',
    'pipeline_tag': task,
    'tags': ['test-time-compute', 'ttc'],
  }
  assert kind in body
  assert 'How it was trained' not in body  # no stage tells
  assert str(tmp_path) not in body


def test_it_says_how_a_stage_trained_it(tmp_path):
  stage = tmp_path / 'runs' / 'quick\x1b[1m' / 'seed-3' / 'prm'
  stored(stage / 'model', 'value')
  described = {'seeds': [3], 'bindings': {'Train.name': '```\n# prm'}}
  (stage / 'stage.json').write_text(json.dumps(described))
  measured = {'evaluations': [{'loss': 1.0}, {'loss': 0.25, 'step': 40}]}
  (stage / 'metrics.json').write_text(json.dumps(measured))
  for source in (stage, stage / 'model'):
    _, body = _exported(source, tmp_path / f'hub-{source.name}')
    assert '# quick\\x1b[1m prm seed-3\n' in body
    assert '"loss": 0.25' in body
    assert '"loss": 1.0' not in body
    # What a name holds is quoted, and no heading.
    assert '\n# prm' not in body
    assert '"Train.name": "```\\n# prm"' in body
