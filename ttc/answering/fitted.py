"""Whether models are those that a policy or an allocation was fitted with."""

from collections.abc import Collection
import pathlib

from ttc.pipeline import inputs, model_folders
from ttc.pipeline.origin import Origin
from ttc.runtime import storage
from ttc.stages.solver import Solver

_ROLES = ('proposer', 'verifier')


def check(
  folder: pathlib.Path, solver: Solver, sources: Collection[str] = ()
) -> None:
  """Checks the models of a solver against those of the fitting samples.

  What is not there any more is not compared: a fitted file may be taken
  elsewhere without the samples that it was fitted on.

  Args:
    folder: of the stage that fitted.
    solver: whose models are to be used, named by absolute paths.
    sources: names of the stages that sampled for it; () for all that it read.

  Raises:
    ValueError: one of them is another.
  """
  root, origin = folder.parents[1], Origin.read(folder)
  for source in origin.inputs if origin else ():
    if sources and pathlib.PurePosixPath(source).name not in sources:
      continue
    sampled = Origin.read(storage.join(root, source))
    for role in _ROLES if sampled else ():
      path = getattr(solver, role)
      key = _key(sampled, role, source)
      before = sampled.inputs.get(key)
      if before is None or not path:
        continue
      now = inputs.identity(root, path)
      if now is not None and not inputs.same(key, before, now):
        raise ValueError(
          f'{folder} was fitted with the {role} {key} as it was then, and '
          f'{path} is another; leave out the binding of Solver.{role}, or fit '
          'with that model.'
        )


def _key(sampled: Origin, role: str, source: str) -> str:
  """The name of a model among the inputs of the stage that sampled with it."""
  name = model_folders.named(sampled.bindings, role)
  if not name or storage.is_absolute(name):
    return name
  return str(pathlib.PurePosixPath(source).with_name(name))
