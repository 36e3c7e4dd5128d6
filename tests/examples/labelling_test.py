import numpy as np
import pytest

from ttc.data.vocabulary import step_end_table
from ttc.data.worksheet import Worksheet
from ttc.examples import labelling
from ttc.examples.context import one_end
from ttc.pipeline.records import canonical

TASK = Worksheet()
V = TASK.vocabulary
STEP_END = step_end_table(V, TASK.delimiter)
PROMPT = V.encode('13: 7 2 1 17: 5 4 3 20: 5 4 1?')
LINES = ['13: 7*2=14 14-1=13', '17: 5*4=20 20-3=17', '20: 5-1=4 5*4=20']
SAMPLE = [*V.encode('\n'.join(LINES)), V.eos_id]


def test_steps_end_at_newlines_and_at_the_last_token():
  assert labelling.step_ends(SAMPLE, STEP_END) == [11, 23, 35]
  assert labelling.step_ends(SAMPLE[:-1], STEP_END) == [11, 23, 34]
  assert labelling.step_ends(SAMPLE[:24], STEP_END) == [11, 23]
  assert labelling.step_ends([V.revise_id], STEP_END) == [0]
  assert labelling.step_ends([], STEP_END) == []


def test_unparsable_samples_are_left_out_and_counted():
  rows = [{'answer': a} for a in ('x', None, '', None, 'x')]
  assert labelling.parsable({'rows': rows}) == ([0, 2, 4], 2)


def record(rollouts):
  return labelling.label_record(
    problem=7,
    sample=3,
    tokens=SAMPLE,
    correct=True,
    rollouts=rollouts,
    step_end=STEP_END,
  )


ROLLOUTS = [
  (1, [*V.encode(LINES[2]), V.eos_id], True),
  (0, [*V.encode('\n'.join(LINES[1:])), V.eos_id], True),
  (0, V.encode('5+4=9'), False),
  (1, [V.revise_id], False),
  (0, [V.eos_id], False),
  (0, V.encode('4+3=7'), False),
]


def test_labels_are_the_shares_counted_by_hand():
  line = record(ROLLOUTS)
  assert line['labels'] == [0.25, 0.5, 1.0]
  assert line['ends'] == [11, 23, 35]
  assert [r['branch'] for r in line['rollouts']] == [1, 0, 0, 1, 0, 0]
  assert [r['ends'] for r in line['rollouts']] == [
    [11],
    [11, 23],
    [4],
    [0],
    [0],
    [4],
  ]
  assert (line['problem'], line['sample'], line['tokens']) == (7, 3, SAMPLE)


def test_no_example_tells_by_which_token_an_attempt_ended():
  ended = lambda end: labelling.label_record(
    1, 0, [*SAMPLE[:-1], end], True, ROLLOUTS[:1] + ROLLOUTS[1:2], STEP_END
  )
  records = [ended(V.eos_id), ended(V.revise_id)]
  for line, end in zip(records, (V.eos_id, V.revise_id), strict=True):
    for rollout in line['rollouts']:
      rollout['tokens'][-1] = end
  one, other = (labelling.process_examples(r, PROMPT, V) for r in records)
  assert [e.tokens.tolist() for e in one] == [e.tokens.tolist() for e in other]
  rows = [row('1', end=end) for end in (V.eos_id, V.revise_id)]
  one, other = labelling.outcome_examples(
    {'problem': 5, 'rows': rows}, PROMPT, V
  )
  assert one.tokens.tolist() == other.tokens.tolist()


def test_a_label_record_is_json_of_python_numbers():
  numpy_rollouts = [
    (np.int64(b), np.array(t), np.bool_(c)) for b, t, c in ROLLOUTS
  ]
  assert canonical(record(numpy_rollouts)) == canonical(record(ROLLOUTS))


def test_a_sample_of_one_step_is_labelled_by_its_grade():
  line = labelling.label_record(1, 0, [5, V.eos_id], False, [], STEP_END)
  assert line['labels'] == [0.0]


def test_every_step_needs_a_rollout_and_every_rollout_a_step():
  with pytest.raises(ValueError, match=r'Steps \[1\] .* have no rollout'):
    record([(0, [V.eos_id], True)])
  with pytest.raises(ValueError, match='continues step 2'):
    record([*ROLLOUTS, (2, [V.eos_id], True)])


def test_process_example_has_a_label_at_each_step_end():
  (example,) = labelling.process_examples(
    record(ROLLOUTS), PROMPT, V, rollouts=False
  )
  assert example.tokens.tolist() == PROMPT + SAMPLE
  assert all(STEP_END[example.tokens[example.positions]])
  assert example.positions.tolist() == [len(PROMPT) + e for e in (11, 23, 35)]
  assert example.labels.tolist() == [0.25, 0.5, 1.0]
  assert example.problem == 7
  assert example.labels.dtype == np.float32


def test_an_empty_continuation_is_no_example():
  line = labelling.label_record(
    1, 0, SAMPLE[:13], False, [(0, [], False)], STEP_END
  )
  assert line['labels'] == [0.0, 0.0]
  assert len(labelling.process_examples(line, PROMPT, V)) == 1


def test_a_rollout_labels_every_step_on_its_way():
  sample, *examples = labelling.process_examples(record(ROLLOUTS), PROMPT, V)
  assert sample.labels.tolist() == [0.25, 0.5, 1.0]
  for example, (branch, tokens, correct) in zip(
    examples, ROLLOUTS, strict=True
  ):
    prefix = PROMPT + SAMPLE[: 12 * (branch + 1)]
    assert example.tokens.tolist() == prefix + one_end(tokens, V)
    steps = [i for i, t in enumerate(tokens) if t == V.encode('\n')[0]]
    assert example.positions.tolist() == [
      len(prefix) + i for i in (*steps, len(tokens) - 1)
    ]
    assert example.labels.tolist() == [float(correct)] * (len(steps) + 1)
  assert {len(e.labels) for e in examples} == {1, 2}


def row(text, correct=False, end=V.eos_id, **fields):
  return {
    'tokens': [*V.encode(text), end],
    'text': text,
    'answer': text,
    'correct': correct,
    **fields,
  }


def test_outcomes_of_samples_have_one_label_at_the_end():
  rows = [row('1', True), row('2') | {'answer': None}, row('3+4')]
  one, two = labelling.outcome_examples({'problem': 5, 'rows': rows}, PROMPT, V)
  assert one.tokens.tolist() == PROMPT + rows[0]['tokens']
  assert two.tokens.tolist() == PROMPT + rows[2]['tokens']
  assert (one.labels.tolist(), two.labels.tolist()) == ([1.0], [0.0])
  for example in (one, two):
    assert example.positions.tolist() == [len(example.tokens) - 1]
    assert example.problem == 5


@pytest.mark.parametrize('keep', [0, 1, 2, 4])
def test_outcomes_of_chains_see_the_attempts_before(keep):
  texts = {0: ['1', '2+2', '3', '4'], 1: ['5', '6']}
  rows = [
    row(
      text,
      turn % 2 == 0,
      V.revise_id if turn < 3 else V.eos_id,
      chain=chain,
      turn=turn,
    )
    for chain, chain_texts in texts.items()
    for turn, text in enumerate(chain_texts, start=1)
  ]
  rows[2]['answer'] = None
  rng = np.random.default_rng(0)
  shuffled = [rows[i] for i in rng.permutation(len(rows))]
  examples = labelling.outcome_examples(
    {'problem': 5, 'rows': shuffled}, PROMPT, V, keep
  )
  found = {tuple(e.tokens.tolist()): e.labels.tolist() for e in examples}
  expected = {}
  for r in rows:
    if r['answer'] is None:
      continue
    history = texts[r['chain']][: r['turn'] - 1]
    tokens = list(PROMPT)
    for text in history[len(history) - min(keep, len(history)) :]:
      tokens += [*V.encode(text), V.revise_id]
    expected[(*tokens, *one_end(r['tokens'], V))] = [float(r['correct'])]
  assert found == expected
  assert len(examples) == 5
