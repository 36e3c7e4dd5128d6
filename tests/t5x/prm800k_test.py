import json

import numpy as np
import pytest

from tests.data import toys
from ttc.data.tokenizer import Tokenizer
from ttc.t5x import prm800k, rated
from ttc.t5x.prm800k import RatedSteps
from ttc.t5x.rated import Rated

RATED = Rated(
  '1+1?',
  '2',
  ('Add\nthem.', 'So 3.', 'No: 2.\n\n# Answer\n\n2'),
  (1, -1, 0),
  True,
)


@pytest.fixture(scope='module', params=['qwen', 'llama2'])
def vocabulary(request, tmp_path_factory):
  folder = tmp_path_factory.mktemp(request.param)
  revise = {'qwen': '<|quad_end|>', 'llama2': '<revise>'}[request.param]
  return Tokenizer(str(getattr(toys, request.param)(folder)), revise)


def test_labels_stand_at_the_ends_of_rated_steps(vocabulary):
  prompt = vocabulary.encode('1+1?\n')
  example = RatedSteps(vocabulary, neutral=0.5).document(RATED, prompt, 7)
  assert example.problem == 7
  assert example.labels.tolist() == [1, 0, 0.5]
  assert example.tokens[-1] == vocabulary.eos_id
  tokens = example.tokens[len(prompt) :]
  texts = [
    vocabulary.decode(tokens[: p - len(prompt) + 1].tolist())
    for p in example.positions
  ]
  assert texts == [
    'Add\nthem.\n',
    'Add\nthem.\nSo 3.\n',
    'Add\nthem.\nSo 3.\nNo: 2.\n\n# Answer\n\n2',
  ]


def test_a_solution_that_was_given_up_ends_at_its_delimiter(vocabulary):
  given_up = Rated('1+1?', '2', ('Add.', 'So 3.'), (1, -1), False)
  example = RatedSteps(vocabulary).document(given_up, [], 0)
  assert vocabulary.eos_id not in example.tokens
  assert example.positions[-1] == len(example.tokens) - 1
  assert vocabulary.decode(example.tokens.tolist()) == 'Add.\nSo 3.\n'


def test_characters_that_a_tokenizer_writes_differently(vocabulary):
  steps = ('e\u0301' * 9, 'a', 'b')
  example = RatedSteps(vocabulary).document(
    Rated('', '', steps, (1, -1, 1), True), [], 0
  )
  assert example.labels.tolist() == [1, 0, 1]
  texts = [
    vocabulary.decode(example.tokens[: p + 1].tolist())
    for p in example.positions
  ]
  assert texts[0].endswith('\n')
  assert texts[1].endswith('\na\n')
  assert texts[0].count('\n') == 1
  assert texts[2].endswith('a\nb')


def test_random_steps(vocabulary):
  rng = np.random.default_rng(0)
  label = RatedSteps(vocabulary)
  for _ in range(200):
    steps = tuple(
      ''.join(rng.choice(list('ab .\n1é'), rng.integers(1, 9)))
      for _ in range(rng.integers(1, 6))
    )
    ratings = tuple(int(r) for r in rng.integers(-1, 2, len(steps)))
    finished = bool(rng.random() < 0.5)
    example = label.document(Rated('', '', steps, ratings, finished), [5, 5], 0)
    positions = example.positions.tolist()
    assert positions == sorted(set(positions))
    assert positions[-1] == len(example.tokens) - 1
    tokens = example.tokens[2:].tolist()
    whole = '\n'.join(steps) + ('' if finished else '\n')
    assert vocabulary.decode(tokens) == whole
    until, starts = 0, []
    for step in steps:
      until += len(step) + 1
      starts.append(until)
    read = {len(vocabulary.decode(tokens[: p - 1])) for p in positions}
    # Two steps share a token where the next begins with newlines.
    assert len(read) == len(positions)
    for start in starts[:-1]:
      assert any(start <= r and not whole[start:r].strip('\n') for r in read)


def test_raw_lines():
  completion = lambda text, rating: {'text': text, 'rating': rating}
  step = lambda *of, chosen=None, human=None: {
    'completions': list(of),
    'chosen_completion': chosen,
    'human_completion': human,
  }
  line = lambda reason, *steps: {
    'question': {'problem': 'q', 'ground_truth_answer': 'a'},
    'label': {'finish_reason': reason, 'steps': list(steps)},
  }
  found = rated.parse(
    line(
      'solution',
      step(completion('x', -1), completion('y', 0), chosen=1),
      step(completion('z', -1), human=completion('h', None)),
      step(completion('end', -1), chosen=0),
    )
  )
  assert found == Rated('q', 'a', ('y', 'h', 'end'), (0, 1, -1), True)
  found = rated.parse(
    line(
      'found_error',
      step(completion('x', 1), chosen=0),
      step(completion('y', 1), completion('bad', -1)),
      step(completion('never', 1), chosen=0),
    )
  )
  assert found == Rated('q', 'a', ('x', 'bad'), (1, -1), False)


@pytest.mark.parametrize(
  ('line', 'message'),
  [
    ({'problem': 'q', 'steps': ['a'], 'ratings': []}, 'of one length'),
    ({'problem': 'q', 'steps': ['a'], 'ratings': [2]}, 'expected ratings'),
    ({'steps': ['a'], 'ratings': [1]}, "field 'problem' is missing"),
    ({'label': {}, 'question': {}}, r"field 'label\.steps' is missing"),
  ],
)
def test_lines_of_neither_form(tmp_path, line, message):
  path = tmp_path / 'a.jsonl'
  path.write_text(json.dumps(line))
  with pytest.raises(ValueError, match=f'line 1: .*{message}'):
    list(prm800k.read(str(path)))


def test_real_files():
  if not toys.DATA.exists():
    pytest.skip('no shared data here')
  flat = list(prm800k.read(str(toys.DATA / 'prm800k_steps_sample.jsonl.gz')))
  assert len(flat) == 1_329
  ratings = np.concatenate([row.ratings for row in flat])
  assert [(ratings == r).sum() for r in (1, 0, -1)] == [7_613, 605, 1_104]
  raw = list(prm800k.read(str(toys.DATA / 'prm800k_raw_schema_samples.jsonl')))
  assert [row.ratings for row in raw[1:3]]
  assert all(row.steps for row in raw)
