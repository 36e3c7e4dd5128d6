"""The command `convert`, and what stages make of its folders."""

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
import tokenizers

from tests import testing
from tests.data import toys
from ttc.checkpoints import huggingface, orbax, safetensors
from ttc.cli import main
from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.models import abstract
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import RefusedError, StageRun
from ttc.stages.sample import Sample
from ttc.stages.solver import Solver

TASK = Worksheet(goals=(2,), num_pretrain=50, num_finetune=20, num_test=5)


def published(folder, head='logits', seed=0, **changes):
  """A checkpoint of somebody who uses transformers."""
  cfg = testing.small_config(
    **{'vocab_size': TASK.vocabulary.size, 'context': 256, **changes}
  )
  params = testing.random_params(cfg, head, seed)
  huggingface.save(str(folder), cfg, head, params, about={'eos_token_id': 7})
  (folder / 'tokenizer.json').write_text('{"version": "1.0"}')
  (folder / 'generation_config.json').write_text('{}')
  return folder


def convert(*arguments):
  return main.main(['convert', *map(str, arguments)])


def test_there_and_back(tmp_path, capsys):
  source = published(tmp_path / 'hub')
  assert convert(f'--from={source}', f'--to={tmp_path / "ours"}') == 0
  out = capsys.readouterr().out
  assert 'head        logits' in out
  assert (tmp_path / 'ours' / 'tokenizer.json').read_bytes() == (
    source / 'tokenizer.json'
  ).read_bytes()
  assert (
    convert(
      f'--from={tmp_path / "ours"}',
      f'--to={tmp_path / "back"}',
      '--format=huggingface',
    )
    == 0
  )
  one, other = (
    {
      name: tensor.rows(0, tensor.shape[0]).tobytes()
      for name, tensor in safetensors.tensors(folder).items()
    }
    for folder in (source, tmp_path / 'back')
  )
  assert one == other
  assert (source / 'config.json').read_text() == (
    tmp_path / 'back' / 'config.json'
  ).read_text()
  assert (tmp_path / 'back' / 'generation_config.json').exists()


def test_dtypes_and_tokenizers_on_the_way(tmp_path, capsys):
  source = published(tmp_path / 'hub', 'value')
  (source / 'tokenizer.json').unlink()
  assert (
    convert(f'--from={source}', f'--to={tmp_path / "ours"}', '--dtype=bfloat16')
    == 0
  )
  assert 'none: ' in capsys.readouterr().out
  cfg, head, params = orbax.load_model(tmp_path / 'ours')
  assert (cfg.param_dtype, head) == ('bfloat16', 'value')
  assert params['value'].dtype == np.float32
  other = published(tmp_path / 'other')
  assert (
    convert(
      f'--from={tmp_path / "ours"}',
      f'--to={tmp_path / "back"}',
      '--format=huggingface',
      '--dtype=float16',
      f'--tokenizer={other}',
    )
    == 0
  )
  assert (tmp_path / 'back' / 'tokenizer.json').exists()
  config = json.loads((tmp_path / 'back' / 'config.json').read_text())
  assert config['architectures'] == ['LlamaForTokenClassification']
  assert (config['dtype'], config['eos_token_id']) == ('float16', 7)
  again = huggingface.load(tmp_path / 'back', testing.mesh())
  np.testing.assert_array_equal(again.params['value'], params['value'])


_MEASURED = """
import sys
from ttc.models import partitioning
from ttc.checkpoints import huggingface, orbax
from ttc.cli import main

def peak():
  with open('/proc/self/status') as file:
    return next(int(line.split()[1]) * 1024 for line in file
                if line.startswith('VmHWM'))

partitioning.make_mesh()
before = peak()
assert main.main(['convert', *sys.argv[1:]]) == 0
print(peak() - before)
"""


@pytest.mark.skipif(
  not pathlib.Path('/proc/self/status').exists(),
  reason='the system does not tell peaks of memory',
)
def test_memory_holds_no_second_copy(tmp_path):
  cfg = testing.small_config(
    vocab_size=16384,
    embed_dim=1024,
    num_layers=4,
    num_heads=16,
    num_kv_heads=4,
    head_dim=64,
    mlp_dim=4096,
    dtype='bfloat16',
    param_dtype='bfloat16',
  )
  params = jax.tree.map(
    lambda x: np.ones(x.shape, x.dtype),
    abstract.params(cfg, 'logits', testing.mesh()),
  )
  huggingface.save(str(tmp_path / 'hub'), cfg, 'logits', params)
  size = (tmp_path / 'hub' / 'model.safetensors').stat().st_size
  peaks = []
  for source, target, form in (
    ('hub', 'ours', 'ttc'),
    ('ours', 'back', 'huggingface'),
  ):
    done = subprocess.run(
      [
        sys.executable,
        '-c',
        _MEASURED,
        f'--from={tmp_path / source}',
        f'--to={tmp_path / target}',
        f'--format={form}',
      ],
      check=True,
      capture_output=True,
      text=True,
    )
    peaks.append(int(done.stdout.splitlines()[-1]))
  assert size > 150e6
  assert max(peaks) < 1.3 * size, peaks


def test_a_reader_stays_with_its_verifier(tmp_path):
  source = published(tmp_path / 'hub')
  reader = tmp_path / 'reader.json'
  fields = dict(
    prompt='{question}', before=';', after='', trim=True, good=3, bad=4
  )
  reader.write_text(json.dumps(fields))
  assert (
    convert(
      f'--from={source}', f'--to={tmp_path / "prm"}', f'--reader={reader}'
    )
    == 0
  )
  assert orbax.load_config(tmp_path / 'prm')[1] == 'value'
  assert orbax.load_reader(tmp_path / 'prm').to_json() == fields


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--from=nowhere', '--to=x'], '--from: there is no folder nowhere'),
    (['--from=empty', '--to=x'], 'empty has no config.json'),
    (['--from=hub', '--to=empty'], '--to: empty exists; delete it'),
    (['--from=hub', '--to=x', '--tokenizer=no'], '--tokenizer: there is no'),
    (['--from=hub', '--to=x', '--reader=mine'], '--reader=mine is neither'),
    (
      ['--from=hub', '--to=x', '--reader=qwen2.5-math-prm'],
      'a language model without a value head',
    ),
    (['--from=hub', '--to=x', '--format=huggingface'], 'no complete model'),
    (
      ['--from=hub', '--to=x', '--reader=hub/config.json'],
      '--reader: hub/config.json: A reader has the fields',
    ),
  ],
)
def test_what_cannot_be_converted(
  arguments, message, tmp_path, monkeypatch, capsys
):
  monkeypatch.chdir(tmp_path)
  published(tmp_path / 'hub')
  (tmp_path / 'empty').mkdir()
  assert convert(*arguments) == 2
  error = capsys.readouterr().err
  assert message in error
  assert error.count('\n') == 1
  assert not (tmp_path / 'x').exists()


def test_a_damaged_checkpoint_leaves_nothing(tmp_path, capsys):
  source = published(tmp_path / 'hub')
  whole = (source / 'model.safetensors').read_bytes()
  (source / 'model.safetensors').write_bytes(whole[:-4] + b'\xff' * 4)
  assert convert(f'--from={source}', f'--to={tmp_path / "ours"}') == 2
  assert 'NaN or infinite' in capsys.readouterr().err
  assert not (tmp_path / 'ours').exists()


def test_stages_name_converted_models(tmp_path):
  """As proposer and as verifier; another model in its place is noticed."""
  folders = {}
  for head in ('logits', 'value'):
    source = published(tmp_path / f'hub-{head}', head)
    folders[head] = tmp_path / head
    assert convert(f'--from={source}', f'--to={folders[head]}') == 0
  solver = Solver(
    TASK,
    Generation(max_tokens=6, max_step_tokens=3),
    questions=3,
    rows=8,
    proposer=str(folders['logits']),
    verifier=str(folders['value']),
  )
  stage = Sample(solver, num=2)
  Experiment('e', (stage,)).check()
  place = Place(tmp_path / 'runs', stages=('sample',))
  run = StageRun(stage, place, 0)
  run.work()
  rows = records.read_rows(run.folder)
  assert all(
    0 < value < 1
    for record in rows
    for row in record['rows']
    for value in row['values']
  )
  inputs = json.loads((run.folder / 'stage.json').read_text())['inputs']
  assert inputs == {
    str(folder): records.read_mark(folder)['fingerprint']
    for folder in folders.values()
  }
  source = published(tmp_path / 'hub-new', seed=1)
  for path in sorted(folders['logits'].rglob('*'), reverse=True):
    path.rmdir() if path.is_dir() else path.unlink()
  folders['logits'].rmdir()
  assert convert(f'--from={source}', f'--to={folders["logits"]}') == 0
  with pytest.raises(RefusedError, match='was made from another'):
    StageRun(stage, place, 0).is_complete()


def test_a_verifier_may_have_another_vocabulary(tmp_path):
  tokenizer = toys.qwen(tmp_path / 'qwen')
  size = tokenizers.Tokenizer.from_file(
    str(tokenizer / 'tokenizer.json')
  ).get_vocab_size()
  assert size != TASK.vocabulary.size
  reader = tmp_path / 'reader.json'
  reader.write_text(
    json.dumps(dict(prompt='<|im_start|>{question}', before='<|im_end|>'))
  )
  for name, head, changes in (
    ('base', 'logits', {}),
    ('prm', 'value', {'vocab_size': size}),
  ):
    source = published(tmp_path / f'hub-{name}', head, **changes)
    asked = (
      []
      if name == 'base'
      else [f'--reader={reader}', f'--tokenizer={tokenizer}']
    )
    assert convert(f'--from={source}', f'--to={tmp_path / name}', *asked) == 0
  solver = Solver(
    TASK,
    Generation(max_tokens=6, max_step_tokens=3),
    questions=3,
    rows=8,
    proposer=str(tmp_path / 'base'),
    verifier=str(tmp_path / 'prm'),
    verifier_tokens=128,
  )
  stage = Sample(solver, num=2)
  Experiment('e', (stage,)).check()
  run = StageRun(stage, Place(tmp_path / 'runs', stages=('sample',)), 0)
  run.work()
  for record in records.read_rows(run.folder):
    assert all(0 < v < 1 for row in record['rows'] for v in row['values'])
    assert record['cost']['verifier_prefill'][0] > len(
      solver.prompt(solver.by_id[record['problem']])
    )


def test_a_verifier_with_another_tokenizer_is_refused_before_any_work(tmp_path):
  """Case R-extra: the separator is no token of the base model's tokenizer."""
  tokenizer = toys.qwen(tmp_path / 'qwen')
  path = str(tokenizer / 'tokenizer.json')
  size = tokenizers.Tokenizer.from_file(path).get_vocab_size()
  folders = [str(tmp_path / name) for name in ('base', 'prm')]
  base = published(tmp_path / 'hub-base')
  assert convert(f'--from={base}', f'--to={folders[0]}') == 0
  prm = published(tmp_path / 'hub-prm', 'value', vocab_size=size)
  given = ('--reader=qwen2.5-math-prm', f'--tokenizer={tokenizer}')
  assert convert(f'--from={prm}', f'--to={folders[1]}', *given) == 0
  solver = Solver(
    TASK,
    Generation(max_tokens=6, max_step_tokens=3),
    questions=3,
    proposer=folders[0],
    verifier=folders[1],
  )
  with pytest.raises(ValueError, match="spells '<extra_0>', which is not one"):
    Experiment('e', (Sample(solver, num=2),)).check()


def test_a_model_that_does_not_fit_is_refused_before_any_work(tmp_path):
  source = published(tmp_path / 'hub')
  assert convert(f'--from={source}', f'--to={tmp_path / "ours"}') == 0
  solver = Solver(
    TASK,
    Generation(max_tokens=400, max_step_tokens=3),
    proposer=str(tmp_path / 'ours'),
  )
  with pytest.raises(ValueError, match='lower Generation'):
    Experiment('e', (Sample(solver),)).check()
