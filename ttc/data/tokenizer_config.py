"""The JSON files beside a tokenizer.json, which name its special tokens."""

import json
import pathlib
from typing import Any

from ttc.data.text_lines import LFS_POINTER

CONFIG, GENERATION = 'tokenizer_config.json', 'generation_config.json'


def beside(path: pathlib.Path, name: str) -> dict[str, Any]:
  """The JSON object in another file of a tokenizer's folder.

  Args:
    path: the tokenizer.json.
    name: of the other file.

  Returns:
    {} if it is not there.

  Raises:
    ValueError: it holds no JSON object.
  """
  path = path.with_name(name)
  if not path.is_file():
    return {}
  check_fetched(path)
  try:
    held = json.loads(path.read_text(encoding='utf-8-sig'))
  except ValueError as error:
    raise ValueError(f'{path} is not JSON: {error}.') from error
  if not isinstance(held, dict):
    raise ValueError(f'{path} holds no JSON object; fetch it again.')
  return held


def check_fetched(path: pathlib.Path) -> None:
  """Raises ValueError if a file is a pointer of Git LFS."""
  with path.open('rb') as file:
    if file.read(len(LFS_POINTER)) == LFS_POINTER:
      raise ValueError(
        f'{path} is a pointer of Git LFS, not the file itself; run `git lfs '
        'pull` in its repository.'
      )


def token(path: pathlib.Path, role: str) -> str:
  """The text of a special token; '' if the configuration names none.

  Args:
    path: the tokenizer.json.
    role: such as 'bos_token'.

  Raises:
    ValueError: it is no text, nor an object with one.
  """
  named = beside(path, CONFIG).get(role)
  text = named.get('content') if isinstance(named, dict) else named
  if text is not None and not isinstance(text, str):
    raise ValueError(
      f'{CONFIG} beside {path} has {role}={named!r:.60}; give the text of one '
      'token.'
    )
  return text or ''


def end_ids(path: pathlib.Path, size: int) -> list[int]:
  """The ids at which the model's own configuration ends a text, often none.

  Args:
    path: the tokenizer.json.
    size: number of its tokens.

  Raises:
    ValueError: one is no token.
  """
  named = beside(path, GENERATION).get('eos_token_id')
  # One id or a list: chat models end a turn with another token than a text.
  ids = named if isinstance(named, list) else [] if named is None else [named]
  for id in ids:
    if type(id) is not int or not 0 <= id < size:
      raise ValueError(
        f'{GENERATION} beside {path} has the end {id!r:.20}, and the tokenizer '
        f'has only {size} tokens, from 0 on; the files are not of one model.'
      )
  return ids
