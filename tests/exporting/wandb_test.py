"""Metrics as runs of Weights & Biases that are not sent."""

import json
import struct

import pytest

from ttc.cli import main
from ttc.runtime import metrics

wandb = pytest.importorskip('wandb', reason='needs wandb')


_HEADER, _BLOCK, _CHUNK = 7, 32768, struct.Struct('<IHB')


def _records(path):
  """The records of a .wandb file: LevelDB's log format after a short header."""
  from wandb.proto import wandb_internal_pb2

  data, at, whole = path.read_bytes(), _HEADER, b''
  while at < len(data):
    if _BLOCK - at % _BLOCK < _CHUNK.size:  # padding
      at += _BLOCK - at % _BLOCK
      continue
    _, size, kind = _CHUNK.unpack_from(data, at)
    at += _CHUNK.size
    whole += data[at : at + size]
    at += size
    if kind in (1, 4):  # the whole record, or its last chunk
      record = wandb_internal_pb2.Record()
      record.ParseFromString(whole)
      yield record
      whole = b''


def _written(folder):
  """(rows, config) of each run that was written, by its name."""
  found = {}
  for path in sorted((folder / 'wandb').glob('offline-run-*/*.wandb')):
    rows, name, config = [], None, {}
    for record in _records(path):
      if record.HasField('run'):
        name = record.run.display_name
        for item in record.run.config.update:
          config[item.key] = json.loads(item.value_json)
      if record.HasField('history'):
        rows.append(
          {
            item.key or '.'.join(item.nested_key): json.loads(item.value_json)
            for item in record.history.item
          }
        )
    found[name] = rows, config
  return found


def test_metrics_are_written_and_not_sent(run, tmp_path, capsys, monkeypatch):
  monkeypatch.delenv('WANDB_MODE', raising=False)
  command = ['export', '--to=wandb', f'--run={run}', f'--output={tmp_path}']
  assert main.main(command) == 0
  assert 'wandb sync' in capsys.readouterr().out
  found = _written(tmp_path)
  assert found.keys() == {'seed-7/search', 'seed-7/revise'}
  for name, (rows, config) in found.items():
    entries = metrics.read(run / name)
    merged = {}
    for entry in entries:
      merged.setdefault(entry['step'], {}).update(entry)
    for row, entry in zip(rows, merged.values(), strict=True):
      assert row['_step'] == entry['step']
      assert {k: row[k] for k in entry if k != 'step'} == {
        k: v for k, v in entry.items() if k != 'step'
      }
    stage = json.loads((run / name / 'stage.json').read_text())
    assert config.items() >= stage['bindings'].items()
