"""Examples for verifiers, from graded samples and Monte-Carlo rollouts.

A step's label is the share of rollouts from the step's end that solve the
problem, an estimate of the proposer's reward-to-go (paper §5.1). The last step
of a solution needs no rollout: its label is the solution's grade.

A line of the stage `label` holds one sample:

    {"problem": 17,             # id
     "sample": 3,               # index of the row in the problem's record
     "tokens": [...],           # of the sample, without the prompt
     "ends": [11, 23, 35],      # indices in `tokens` of the steps' last tokens
     "labels": [0.75, 0.5, 1],  # one per step; the last is the grade
     "rollouts": [              # from which the labels were computed
       {"branch": 0,            # continues tokens[:ends[0] + 1]
        "tokens": [...],        # of the continuation alone
        "ends": [11, 23],       # indices in these `tokens`
        "correct": true}, ...]}
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ttc.data.vocabulary import Vocabulary
from ttc.examples.context import context_tokens, one_end, strip_end
from ttc.examples.documents import LabelledDocument

Rollout = tuple[int, Sequence[int], bool]  # branch, tokens, correct


def step_ends(tokens: Sequence[int], step_end: np.ndarray) -> list[int]:
  """Returns the indices of the tokens that end a step.

  The last token always ends one: a truncated attempt is valued where it
  stopped.

  Args:
    tokens: the attempt.
    step_end: bool [V], the tokens that end a step.
  """
  last = len(tokens) - 1
  return [i for i, token in enumerate(tokens) if step_end[token] or i == last]


def parsable(record: Mapping) -> tuple[list[int], int]:
  """Selects the rows of a sample record that have an answer.

  Only these are labelled: unparsable samples hurt the verifier.

  Returns:
    The indices of these rows, and the number of the other rows.
  """
  rows = record['rows']
  kept = [i for i, row in enumerate(rows) if row['answer'] is not None]
  return kept, len(rows) - len(kept)


def label_record(
  problem: int,
  sample: int,
  tokens: Sequence[int],
  correct: bool,
  rollouts: Iterable[Rollout],
  step_end: np.ndarray,
) -> dict:
  """Returns one line of the stage `label`, as described in the module.

  Args:
    problem: id of the question.
    sample: index of the sample's row in its record.
    tokens: tokens of the sample, without the prompt.
    correct: the sample's grade.
    rollouts: (branch, tokens, correct), in any order. Branch s continues the
      tokens up to and including the end of step s. Every step but the last
      needs at least one.
    step_end: bool [V], the tokens that end a step.

  Raises:
    ValueError: a step has no rollout, or a rollout continues a step that does
      not exist or is the last.
  """
  ends = step_ends(tokens, step_end)
  branches, outcomes = len(ends) - 1, [[] for _ in ends]
  lines = []
  for branch, continuation, solved in rollouts:
    if not 0 <= branch < branches:
      raise ValueError(
        f'A rollout of sample {sample} of problem {problem} continues step '
        f'{branch}; only steps 0 to {branches - 1} have anything after them.'
      )
    outcomes[branch].append(bool(solved))
    lines.append(
      {
        'branch': int(branch),
        'tokens': [int(t) for t in continuation],
        'ends': step_ends(continuation, step_end),
        'correct': bool(solved),
      }
    )
  empty = [step for step in range(branches) if not outcomes[step]]
  if empty:
    raise ValueError(
      f'Steps {empty} of sample {sample} of problem {problem} have no '
      'rollout; continue every step but the last at least once.'
    )
  labels = [sum(solved) / len(solved) for solved in outcomes[:branches]]
  # Records are JSON, which has no numpy integers.
  return {
    'problem': int(problem),
    'sample': int(sample),
    'tokens': [int(t) for t in tokens],
    'ends': ends,
    'labels': [*labels, float(correct)],
    'rollouts': lines,
  }


def process_examples(
  record: Mapping,
  prompt: Sequence[int],
  vocabulary: Vocabulary,
  rollouts: bool = True,
) -> list[LabelledDocument]:
  """Returns examples for a process reward model (PRM).

  Rollouts have been paid for and show the verifier many more solutions than
  the samples do, so that each may be a further example. All its steps are
  labelled with its outcome: for a prefix that was continued once, one outcome
  is the Monte-Carlo estimate, unbiased but noisy.

      sample           step 0.75   step 0.5    step 1
      a rollout from     "         step 0      step 0
      its first step

  Args:
    record: a line of the stage `label`.
    prompt: tokens of the prompt.
    vocabulary: vocabulary of the tokens.
    rollouts: whether rollouts are examples too.

  Returns:
    The example of the sample, then those of its rollouts. Rollouts without
    tokens are left out.
  """
  problem, start = record['problem'], len(prompt)
  examples = [
    _example(
      [*prompt, *one_end(record['tokens'], vocabulary)],
      [start + end for end in record['ends']],
      record['labels'],
      problem,
    )
  ]
  for rollout in record['rollouts'] if rollouts else ():
    if not rollout['tokens']:
      continue
    # The steps before the branch have no label here; the sample has them.
    cut = record['ends'][rollout['branch']] + 1
    tokens = one_end(rollout['tokens'], vocabulary)
    examples.append(
      _example(
        [*prompt, *record['tokens'][:cut], *tokens],
        [start + cut + end for end in rollout['ends']],
        [float(rollout['correct'])] * len(rollout['ends']),
        problem,
      )
    )
  return examples


def outcome_examples(
  record: Mapping,
  prompt: Sequence[int],
  vocabulary: Vocabulary,
  keep: int = 0,
) -> list[LabelledDocument]:
  """Returns examples for an outcome reward model (ORM): one label, at the end.

  Args:
    record: the record of a question, of samples or of chains of revisions.
    prompt: tokens of the prompt.
    vocabulary: vocabulary of the tokens.
    keep: maximum number of earlier attempts of a chain in the context, which
      the revision model saw too (paper §6.1); 0 leaves the prompt alone.

  Returns:
    One example per row with an answer. Rows without one are left out, but
    remain in the contexts of later attempts.
  """
  chains = {}
  for index, row in enumerate(record['rows']):
    # Samples are chains of one attempt.
    chains.setdefault(row.get('chain', index), []).append(row)
  examples = []
  for chain in chains.values():
    attempts = []
    for row in sorted(chain, key=lambda row: row.get('turn', 1)):
      if row['answer'] is not None:
        context = context_tokens(prompt, attempts, vocabulary.revise_id, keep)
        whole = [*context, *one_end(row['tokens'], vocabulary)]
        examples.append(
          _example(
            whole, [len(whole) - 1], [float(row['correct'])], record['problem']
          )
        )
      attempts.append(strip_end(row['tokens'], vocabulary))
  return examples


def _example(tokens, positions, labels, problem) -> LabelledDocument:
  return LabelledDocument(
    np.array(tokens, np.int32),
    np.array(positions, np.int32),
    np.array(labels, np.float32),
    problem,
  )
