"""Makes plans of an experiment's stages."""

import argparse
from collections.abc import Callable
import math

import gin
from ttc.bindings.use import MacroError
from ttc.estimates import workload
from ttc.estimates.workload import Assumed, Sampler, Shapes
from ttc.models.config import TransformerConfig
from ttc.pipeline.experiment import ConfigurationError, Experiment, Load
from ttc.planning import plan, topology
from ttc.planning.plan import Plan
from ttc.planning.topology import Topology

_SIZES = ('questions', 'prompt', 'tokens', 'steps')  # options
_NO_TASK = 'TASK=None'  # a binding


def plans(
  options: argparse.Namespace,
  bindings: tuple[str, ...],
  load: Load,
  report: Callable[[str], None],
) -> tuple[dict[str, Plan], Topology]:
  """Plans each stage that has work for devices.

  Args:
    options: of `ttc plan`.
    bindings: gin bindings.
    load: what makes the experiment of them.
    report: called with messages about progress.

  Returns:
    Plans by stage name, and the slice.

  Raises:
    ValueError: the configuration, a model or the slice does not allow it.
  """
  for name, least in (*dict.fromkeys(_SIZES, 1).items(), ('price', 0)):
    value = getattr(options, name)
    if value is not None and not least <= value < math.inf:
      raise ValueError(
        f'--{name}={value:g}; give a number of at least {least}.'
      )
  where = topology.describe(options.topology)
  experiment = _experiment(options, bindings, load, report)
  stages = {stage.name: stage for stage in experiment.everything}
  wanted = options.names or list(stages)
  if unknown := [name for name in wanted if name not in stages]:
    raise ValueError(
      f'the experiment has no stage {unknown[0]!r}; it has {", ".join(stages)}.'
    )
  models = Shapes(experiment, dict(_shape(x) for x in options.shape))
  sizes = {name: getattr(options, name) for name in _SIZES}
  assumed = Assumed(**{k: x for k, x in sizes.items() if x is not None})
  results = {}
  for name in wanted:
    try:
      work = workload.of(stages[name], models, where, assumed)
      if work is None:
        report(f'{name}: no work for devices')
        continue
      report(f'{name}: compiling for {where.name} …')
      results[name] = _planned(work, where)
    except ValueError as error:
      raise ValueError(f'stage {name!r}: {error}') from error
  return results, where


def _planned(work, where: Topology) -> Plan:
  if isinstance(work, Sampler):
    amount = work.amount
    return plan.sampling(
      work.work,
      where,
      amount.grown,
      amount.by_step,
      {'proposer': amount.proposer, 'verifier': amount.verifier},
    )
  return plan.training(work, where)


def _experiment(options, bindings, load, report) -> Experiment:
  """Builds the experiment although models, files or its task are missing.

  Macros without a value are bound to made-up paths; after any other error the
  task is left out. Nothing looks for the paths, since `load` does not check.
  Raises the first error if the experiment cannot be built that way either.
  """
  added, first_error = [], None
  scopes = [text.rpartition('=')[2] for text in options.shape]
  while True:
    try:
      return load(
        options.gin_file,
        bindings,
        check=False,
        assumed=added,
        scopes=scopes,
      )[0]
    except MacroError as error:
      first_error = first_error or error
      added += [f"{name}='/{name.lower()}'" for name in error.names]
    except ConfigurationError as error:
      first_error = first_error or error
      if _NO_TASK not in added:
        added.append(_NO_TASK)
        report(
          f'the task is not there ({error}); questions and prompts are '
          'those of bindings and options'
        )
      else:
        raise first_error from None


def _shape(text: str) -> tuple[str, TransformerConfig]:
  """Parses a value of --shape."""
  path, _, scope = text.rpartition('=')
  if not path:
    raise ValueError(f'--shape={text!r} is not PATH=SCOPE.')
  with gin.config_scope(scope):
    return path, gin.get_configurable(TransformerConfig)()
