"""Makes plans of an experiment's stages and formats them."""

import argparse
from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

import gin
from ttc.bindings.use import MacroError
from ttc.cli import configuration
from ttc.models.config import TransformerConfig
from ttc.pipeline.experiment import ConfigurationError, Experiment
from ttc.planning import plan, topology
from ttc.planning.measure import Measured
from ttc.planning.plan import Plan
from ttc.planning.topology import Topology
from ttc.stages import workload
from ttc.stages.workload import Assumed, Sampler, Shapes

_GIB, _HOUR = 2**30, 3600
_NO_TASK = 'TASK=None'  # a binding


def plans(
  options: argparse.Namespace,
  bindings: tuple[str, ...],
  report: Callable[[str], None],
) -> tuple[dict[str, Plan], Topology]:
  """Plans each stage that has work for devices.

  Args:
    options: of `ttc plan`.
    bindings: gin bindings.
    report: called with messages about progress.

  Returns:
    Plans by stage name, and the slice.

  Raises:
    ValueError: the configuration, a model or the slice does not allow it.
  """
  where = topology.describe(options.topology)
  experiment = _experiment(options, bindings, report)
  stages = {stage.name: stage for stage in experiment.everything}
  wanted = [*options.names, *options.only] or list(stages)
  if unknown := [name for name in wanted if name not in stages]:
    raise ValueError(
      f'the experiment has no stage {unknown[0]!r}; it has {", ".join(stages)}.'
    )
  models = Shapes(experiment, dict(_shape(x) for x in options.shape))
  sizes = {
    name: getattr(options, name)
    for name in ('questions', 'prompt', 'tokens', 'steps')
  }
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


def _experiment(options, bindings, report) -> Experiment:
  """Builds the experiment although models, files or its task are missing.

  Macros without a value are bound to made-up paths; after any other error the
  task is left out. Nothing looks for the paths, since `load` does not check.
  Raises the first error if the experiment cannot be built that way either.
  """
  added, first_error = [], None
  scopes = [text.rpartition('=')[2] for text in options.shape]
  while True:
    try:
      return configuration.load(
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


def facts(
  stages: Mapping[str, Plan], where: Topology, price: float | None
) -> dict[str, Any]:
  """Plans as plain JSON: bytes per device, seconds, FLOPs, chip-hours, USD."""
  chip = dataclasses.asdict(where.chip)
  return {
    'topology': where.name,
    'chips': where.chips,
    'hosts': where.hosts,
    'chip': chip,
    'fits': all(plan.fits for plan in stages.values()),
    'stages': {name: _facts(x, where, price) for name, x in stages.items()},
  }


def _facts(x: Plan, where: Topology, price: float | None) -> dict[str, Any]:
  hours = x.bound.seconds * where.chips / _HOUR
  return {
    'mesh': x.mesh,
    'resident': x.resident,
    'fits': x.fits,
    'advice': x.advice,
    'seconds': x.bound.seconds,
    'limit': x.bound.limit,
    'chip_hours': hours,
    'usd': None if price is None else hours * price,
    'largest': dataclasses.asdict(x.largest),
    'programs': [_program(p) for p in x.programs],
  }


def _program(p: Measured) -> dict[str, Any]:
  numbers = {
    name: getattr(p, name)
    for name in (
      'name',
      'arguments',
      'estimate',
      'outputs',
      'temporaries',
      'beside',
      'overflow',
      'peak',
    )
  }
  return numbers | {
    'flops': p.costs.flops,
    'bytes': p.costs.bytes,
    'collectives': {
      f'{kind.kind} of {kind.devices}': count
      for kind, count in sorted(
        p.costs.collectives.items(), key=lambda item: str(item[0])
      )
    },
    'partial': p.costs.partial,
    'unknown': p.costs.unknown,
    'seconds': p.bound.seconds,
    'limit': p.bound.limit,
  }


def table(
  stages: Mapping[str, Plan], where: Topology, price: float | None
) -> str:
  """Plans as text for people; `price` is USD per chip-hour."""
  hbm = where.chip.hbm
  lines = [
    f'{where.name}: {where.chips} chips on {where.hosts} hosts; a device has '
    f'{hbm / _GIB:.2f} GiB, {where.chip.flops / 1e12:.0f} TFLOP/s, '
    f'{where.chip.bandwidth / 1e9:.0f} GB/s'
  ]
  for name, x in stages.items():
    lines += ['', *_stage(name, x, where, price)]
  return '\n'.join(lines)


def _limit(p: Measured) -> str:
  if not p.costs.flops and p.costs.partial:
    return 'not known: JAX cannot read the program back'
  if p.costs.partial:
    return f'{p.bound.limit}, of what is known: bytes and collectives are not'
  if p.costs.unknown:
    return f'{p.bound.limit}, with one turn of a loop that the data end'
  return p.bound.limit


def _stage(name: str, x: Plan, where: Topology, price: float | None):
  hbm = where.chip.hbm
  sizes = ' '.join(f'{axis}={size}' for axis, size in x.mesh.items())
  yield f'{name} ({sizes})'
  yield '  resident GiB  ' + ', '.join(
    f'{what} {size / _GIB:.2f}' for what, size in x.resident.items()
  )
  if x.programs:
    yield (
      f'  {"program":<16}{"argum.":>8}{"temp.":>8}{"peak":>8}{"of HBM":>8}'
      f'{"TFLOP":>10}{"GB moved":>10}{"ms":>10}  limit'
    )
  for p in x.programs:
    size = lambda n: f'{n / _GIB:.2f}'
    yield (
      f'  {p.name:<16}{size(p.arguments):>8}'
      f'{size(p.temporaries + p.outputs):>8}{size(p.peak):>8}'
      f'{100 * p.peak / hbm:>7.0f}%'
      + (
        '  the compiler refuses it'
        if p.overflow
        else f'{p.costs.flops / 1e12:>10.2f}{p.costs.bytes / 1e9:>10.1f}'
        f'{1e3 * p.bound.seconds:>10.2f}  {_limit(p)}'
      )
    )
    for kind, count in p.costs.collectives.items():
      if count > 1e6:
        yield (
          f'{"":<18}{kind.kind} among {kind.devices}: {count / 1e9:.3f} GB'
        )
  hours = x.bound.seconds / _HOUR
  money = '' if price is None else f', ${hours * where.chips * price:,.2f}'
  if any(p.costs.partial and not p.costs.flops for p in x.programs):
    yield '  how long the stage takes is not known'
  elif x.bound.seconds:
    yield (
      f'  whole stage at least {hours:.3f} h, {hours * where.chips:.2f} '
      f'chip-hours{money}; limited by {x.bound.limit}'
    )
  if x.largest.most:
    yield (
      f'  largest that fits: {x.largest.binding}={x.largest.most} (now '
      f'{x.largest.now})'
    )
  if x.advice:
    yield f'  DOES NOT FIT: change {x.advice}'
