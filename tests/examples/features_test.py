import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests import disk_events
from ttc.examples import features, split

LM = {'tokens': [5, 6, 7], 'loss_start': 1, 'problem': 3}
VALUE = {
  'tokens': np.array([5, 6, 7]),
  'positions': [0, 2],
  'labels': [0.25, 1],
  'problem': 2**40,
}


def _read(folder, split):
  return [
    {k: v.tolist() for k, v in example.items()}
    for example in features.read(folder, split).as_numpy_iterator()
  ]


@pytest.mark.parametrize(('kind', 'example'), [('lm', LM), ('value', VALUE)])
def test_examples_come_back_in_order(tmp_path, kind, example):
  examples = [example | {'problem': i} for i in (9, 4, 2**40)]
  folder = tmp_path / 'a b' / 'data'
  counts = features.write(
    folder, kind, {'train': examples, 'validation': iter(examples[:1])}
  )
  assert counts == {'train': 3, 'validation': 1}
  assert features.kind_of(folder) == kind
  plain = [{k: np.asarray(v).tolist() for k, v in e.items()} for e in examples]
  assert _read(folder, 'train') == plain
  assert _read(folder, 'validation') == plain[:1]


def test_tfds_reads_the_folder_itself(tmp_path):
  features.write(tmp_path / 'data', 'value', {'train': [VALUE]})
  builder = tfds.builder_from_directory(str(tmp_path / 'data'))
  (example,) = builder.as_data_source('train')
  assert {k: np.asarray(v).tolist() for k, v in example.items()} == {
    k: np.asarray(v).tolist() for k, v in VALUE.items()
  }


def test_a_failed_write_leaves_what_was_there(tmp_path):
  folder = tmp_path / 'data'
  features.write(folder, 'lm', {'train': [LM]})

  def breaks():
    yield LM | {'problem': 8}
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    features.write(folder, 'lm', {'train': breaks()})
  assert _read(folder, 'train') == [LM]
  features.write(folder, 'lm', {'train': [LM | {'problem': 8}]})
  assert _read(folder, 'train') == [LM | {'problem': 8}]
  with pytest.raises(ValueError, match=r"no split 'test'.*\['train'\]"):
    features.read(folder, 'test')


def test_every_file_is_on_disk_before_the_folder_has_its_name(
  tmp_path, monkeypatch
):
  folder = tmp_path / 'data'
  events = disk_events.record(monkeypatch)
  for _ in range(2):  # the second replaces the first
    events.clear()
    features.write(folder, 'lm', {'train': [LM], 'validation': [LM]})
    names = {path.name for path in folder.iterdir()}
    assert {'dataset_info.json', 'features.json'} < names
    at = events.index(('replace', folder))
    partial = tmp_path / 'data.partial'
    assert {path for _, path in events[:at]} == {
      partial,
      *(partial / name for name in names),
    }
    assert events[at - 1] == ('fsync', partial)
    assert events[at + 1 :] == [('fsync', tmp_path)]


@pytest.mark.parametrize(
  ('kind', 'change', 'message'),
  [
    ('lm', {'loss_start': 0}, r'loss_start=0 of problem 3 is not in \[1, 3\)'),
    ('lm', {'loss_start': 3}, 'loss_start=3'),
    ('lm', {'more': 1}, "has .*'more'"),
    ('value', {'positions': [0]}, '1 positions and 2 labels'),
    ('value', {'positions': [], 'labels': []}, 'at least one'),
    ('value', {'positions': [2, 2]}, 'do not increase'),
    ('value', {'positions': [0, 3]}, r'within \[0, 3\)'),
    ('value', {'labels': [0, 1.5]}, r'not in \[0, 1\]'),
    ('value', {'labels': [0, float('nan')]}, r'not in \[0, 1\]'),
  ],
)
def test_bad_examples_are_refused(tmp_path, kind, change, message):
  example = {'lm': LM, 'value': VALUE}[kind] | change
  with pytest.raises(ValueError, match=message):
    features.write(tmp_path / 'data', kind, {'train': [example]})
  assert not (tmp_path / 'data').exists()


def test_an_empty_split_is_refused(tmp_path):
  with pytest.raises(ValueError, match=r"'validation' .* empty"):
    features.write(tmp_path / 'data', 'lm', {'train': [LM], 'validation': []})


def test_questions_are_held_out_whole_and_by_seed():
  out = [split.held_out(i, 0.1, seed=0) for i in range(5000)]
  assert out == [split.held_out(i, 0.1, seed=0) for i in range(5000)]
  assert out != [split.held_out(i, 0.1, seed=1) for i in range(5000)]
  assert 0.08 < np.mean(out) < 0.12
  assert not any(split.held_out(i, 0.0, seed=0) for i in range(100))
  more = [split.held_out(i, 0.3, seed=0) for i in range(5000)]
  assert all(b or not a for a, b in zip(out, more, strict=True))
