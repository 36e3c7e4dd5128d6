"""Logs that `inspect view` opens: a sample per question, scored."""

from collections.abc import Mapping
import datetime
import hashlib
import pathlib
import re
from typing import Any

from ttc.allocation.evidence import Evidence
from ttc.analysis import names
from ttc.distribution import version
from ttc.exporting import inspect_events
from ttc.exporting.recorded import AnsweredArm
from ttc.runtime import storage
from ttc.runtime.safe_text import printable

_NEEDED = (
  "--to=inspect needs inspect_ai; run pip install 'test-time-compute[inspect]'."
)
_SCORES = ('chosen', 'mean', 'any')


def check() -> None:
  """Raises ValueError, with what to install, where the library is missing."""
  try:
    import inspect_ai.log
  except ImportError as error:
    raise ValueError(_NEEDED) from error
  del inspect_ai


def write(answered: AnsweredArm, folder: pathlib.Path) -> pathlib.Path:
  """Writes a log; the same answers are written over.

  Args:
    answered: of one strategy and budget.
    folder: of logs.

  Returns:
    The file.
  """
  from inspect_ai import log as logs

  strategy = names.short(answered.strategy).removesuffix('()')
  title = f'{answered.stage}: {strategy}, N={answered.budget}'
  # Two strategies may have one short name.
  name = f'{answered.experiment}-{answered.seed}-{title}'
  digest = hashlib.sha256(f'{name} {answered.strategy}'.encode())
  digest = digest.hexdigest()[:22]
  when = datetime.datetime.fromtimestamp(answered.when, datetime.UTC)
  solver = answered.solver
  samples = [_sample(answered, row, when) for row in answered.rows]
  asked = [sample for sample in samples if sample.scores]
  log = logs.EvalLog(
    status='success',
    eval=logs.EvalSpec(
      eval_id=digest,
      run_id=digest,
      created=when.isoformat(),
      task=f'{answered.experiment} {title}',
      task_id=digest,
      dataset=logs.EvalDataset(
        name=f'{type(answered.task).__name__} {solver.split}',
        samples=len(samples),
        sample_ids=[sample.id for sample in samples],
      ),
      model=_model(answered),
      config=logs.EvalConfig(),
      metadata={
        'strategy': answered.strategy,
        'budget': answered.budget,
        'seed': answered.seed,
        'verifier': solver.verifier,
        'temperature': solver.generation.temperature,
        'max_tokens': solver.generation.max_tokens,
        'version': version.text(),
      },
    ),
    results=logs.EvalResults(
      total_samples=len(samples),
      completed_samples=len(asked),
      scores=[_total(name, asked) for name in _SCORES] if asked else [],
    ),
    samples=samples,
  )
  plain = re.sub(r'[^A-Za-z0-9.]+', '-', name).strip('-')
  path = folder / f'{when:%Y-%m-%dT%H-%M-%S}_{plain}_{digest}.eval'
  storage.make_folder(folder)
  logs.write_eval_log(log, str(path))
  return path


def _model(answered: AnsweredArm) -> str:
  return f'ttc/{pathlib.PurePath(answered.solver.proposer).name}'


def _sample(answered: AnsweredArm, row: Mapping[str, Any], when) -> Any:
  """The `EvalSample` of a record."""
  from inspect_ai import log as logs
  from inspect_ai import model

  problem = answered.problems[row['problem']]
  prompt = model.ChatMessageUser(
    content=printable(answered.task.prompt(problem))
  )
  about = {
    'id': problem.id,
    'epoch': 1,
    'input': printable(problem.question),
    'target': printable(problem.answer or problem.solution),
  }
  if not row['rows']:
    return logs.EvalSample(
      **about,
      messages=[prompt],
      metadata={'skipped': row.get('skipped', 'not asked')},
    )
  attempts = row['rows']
  evidence = Evidence.of(attempts)
  best = attempts[evidence.choice]
  reply = model.ChatMessageAssistant(
    content=printable(best['text']), source='generate'
  )
  cost = row.get('cost', {})
  usage = _usage(cost)
  return logs.EvalSample(
    **about,
    messages=[prompt, reply],
    output=model.ModelOutput(
      model=_model(answered),
      choices=[
        model.ChatCompletionChoice(
          message=reply,
          stop_reason='max_tokens' if best['truncated'] else 'stop',
        )
      ],
      usage=usage,
    ),
    scores=_scores(attempts, evidence),
    metadata={
      'attempts': len(attempts),
      'level': problem.level,
      'executed_tokens': {kind: count[1] for kind, count in cost.items()},
    },
    events=list(inspect_events.of(attempts, answered.task, when)),
    model_usage={_model(answered): usage},
  )


def _usage(cost: Mapping[str, Any]) -> Any:
  """Tokens of the proposer that were of use."""
  from inspect_ai import model

  read, written = (
    round(cost.get(f'proposer_{kind}', [0])[0])
    for kind in ('prefill', 'decode')
  )
  return model.ModelUsage(
    input_tokens=read, output_tokens=written, total_tokens=read + written
  )


def _scores(attempts, evidence: Evidence) -> dict[str, Any]:
  """Of the chosen attempt, all attempts, and the best of them."""
  from inspect_ai import scorer

  best = attempts[evidence.choice]
  right = [bool(attempt['correct']) for attempt in attempts]
  return {
    'chosen': scorer.Score(
      value='C' if best['correct'] else 'I',
      answer=inspect_events.shown(best['answer']),
      explanation=f'attempt {evidence.choice}, by a vote'
      + ' weighted by the verifier' * ('values' in best),
    ),
    'mean': scorer.Score(value=sum(right) / len(right)),
    'any': scorer.Score(value='C' if any(right) else 'I'),
  }


def _total(name: str, samples) -> Any:
  """The `EvalScore` of a score over the questions that were asked."""
  from inspect_ai import log as logs

  values = [
    {'C': 1.0, 'I': 0.0}.get(value, value)
    for value in (sample.scores[name].value for sample in samples)
  ]
  accuracy = sum(values) / len(values)
  return logs.EvalScore(
    name=name,
    scorer=name,
    scored_samples=len(values),
    metrics={'accuracy': logs.EvalMetric(name='accuracy', value=accuracy)},
  )
