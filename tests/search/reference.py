"""Step search over lists of Python rows: slow, plain, and written separately.

It shares with the real search the model's table, the law of the keys and
jax's own categorical; nothing of caches, windows, forks or allocators.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from tests import testing
from ttc.inference.requests import Prefill
from ttc.inference.rows import fold_keys

fold = jax.jit(jax.random.fold_in)


@jax.jit
def draw(key, position, logits):
  key = jax.random.fold_in(key, position)
  return jax.random.categorical(key, logits)


@dataclasses.dataclass
class Row:
  tokens: list
  key: jax.Array
  start: int
  limit: int

  @property
  def done(self):
    new = self.tokens[self.start :]
    return bool(new) and (new[-1] == testing.END or len(new) >= self.limit)


def grow(row, table, temperature, steps, most):
  """Samples until `steps` step ends, the end, the limit, or `most` tokens."""
  row, ends = dataclasses.replace(row, tokens=list(row.tokens)), 0
  for _ in range(most):
    if row.done:
      break
    logits = table[row.tokens[-1]].astype(np.float32)
    if temperature == 0:
      token = int(np.argmax(logits))
    else:
      token = int(draw(row.key, len(row.tokens), logits / temperature))
    row.tokens.append(token)
    ends += token in (testing.STEP, testing.END)
    if steps and ends >= steps:
      break
  return row


def beam_counts(values, done, kept):
  """The best `kept` rows share all places; a done one takes a single place."""
  order = sorted(range(len(values)), key=lambda i: (-values[i], i))
  chosen = order[:kept]
  live = [i for i in chosen if not done[i]]
  counts = [0] * len(values)
  sharers = live or chosen
  for i in chosen:
    if i not in sharers:
      counts[i] = 1
  left = len(values) - sum(counts)
  for place in range(left):
    counts[sharers[place % len(sharers)]] += 1
  return counts


def step_search(
  table,
  values,
  prompt,
  problem,
  width,
  key,
  *,
  kept,
  k,
  temperature,
  trees=1,
  most=4,
  limit=12,
  rounds=40,
):
  """Beam, or DVTS as `trees` searches of W / trees rows that stand alone.

  Returns the new tokens of each row, and how many tokens were drawn in all.
  """
  root = fold(key, jnp.uint32(problem))
  spent = 0

  def advance(rows, temperature, steps, most):
    nonlocal spent
    grown = [grow(row, table, temperature, steps, most) for row in rows]
    spent += sum(len(g.tokens) for g in grown)
    spent -= sum(len(row.tokens) for row in rows)
    return grown

  def search(rows):
    rows = advance(rows, temperature, 1, most)
    for _ in range(rounds):
      if all(row.done for row in rows):
        break
      ends = advance(rows, 0, k, k * most) if k else rows
      score = [1 / (1 + math.exp(-values[end.tokens[-1]])) for end in ends]
      counts = beam_counts(score, [row.done for row in rows], kept)
      children = [
        dataclasses.replace(row, key=fold(row.key, i))
        for row, count in zip(rows, counts, strict=True)
        for i in range(count)
      ]
      rows = advance(children, temperature, 1, most)
    return [row.tokens[row.start :] for row in rows]

  rows = [
    Row(list(prompt), fold(root, i), len(prompt), limit) for i in range(width)
  ]
  size = width // trees
  trees = [search(rows[at : at + size]) for at in range(0, width, size)]
  return [new for found in trees for new in found], spent


def interpret(plan, table, values, *, most, temperature=1.0):
  """Works a plan off alone and row by row, whatever strategy made it.

  Args:
    plan: a generator of requests.
    table: [V, V] the proposer's logits after each token.
    values: [V] the verifier's logit at each token.
    most: tokens of a step.
    temperature: of rows whose request names none.

  Returns:
    The plan's rows, how many tokens were drawn in all, and the most rows that
    were asked to grow at once.
  """
  drawn = widest = 0
  sigmoid = lambda x: 1 / (1 + math.exp(-x))
  while True:
    try:
      request = next(plan)
    except StopIteration as stop:
      return stop.value, drawn, widest
    if isinstance(request, Prefill):
      continue  # nothing to remember: logits depend on the last token alone
    fold_keys(request.rows)
    warmth = request.temperature
    if request.greedy or warmth is None:
      warmth = 0 if request.greedy else temperature
    widest = max(widest, len(request.rows))
    for index, row in enumerate(request.rows):
      if row.done:
        continue
      bound = row.limit - len(row.tokens)
      if request.allowance is not None:
        bound = min(bound, request.allowance[index])
      elif request.steps:
        bound = min(bound, request.steps * most)
      plain = Row(
        row.tokens, jax.random.wrap_key_data(row.key), row.start, row.limit
      )
      grown = grow(plain, table, warmth, request.steps, bound)
      new = grown.tokens[len(row.tokens) :]
      drawn += len(new)
      row.tokens += new
      row.values += [sigmoid(values[token]) for token in new]
      full = len(row.tokens) >= row.limit
      row.done = full or (bool(new) and new[-1] == testing.END)
