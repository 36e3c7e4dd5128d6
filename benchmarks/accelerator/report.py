"""The table of all parts, as markdown, and the JSON beside it."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import json
import pathlib

from benchmarks.accelerator.record import Measured, Outcome

_HEAD = (
  '| part | setting | measured | of the limit | more | seconds |\n'
  '| --- | --- | --- | ---: | --- | ---: |'
)


def write(
  folder: pathlib.Path, run: Mapping, outcomes: Sequence[Outcome]
) -> str:
  """Writes `table.md` and `results.json`; returns the table.

  Args:
    folder: that is there.
    run: the command, and what is known of the machine.
    outcomes: so far.
  """
  parts = [dataclasses.asdict(outcome) for outcome in outcomes]
  made = json.dumps({**run, 'parts': parts}, indent=1)
  (folder / 'results.json').write_text(made + '\n', encoding='utf-8')
  made = table(run, outcomes)
  (folder / 'table.md').write_text(made + '\n', encoding='utf-8')
  return made


def read(folder: pathlib.Path, run: Mapping) -> dict[str, Outcome]:
  """What an earlier command left in the folder, by part.

  Empty where it was another host or revision, or other shapes.
  """
  try:
    kept = json.loads((folder / 'results.json').read_text(encoding='utf-8'))
  except (FileNotFoundError, json.JSONDecodeError):
    return {}
  if any(kept.get(name) != run[name] for name in ('machine', 'tiny')):
    return {}
  return {
    part['part']: Outcome(
      **{**part, 'measured': [Measured(**m) for m in part['measured']]}
    )
    for part in kept['parts']
    if part['measured']
  }


def device(outcomes: Iterable[Outcome]) -> str:
  """What the parts ran on; empty where none of them says."""
  return next(
    (
      measured.numbers['device']
      for outcome in outcomes
      for measured in outcome.measured
      if 'device' in measured.numbers
    ),
    '',
  )


def table(run: Mapping, outcomes: Sequence[Outcome]) -> str:
  """Markdown: a row a measurement, each as a part of the limit it has."""
  limits = {
    name: value
    for outcome in outcomes
    for measured in outcome.measured
    for name, value in measured.numbers.get('limit', {}).items()
  }
  ours = {
    measured.numbers['work']: measured.numbers['s_question']
    for outcome in outcomes
    if outcome.part.startswith('search')
    for measured in outcome.measured
    if 's_question' in measured.numbers
  }
  lines = [_machine(run, outcomes), '', f'`{run["command"]}`', '', _HEAD]
  for outcome in outcomes:
    seconds = f'{outcome.seconds:.0f}'
    for measured in outcome.measured:
      lines.append(_row(outcome.part, measured, limits, ours, seconds))
      seconds = ''  # of the part, so beside its first row only
    if outcome.state != 'done':
      cells = (outcome.part, '', outcome.state, '', '', seconds)
      lines.append(_line(cells))
  return '\n'.join(lines)


def _machine(run: Mapping, outcomes: Sequence[Outcome]) -> str:
  """One line that says where and of what this was measured."""
  machine = run['machine']
  found = device(outcomes) or 'unknown device'
  return (
    f'{found}, JAX {machine["jax"]}, Python {machine["python"]}, revision '
    f'{machine["revision"] or "unknown"}, {run["date"]}.'
  )


def _row(
  part: str,
  measured: Measured,
  limits: Mapping[str, float],
  ours: Mapping[str, float],
  seconds: str,
) -> str:
  of_limit = []
  for name, value in (('product', measured.product), ('read', measured.read)):
    if value is not None:
      known = name in limits
      of_limit.append(f'{value / limits[name]:.0%} of {name}' if known else '?')
  if measured.busy is not None:
    of_limit.append(f'busy {measured.busy:.0%}')
  more = [measured.more] if measured.more else []
  work = measured.numbers.get('work')
  if not part.startswith('search') and work in ours:
    more.insert(0, f'{measured.numbers["s_question"] / ours[work]:.2f}x ours')
  speed = measured.error or measured.speed
  return _line(
    (
      part,
      measured.setting,
      speed,
      ', '.join(of_limit),
      '; '.join(more),
      seconds,
    )
  )


def _line(cells: Sequence[str]) -> str:
  safe = (cell.replace('|', '/').replace('\n', ' ') for cell in cells)
  return f'| {" | ".join(safe)} |'
