"""From graded samples and Monte-Carlo rollouts to verifiers' examples.

paper §5.1: a step's label is the share of continuations of the prefix it ends
that solve the problem, so that it estimates the proposer's reward-to-go. The
last step of a solution needs no continuation: its label is its grade.

One line of the stage `label` is one sample:

    {"problem": 17,             # id
     "sample": 3,               # row of the problem's sample record
     "tokens": [...],           # of the sample, without the prompt
     "ends": [11, 23, 35],      # places in `tokens` where a step ends
     "labels": [0.75, 0.5, 1],  # one for each end; the last is the grade
     "rollouts": [              # what the labels were counted from
       {"branch": 0,            # continues tokens[:ends[0] + 1]
        "tokens": [...],        # of the continuation alone
        "ends": [11, 23],       # places in them where a step ends
        "correct": true}, ...]}
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ttc.data.context import context_tokens, strip_end
from ttc.data.documents import LabelledDocument
from ttc.data.vocabulary import Vocabulary

Rollout = tuple[int, Sequence[int], bool]


def step_ends(tokens: Sequence[int], step_end: np.ndarray) -> list[int]:
  """Places in an attempt that end a step, by the table `step_end` [V].

  The last token always does: an attempt that was cut short is judged where it
  stopped.
  """
  last = len(tokens) - 1
  return [i for i, token in enumerate(tokens) if step_end[token] or i == last]


def parsable(record: Mapping) -> tuple[list[int], int]:
  """Rows of a sample record that have an answer, and how many have none.

  Only the former are labelled: unparsable samples hurt the verifier.
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
  """One line of the stage `label`; the module says what it holds.

  Args:
    problem: id of the question.
    sample: row of the sample in its record.
    tokens: of the sample, without the prompt.
    correct: the sample's grade.
    rollouts: (branch, tokens, correct) of continuations of every step but the
      last, in any order and number; those of step s continue the tokens up to
      and with place s of `step_ends`.
    step_end: table of the tokens that end a step [V].

  Raises:
    ValueError: a step has no rollout, or a rollout no such step.
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
  return {
    'problem': int(problem),
    'sample': int(sample),
    'tokens': [int(t) for t in tokens],
    'ends': ends,
    'labels': [*labels, float(correct)],
    'rollouts': lines,
  }


def process_examples(
  record: Mapping, prompt: Sequence[int], rollouts: bool = True
) -> list[LabelledDocument]:
  """Examples for a process reward model from one line of the stage `label`.

  Rollouts cost nothing more and show the verifier many more solutions than the
  samples do, so each may be an example as well. Its outcome is the label of
  its last step, and of every step on its way: of a prefix continued once, one
  outcome is the Monte-Carlo estimate, noisy and unbiased.

      sample           step 0.75   step 0.5    step 1
      a rollout of       "         step 0      step 0
      its first step

  Args:
    record: the line.
    prompt: tokens of its question.
    rollouts: whether each rollout is an example as well.
  """
  problem, start = record['problem'], len(prompt)
  examples = [
    _example(
      [*prompt, *record['tokens']],
      [start + end for end in record['ends']],
      record['labels'],
      problem,
    )
  ]
  for rollout in record['rollouts'] if rollouts else ():
    if not rollout['tokens']:
      continue
    cut = record['ends'][rollout['branch']] + 1
    examples.append(
      _example(
        [*prompt, *record['tokens'][:cut], *rollout['tokens']],
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
  """Examples for an outcome reward model: one label, at each row's end.

  Args:
    record: a problem's samples, or chains of revisions.
    prompt: tokens of the question.
    vocabulary: of the tokens.
    keep: earlier attempts of the row's chain in the context, as the revision
      model saw them (paper §6.1); 0 shows the verifier none.

  Returns:
    One example for each parsable row. Unparsable ones remain in the context.
  """
  chains = {}
  for index, row in enumerate(record['rows']):
    chains.setdefault(row.get('chain', index), []).append(row)
  examples = []
  for chain in chains.values():
    attempts = []
    for row in sorted(chain, key=lambda row: row.get('turn', 1)):
      if row['answer'] is not None:
        context = context_tokens(prompt, attempts, vocabulary.revise_id, keep)
        whole = [*context, *row['tokens']]
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
