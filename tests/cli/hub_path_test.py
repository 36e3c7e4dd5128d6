"""A stranger's path: what `hf download` left, converted, asked and recorded."""

import json

import pytest

from tests.cli.convert_test import published
from tests.data import toys
from tests.data.hub_test import fetched
from tests.data.tasks_test import GPQA
from ttc.cli import main
from ttc.data.tokenizer import Tokenizer
from ttc.pipeline import records

pyarrow = pytest.importorskip('pyarrow')
parquet = pytest.importorskip('pyarrow.parquet')
constants = pytest.importorskip('huggingface_hub.constants')
pytest.importorskip('jinja2', reason='the optional extra hf')

CHAT = """{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}<|im_start|>assistant
"""


def written(path, answer='two'):
  lines = [GPQA | {'Question': f'{i} + 1?'} for i in range(3)]
  lines[0]['Correct Answer'] = answer
  parquet.write_table(pyarrow.Table.from_pylist(lines), path)


def test_from_the_cache_of_the_hub_to_records(tmp_path, monkeypatch, capsys):
  snapshot = fetched(
    tmp_path, 'acme/tiny', 'model', {'chat_template.jinja': CHAT}
  )
  tokenizer = Tokenizer(str(toys.qwen(tmp_path / 'qwen')), '<|quad_end|>')
  published(snapshot, vocab_size=tokenizer.size, context=512)
  for path in (tmp_path / 'qwen').iterdir():
    (snapshot / path.name).write_bytes(path.read_bytes())
  monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
  model = tmp_path / 'model'
  assert main.main(['convert', '--from=acme/tiny', f'--to={model}']) == 0

  written(tmp_path / 'gpqa.parquet')
  arguments = [
    'run',
    '--gin_file=gin/experiments/first_look.gin',
    '--gin_file=gin/tasks/gpqa_diamond.gin',
    '--gin_file=gin/templates/chat.gin',
    '--only=greedy',
    f"--gin.SMALL='{model}'",
    f"--gin.TEST_FILE='{tmp_path / 'gpqa.parquet'}'",
    f"--gin.Experiment.output='{tmp_path / 'runs'}'",
    '--gin.QUESTIONS=3',
    '--gin.MAX_TOKENS=4',
    "--gin.Questions.delimiter='\\n'",
  ]
  assert main.main(arguments) == 0, capsys.readouterr().err
  folder = tmp_path / 'runs' / 'first_look' / 'seed-0' / 'greedy'
  asked = [record['question'] for record in records.read_rows(folder)]
  for number, question in enumerate(asked):
    assert question.startswith(f'{number} + 1?\n\n(A) ')
    assert all(GPQA[name] in question for name in GPQA if 'Answer' in name)
  origin = json.loads((folder / 'stage.json').read_text())
  names = {path.rsplit('/', 1)[-1] for path in origin['files']}
  assert names >= {'gpqa.parquet', 'tokenizer.json', 'chat_template.jinja'}

  written(tmp_path / 'gpqa.parquet', answer='three')
  capsys.readouterr()
  assert main.main(arguments) == 2
  told = capsys.readouterr().err
  assert 'was made from files with other content' in told
  assert 'gpqa.parquet: SHA-256' in told
