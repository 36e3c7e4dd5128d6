"""Damaged and hostile safetensors files: refused wherever the library does."""

import json
import random
import re
import struct

import pytest

from ttc.checkpoints import safetensors

_LARGE = 2**62


def _entry(dtype, shape, begin, end):
  return {'dtype': dtype, 'shape': shape, 'data_offsets': [begin, end]}


def _sound():
  """A header of 5 tensors, and how many bytes follow it."""
  return {
    '__metadata__': {'format': 'pt'},
    'a': _entry('F32', [2, 3], 0, 24),
    'layers.0.b': _entry('BF16', [4], 24, 32),
    'empty': _entry('F16', [0, 7], 32, 32),
    'one': _entry('F16', [], 32, 34),
    'ids': _entry('I64', [1], 34, 42),
  }, 42


def _file(header, size, text=None):
  if text is None:
    text = json.dumps(header)
  text = text if isinstance(text, bytes) else text.encode()
  return struct.pack('<Q', len(text)) + text + bytes(size)


def _read(folder, data):
  (folder / 'model.safetensors').write_bytes(data)
  return safetensors.tensors(folder)


def test_a_sound_file(tmp_path):
  found = _read(tmp_path, _file(*_sound()))
  assert [(t.name, t.dtype, t.shape) for t in found.values()] == [
    ('a', 'float32', (2, 3)),
    ('layers.0.b', 'bfloat16', (4,)),
    ('empty', 'float16', (0, 7)),
    ('one', 'float16', ()),
    ('ids', 'I64', (1,)),
  ]
  start = found['a'].start
  assert [t.start - start for t in found.values()] == [0, 24, 32, 32, 34]
  assert found['empty'].rows(0, 0).shape == (0, 7)
  assert _read(tmp_path, _file({}, 0)) == {}


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'a': _entry('F32', [2, 4], 0, 24)}, r"'a' has shape \[2, 4\]; .* 256 bi"),
    ({'a': _entry('F64', [2, 3], 0, 24)}, r'in F64 it has 384 bits.* 192'),
    ({'a': _entry('f32', [2, 3], 0, 24)}, r"'a' has dtype 'f32'; .*BF16"),
    ({'a': _entry(['F32'], [2, 3], 0, 24)}, r"dtype \['F32'\]"),
    ({'a': _entry('F32', [-2, -3], 0, 24)}, r'shape \[-2, -3\]; .*from 0'),
    ({'a': _entry('F32', [2, 3.0], 0, 24)}, r'shape \[2, 3.0\]'),
    ({'a': _entry('F32', [True, 6], 0, 24)}, r'shape \[True, 6\]'),
    ({'a': _entry('F32', '6', 0, 24)}, r"shape '6'"),
    ({'a': _entry('F32', [6] + [1] * 64, 0, 24)}, 'at most 64 integers'),
    ({'a': _entry('F32', [_LARGE, _LARGE], 0, 24)}, 'at most 9223.* bits'),
    ({'empty': _entry('F32', [_LARGE, 4, 0], 32, 32)}, "'empty'.* bits are"),
    (
      {'a': _entry('F32', [_LARGE // 16], 0, 24)},
      r"'a' has shape .*75808 bits",
    ),
    ({'a': _entry('F32', [10**999] * 64, 0, 24)}, r'shape \[1000.*…; at most'),
    ({'a': _entry('F32', [6], -24, 0)}, r'data_offsets \[-24, 0\]; .*0 <= beg'),
    (
      {'a': _entry('F32', [6], 24, 0)},
      r'data_offsets \[24, 0\]; .*begin <= en',
    ),
    ({'a': _entry('F32', [6], 0, 43)}, r"'a'.*\[0, 43\]; 42 bytes.*cut short"),
    ({'a': _entry('F32', [6], 0, 10**4299)}, r'\[0, 10000.*…; 42 bytes'),
    ({'a': _entry('F32', [7], 0, 28)}, r"'layers.0.b' .* 24 .*overlaps .* 28"),
    ({'a': _entry('F32', [5], 0, 20)}, r"'layers.0.b' .* 24 .*a hole .* 20"),
    ({'ids': _entry('I32', [1], 34, 38)}, '42 bytes .*its tensors have 38'),
    ({'a': [1, 2]}, r"'a' is \[1, 2\]; exactly dtype"),
    ({'a': {'dtype': 'F32', 'shape': []}}, "'a' is .*data_offsets are"),
    ({'a': _entry('F32', [6], 0, 24) | {'more': 1}}, "'a' is .*exactly"),
    ({'__metadata__': {'format': 1}}, "__metadata__ is {'format': 1}"),
    ({'__metadata__': []}, r'__metadata__ is \[\]'),
    ({'\x1b[2J': 3}, r"tensor '\\x1b\[2J' is 3"),
  ],
)
def test_entries_that_do_not_fit(tmp_path, changes, message):
  header, size = _sound()
  with pytest.raises(ValueError, match=message) as told:
    _read(tmp_path, _file(header | changes, size))
  assert str(told.value).startswith(f'{tmp_path}/model.safetensors')
  assert len(str(told.value)) < 600


_A = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    (f'{{{_A},{_A}}}', "name 'a' is there twice"),
    (f'{{{_A[:-1]},"dtype":"F32"}}}}', "name 'dtype' is there twice"),
    (f'{{{_A}}}\0', 'no valid JSON: Extra data'),
    (f'\ufeff{{{_A}}}', 'no valid JSON'),
    (f'[{{{_A}}}]', 'not an object'),
    ('', 'no valid JSON'),
    ('{"__metadata__":NaN}', 'NaN is not JSON'),
    ('{"\\ud800":1}', 'no valid JSON.*surrogates'),
    (b'{"\xff":1}', 'no valid JSON.*utf-8'),
    ('[' * 200_000, 'no valid JSON.*recursion'),
    (_A.join('{}').replace('[0,', '[-0,'), r'data_offsets \[-0.0, 4\]'),
    (f'{{"a":{"9" * 5000}}}', 'no valid JSON.*4300'),
  ],
)
def test_headers_that_are_no_json(tmp_path, text, message):
  with pytest.raises(ValueError, match=message):
    _read(tmp_path, _file(None, 4, text))


@pytest.mark.parametrize(
  ('index', 'message'),
  [
    (b'\xff', 'no valid JSON'),
    (b'[]', 'not an object'),
    (b'{}', 'weight_map is None'),
    *(
      (json.dumps({'weight_map': {'a': name}}), "tensor 'a' is in the file")
      for name in (
        '../other.safetensors',
        '/etc/other.safetensors',
        'sub/other.safetensors',
        'sub\\other.safetensors',
        'other\0.safetensors',
        '..',
        '',
        'other.bin',
        3,
      )
    ),
    ('{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}', 'there twice'),
    ('{"weight_map":{"a":"no\\u001b.safetensors"}}', r'no\\x1b.*is missing'),
    ('{"weight_map":{"b":"x.safetensors"}}', "'a' is missing in the index"),
  ],
)
def test_an_index_that_leads_elsewhere(tmp_path, index, message):
  folder = tmp_path / 'checkpoint'
  folder.mkdir()
  for path in (tmp_path / 'other.safetensors', folder / 'x.safetensors'):
    path.write_bytes(_file(None, 4, f'{{{_A}}}'))
  index = index if isinstance(index, bytes) else index.encode()
  (folder / 'model.safetensors.index.json').write_bytes(index)
  with pytest.raises(ValueError, match=message) as told:
    safetensors.tensors(folder)
  assert str(told.value).startswith(str(folder))


def test_a_tensor_in_two_files(tmp_path):
  for name in 'xy':
    (tmp_path / f'{name}.safetensors').write_bytes(
      _file(None, 4, f'{{{_A if name == "x" else _A + "," + _B}}}')
      + bytes(4 * (name == 'y'))
    )
  listed = {'a': 'x.safetensors', 'b': 'y.safetensors'}
  (tmp_path / 'model.safetensors.index.json').write_text(
    json.dumps({'weight_map': listed})
  )
  with pytest.raises(
    ValueError, match=r"'a' is in 'y\.saf.*index says 'x\.safetensors'"
  ):
    safetensors.tensors(tmp_path)


_B = '"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}'


def _flip_bits(rng, data, header_end):
  for _ in range(rng.choice((1, 1, 1, 2, 5))):
    data[rng.randrange(header_end)] ^= 1 << rng.randrange(8)


def _edit_bytes(rng, data, header_end):
  at = rng.randrange(8, header_end)
  data[at : at + rng.randrange(3)] = rng.choice(
    (b'0', b'-', b'9', b'.', b'e', b'"', b'{', b',', b' ', b'\0', b'\\ud800')
  )
  if rng.random() < 0.8:  # so that the length is not what is wrong
    data[:8] = struct.pack('<Q', len(data) - 8 - _sound()[1])


def _resize(rng, data, header_end):
  if rng.random() < 0.5:
    del data[rng.randrange(len(data)) :]
  else:
    data += bytes(rng.randrange(1, 9))


def _edit_fields(rng, data, header_end):
  header, size = _sound()
  for _ in range(rng.choice((1, 1, 2))):
    name = rng.choice(('a', 'layers.0.b', 'empty', 'one', 'ids'))
    entry = header[name]
    field = rng.choice(('dtype', 'shape', 'data_offsets', 'data_offsets'))
    if field == 'dtype':
      entry[field] = rng.choice(('F32', 'I8', 'F4', 'bf16', 'F8_E4M3', 'C64'))
    elif entry[field] and rng.random() < 0.8:
      numbers = entry[field]
      at = rng.randrange(len(numbers))
      numbers[at] = rng.choice(
        (numbers[at] + 1, numbers[at] - 1, 0, -1, _LARGE, 2**64, 1.0, True)
      )
    else:
      entry[field] = entry[field] + [rng.choice((0, 1, 2, _LARGE))]
  data[:] = _file(header, size)


@pytest.mark.parametrize(
  'damage', [_flip_bits, _edit_bytes, _resize, _edit_fields]
)
def test_what_the_library_refuses_is_refused(tmp_path, damage):
  library = pytest.importorskip('safetensors')
  sound = _file(*_sound())
  refused, stricter, header_end = 0, [], len(sound) - _sound()[1]
  library.deserialize(sound)
  for seed in range(200):
    data = bytearray(sound)
    damage(random.Random(seed), data, header_end)
    try:
      entries = dict(library.deserialize(bytes(data)))
    except library.SafetensorError:
      refused += 1
      with pytest.raises(ValueError, match=str(tmp_path)):
        _read(tmp_path, data)
      continue
    try:
      found = _read(tmp_path, data)
    except ValueError as error:
      stricter.append(str(error))
      continue
    assert {name: list(t.shape) for name, t in found.items()} == {
      name: entry['shape'] for name, entry in entries.items()
    }
  assert refused > 60
  ours = re.compile('exactly dtype|there twice|bits are allowed')
  assert [text for text in stricter if not ours.search(text)] == []
