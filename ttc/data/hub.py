"""Names of the Hugging Face hub, where a path is expected.

Nothing is fetched here: `hf download` does that, and leaves what it fetches in
the hub's cache, where it is found by its name.
"""

import os
import pathlib
import re
import shlex

_NAME = re.compile(r'[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*')
_TYPES = {'model': (), 'dataset': ('--repo-type=dataset',)}


def is_name(name: str) -> bool:
  """Whether a text is spelt as a name of the hub: OWNER/NAME."""
  return _NAME.fullmatch(name) is not None


def command(name: str, kind: str = 'model', revision: str = '') -> str:
  """The command that fetches a repository of the hub into its cache.

  Args:
    name: OWNER/NAME.
    kind: 'model' or 'dataset'.
    revision: branch, tag or commit; '' is the main branch.
  """
  revisions = [f'--revision={revision}'] if revision else []
  return shlex.join(['hf', 'download', *_TYPES[kind], name, *revisions])


def cached(
  name: str, kind: str = 'model', revision: str = ''
) -> pathlib.Path | None:
  """The folder of a repository in the hub's cache; None if it is not there.

  Never asks the network. The folder may lack files, where only some were
  fetched.

  Args:
    name: as for `command`.
    kind: as for `command`.
    revision: as for `command`.
  """
  import huggingface_hub
  from huggingface_hub import errors

  try:
    return pathlib.Path(
      huggingface_hub.snapshot_download(
        name, repo_type=kind, revision=revision or None, local_files_only=True
      )
    )
  except (errors.LocalEntryNotFoundError, errors.HFValidationError):
    return None


def folder(path: pathlib.Path) -> pathlib.Path:
  """What a relative path means: the folder there, or one of the hub's cache.

  Returns:
    `path` itself where there is such a folder, or neither.
  """
  if path.is_dir() or not is_name(str(path)):
    return path
  return cached(str(path)) or path


def advice(name: str | os.PathLike, kind: str = 'model') -> str:
  """What to do where a path is missing that is spelt as a name of the hub.

  Args:
    name: the path.
    kind: 'model' or 'dataset'.

  Returns:
    A sentence with a blank before it, or ''.
  """
  name = str(name)
  if not is_name(name):
    return ''
  if kind == 'model':
    return (
      f' If it is a model of the Hugging Face hub, run `{command(name)}`, and '
      f'then `ttc convert --from={name} --to=FOLDER`.'
    )
  target = name.rpartition('/')[2]
  return (
    f' If it is a data set of the Hugging Face hub, run `{command(name, kind)} '
    f'--local-dir={target}` and name a file in {target}, or bind a '
    'hub_split.HubSplit in its place.'
  )
