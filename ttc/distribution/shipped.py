"""What ships beside the package: gin files, launchers, what installs it.

In a clone it lies around the package. setup.py adds a copy to a wheel, so that
`gin/experiments/...` and the like are found in any folder, and `ttc unpack`
makes a folder of it in which one works as in a clone.
"""

import pathlib
import shutil

_PACKAGE = pathlib.Path(__file__).parents[1]
_COPY = _PACKAGE / 'shipped'

IS_COPY = _COPY.is_dir()
ROOT = _COPY if IS_COPY else _PACKAGE.parent


def unpack(folder: pathlib.Path) -> None:
  """Writes the package and what ships beside it, as a clone has them.

  Args:
    folder: a new folder.

  Raises:
    ValueError: this is a clone, or the folder exists.
    OSError: it cannot be written.
  """
  if not IS_COPY:
    raise ValueError(f'there is nothing to unpack; {ROOT} is a clone already.')
  if folder.exists():
    raise ValueError(
      f'{folder} exists; name another folder, it is not written over.'
    )
  shutil.copytree(_COPY, folder, ignore=shutil.ignore_patterns('__pycache__'))
  shutil.copytree(
    _PACKAGE,
    folder / _PACKAGE.name,
    ignore=shutil.ignore_patterns('__pycache__', _COPY.name),
  )
