"""A sweep: the product of several axes of bindings, one experiment per cell.

    <sweep>/sweep.json                         the cells
    <sweep>/budget-16_seeds-0/seed-0/search/   a cell, an ordinary experiment

The folder of a cell is named after its values alone. So a sweep can be extended
by values, and the cells that it shares with the smaller one stay complete.
"""

import collections
import dataclasses
import hashlib
import itertools
import json
import pathlib
import re
from typing import Any

from ttc.runtime import storage

FILE = 'sweep.json'
GIN_FILE = 'gin_file'  # the axis whose values are gin files
_SEED = re.compile(r'seed-\d+')  # a folder of an experiment
_LONGEST = 120  # characters of a cell's name; file names may have 255 bytes
_PLAIN = re.compile(r'[A-Za-z0-9._-]+')
# A tuple or list; group 1 is its items, without a trailing comma.
_ITEMS = re.compile(r'[(\[](.*?),?[)\]]', re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Axis:
  """A binding and the values that it takes.

  Attributes:
    binding: the binding as in `--gin.<binding>=`, or 'gin_file'.
    values: each value as gin text; paths, for 'gin_file'.
    names: name of each value in the names of cells; '' derives it from the
      value's text.

  Raises:
    ValueError: there are no values, a name cannot be part of a file name, or
      two values have the same name.
  """

  binding: str
  values: tuple[str, ...]
  names: tuple[str, ...]

  def __post_init__(self):
    if not self.values:
      raise ValueError(f'{self.binding} has no values; list at least one.')
    for name in self.names:
      if name and not _PLAIN.fullmatch(name):
        raise ValueError(
          f'{self.binding}: {name!r} cannot be part of a file name; use '
          'letters, digits, ".", "_" and "-".'
        )
    # Ignoring case, as file systems of macOS and Windows do.
    used = collections.Counter(name.casefold() for name in self.labels)
    twice = [n for n in self.labels if used[n.casefold()] > 1]
    if twice:
      raise ValueError(
        f'{self.binding} has two values called {twice[0]!r}; remove one, or '
        "name them: {'one': ..., 'other': ...}."
      )

  @property
  def labels(self) -> list[str]:
    """Name of each value; derived from its text where none is given."""
    return [
      name or _label(text)
      for name, text in zip(self.names, self.values, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class Cell:
  """One combination of values, i.e. one experiment.

  Attributes:
    name: name of the experiment and of its folder below the sweep's.
    choices: name of the cell's value on each axis, by binding.
    arguments: command line arguments of `ttc` that run it.
  """

  name: str
  choices: dict[str, str]
  arguments: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Sweep:
  """Axes, and what all cells have in common.

  Attributes:
    output: folder of the sweep, local or in a bucket.
    axes: the axes; the last one changes fastest in the order of the cells.
    files: gin files of all cells.
    bindings: gin bindings of all cells.
    options: further arguments of all cells, e.g. '--only=search'.
  """

  output: str
  axes: tuple[Axis, ...]
  files: tuple[str, ...]
  bindings: tuple[str, ...] = ()
  options: tuple[str, ...] = ()

  def cells(self) -> list[Cell]:
    """All combinations of the values.

    Raises:
      ValueError: two cells would have the same folder.
    """
    shorts = _shorts([axis.binding for axis in self.axes])
    cells = [
      self._cell(shorts, chosen)
      for chosen in itertools.product(
        *(range(len(axis.values)) for axis in self.axes)
      )
    ]
    used = collections.Counter(cell.name.casefold() for cell in cells)
    for cell in cells:
      if used[cell.name.casefold()] > 1:
        raise ValueError(
          f'two cells would be called {cell.name!r}; name the values of an '
          "axis: {'one': ..., 'other': ...}."
        )
    return cells

  def write(self, folder: pathlib.Path, cells: list[Cell]) -> None:
    """Writes the list of cells to `folder`, where `ttc status` reads it.

    Raises:
      ValueError: the folder is that of an experiment.
    """
    if any(_SEED.fullmatch(name) for name in storage.names(folder)):
      raise ValueError(
        f'{folder} is the folder of an experiment, which a sweep would hide '
        'from ttc status; name another one in --output.'
      )
    storage.make_folder(folder)
    table = [dataclasses.asdict(cell) for cell in cells]
    text = json.dumps({'cells': table}, indent=1)
    storage.write_atomic(folder / FILE, f'{text}\n'.encode('ascii'))

  def _cell(self, shorts: list[str], chosen: tuple[int, ...]) -> Cell:
    files, bindings, labels = [*self.files], [*self.bindings], []
    for axis, index in zip(self.axes, chosen, strict=True):
      labels.append(axis.labels[index])
      if axis.binding == GIN_FILE:
        files.append(axis.values[index])
      else:
        bindings.append(f'{axis.binding}={axis.values[index]}')
    pairs = zip(shorts, labels, strict=True)
    name = _cut('_'.join(f'{short}-{label}' for short, label in pairs))
    # After the bindings of the sweep, because the last binding wins in gin.
    own = (f'Experiment.output={self.output!r}', f'Experiment.name={name!r}')
    arguments = (
      'run',
      *(f'--gin_file={file}' for file in files),
      *(f'--gin.{binding}' for binding in (*bindings, *own)),
      *self.options,
    )
    choices = {
      axis.binding: label for axis, label in zip(self.axes, labels, strict=True)
    }
    return Cell(name, choices, arguments)


def read(folder: pathlib.Path) -> list[dict[str, Any]] | None:
  """Reads the cells of a sweep; None where the folder is of no sweep.

  Returns:
    The fields of each `Cell`, as plain JSON.

  Raises:
    ValueError: the file is not what `Sweep.write` writes.
  """
  path = folder / FILE
  try:
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    if not all(_PLAIN.fullmatch(cell['name']) for cell in cells):
      raise ValueError('a name is no name of a folder')
  except (FileNotFoundError, NotADirectoryError):
    return None
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise ValueError(
      f'{path} cannot be read as the cells of a sweep ({error}); run the same '
      'ttc sweep command again, which writes it, or delete it.'
    ) from error
  return cells


def _label(text: str) -> str:
  """A value's text as part of a file name.

  'x' and (0,) and (0, 1) become x, 0 and 0-1. Text that cannot be kept in full
  gets a hash, so that different values have different names.
  """
  items = _ITEMS.fullmatch(text)
  parts = [part.strip() for part in (items[1] if items else text).split(',')]
  plain = '-'.join(_unquoted(part) for part in parts)
  if _PLAIN.fullmatch(plain) and len(plain) <= _LONGEST // 3:
    return plain
  readable = '-'.join(re.findall(r'[A-Za-z0-9._]+', text)).strip('._-')
  return f'{readable[-_LONGEST // 4 :].lstrip("._-")}-{_hash(text, 6)}'


def _unquoted(text: str) -> str:
  quoted = len(text) > 1 and text[0] == text[-1] and text[0] in '\'"'
  return text[1:-1] if quoted else text


def _shorts(bindings: list[str]) -> list[str]:
  """The last word of each binding, or all of it where words are equal."""
  words = [re.split('[./]', binding)[-1].lower() for binding in bindings]
  names = [
    word if words.count(word) == 1 else binding.lower().replace('/', '.')
    for word, binding in zip(words, bindings, strict=True)
  ]
  # The first one begins a cell's name, which may not begin with '_'.
  return [name.lstrip('_') for name in names]


def _cut(name: str) -> str:
  """Shortens a long name of a cell; a hash keeps it unique."""
  if len(name) <= _LONGEST:
    return name
  return f'{name[: _LONGEST - 17].rstrip("._-")}-{_hash(name, 16)}'


def _hash(text: str, digits: int) -> str:
  return hashlib.sha256(text.encode()).hexdigest()[:digits]
