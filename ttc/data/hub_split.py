"""A split of a data set of the Hugging Face hub, by the `datasets` library."""

from collections.abc import Iterator
import dataclasses
import functools
import hashlib
import json
import logging
from typing import Any

from ttc.data import arrow, hub

_SHOWN = 300  # characters of an error of the library


@dataclasses.dataclass(frozen=True)
class HubSplit:
  """Rows of a split, in its order.

  What `hf download` left in the hub's cache is read, or else what the library
  has in its own; what is in neither it fetches.

  Attributes:
    name: OWNER/NAME, or a local folder that the library reads.
    config: name of a configuration (a subset); '' if there is one only.
    split: name of the split.
    revision: branch, tag or commit; '' is the main branch. Whatever it is, a
      run goes on only with the rows that it began with.
  """

  name: str
  config: str = ''
  split: str = 'test'
  revision: str = ''

  def __str__(self) -> str:
    config = f'/{self.config}' if self.config else ''
    revision = f'@{self.revision}' if self.revision else ''
    return f'{self.name}{config}/{self.split}{revision}'

  def digests(self) -> dict[str, str]:
    """SHA-256 of the rows, for their identity; raises as `read`."""
    return {f'data set {self}': self._digest}

  def read(self) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (row number from 1, row), as `arrow.rows` makes them.

    Raises:
      ValueError: there is no such data set, configuration or split, it cannot
        be had, or the library is not installed.
    """
    yield from enumerate(arrow.rows(self._batches()), start=1)

  @functools.cached_property
  def _digest(self) -> str:
    digest = hashlib.sha256()
    for row in arrow.rows(self._batches()):
      text = json.dumps(row, sort_keys=True, ensure_ascii=True, default=repr)
      digest.update(f'{text}\n'.encode('ascii'))
    return digest.hexdigest()

  def _batches(self) -> Iterator:
    # As tables: images and sounds among the columns are not decoded.
    return self._loaded.with_format('arrow').iter(batch_size=256)

  @functools.cached_property
  def _loaded(self):
    """The split as a `datasets.Dataset`."""
    try:
      import datasets
    except ImportError as error:
      raise ValueError(
        f'data set {self} needs the library datasets; run pip install datasets.'
      ) from error
    datasets.disable_progress_bars()
    # It tells of each try to reach the hub.
    logging.getLogger('huggingface_hub').setLevel(logging.ERROR)
    held = hub.is_name(self.name) and hub.cached(
      self.name, 'dataset', self.revision
    )
    try:
      return datasets.load_dataset(
        str(held or self.name),
        self.config or None,
        split=self.split,
        revision=None if held else self.revision or None,
      )
    except Exception as error:  # the library raises many kinds
      reason = ' '.join(str(error).split()).rstrip('.')[:_SHOWN]
      command = hub.command(self.name, 'dataset', self.revision)
      raise ValueError(
        f'data set {self} cannot be read: {reason}. See that HubSplit.name, '
        'config, split and revision are right; of one that asks for '
        f'permission, ask on its page; then run `{command}`, or copy the cache '
        'of a machine that has it (HF_HOME).'
      ) from error
