"""Opponent D: what an expert writes by hand in torch, and our honest rival.

The prompt is read once and repeated, rows have lengths of their own in one KV
cache, a fork moves what rows differ in by index, the verifier keeps a cache and
reads new tokens only. The batch is static: a round lasts as long as its
longest step, and rows that are done write their last cell again.

Projections are fused, and each group of query heads shares its keys uncopied.
`--packed` multiplies with weights that oneDNN has laid out beforehand, as
torch.compile does when it freezes a model; some processors are twice as fast
with them.
`--together` questions share a batch.

It works where torch's default device is, in torch's default dtype; draws are
made in float32, as all sides' are.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

from benchmarks import side
from benchmarks.protocol import MODEL, Protocol, ROPE_THETA


class Llama:
  """A model, and the cache of a batch of rows."""

  def __init__(
    self,
    found: Mapping[str, torch.Tensor],
    shape: Mapping,
    rows: int,
    cells: int,
    packed: bool = False,
  ):
    """Lays out the weights.

    Args:
      found: weights by their names in Hugging Face's Llama files.
      shape: of the model, as `protocol.MODEL`.
      rows: of the cache.
      cells: of each row.
      packed: see the module.
    """
    self.shape, H = shape, shape['head_dim']
    pack = _packed if packed else _plain
    get = lambda at, *names: torch.cat(
      [found[f'{at}.{n}.weight'] for n in names]
    )
    self.layers = [
      {
        'in': found[f'{at}.input_layernorm.weight'],
        'qkv': pack(get(f'{at}.self_attn', 'q_proj', 'k_proj', 'v_proj')),
        'out': pack(found[f'{at}.self_attn.o_proj.weight']),
        'post': found[f'{at}.post_attention_layernorm.weight'],
        'gate_up': pack(get(f'{at}.mlp', 'gate_proj', 'up_proj')),
        'down': pack(found[f'{at}.mlp.down_proj.weight']),
      }
      for at in (f'model.layers.{i}' for i in range(shape['num_hidden_layers']))
    ]
    self.embedding = found['model.embed_tokens.weight']
    self.norm = found['model.norm.weight']
    head = found.get('lm_head.weight', found.get('score.weight'))
    self.head = pack(head) if len(head) > 1 else _plain(head)
    kv, dtype = shape['num_key_value_heads'], self.embedding.dtype
    self.cache = [
      torch.zeros(2, rows, kv, cells, H, dtype=dtype) for _ in self.layers
    ]
    channel = torch.arange(0, H, 2, dtype=torch.float32) / H
    angle = torch.arange(cells)[:, None] * ROPE_THETA**-channel
    self.cos = torch.cat([angle.cos(), angle.cos()], -1).to(dtype)
    self.sin = torch.cat([-angle.sin(), angle.sin()], -1).to(dtype)
    self.executed = 0

  def read(
    self, tokens: torch.Tensor, start: torch.Tensor, longest: int
  ) -> torch.Tensor:
    """Hidden states [B, T, D] of new tokens [B, T] from `start` [B] on.

    Args:
      tokens: what lies beyond a row's end is overwritten before it is seen.
      start: position of each row's first.
      longest: no row is longer, the new tokens included.
    """
    B, T = tokens.shape
    heads, kv, H = (
      self.shape[name]
      for name in ('num_attention_heads', 'num_key_value_heads', 'head_dim')
    )
    eps = self.shape['rms_norm_eps']
    self.executed += B * T
    at = start[:, None] + torch.arange(T)  # [B, T]
    cos, sin = self.cos[at][:, :, None], self.sin[at][:, :, None]
    seen = torch.arange(longest) <= at[..., None]  # [B, T, S]
    seen = seen.repeat(1, heads // kv, 1)[:, None]
    rows = torch.arange(B)[:, None]
    x = self.embedding[tokens]
    for layer, cache in zip(self.layers, self.cache, strict=True):
      qkv = layer['qkv'](_norm(x, layer['in'], eps)).view(B, T, -1, H)
      turned = qkv[:, :, : heads + kv]
      turned = turned * cos + turned.roll(H // 2, -1) * sin
      k, v = cache[:, :B]
      k[rows, :, at] = turned[:, :, heads:]
      v[rows, :, at] = qkv[:, :, heads + kv :]
      q = turned[:, :, :heads].view(B, T, kv, -1, H).permute(0, 2, 3, 1, 4)
      attend = (
        _attend_one if T == 1 else functional.scaled_dot_product_attention
      )
      mixed = attend(
        q.reshape(B, kv, -1, H), k[:, :, :longest], v[:, :, :longest], seen
      )
      mixed = mixed.view(B, kv, -1, T, H).permute(0, 3, 1, 2, 4)
      x = x + layer['out'](mixed.reshape(B, T, -1))
      gate, up = layer['gate_up'](_norm(x, layer['post'], eps)).chunk(2, -1)
      x = x + layer['down'](functional.silu(gate) * up)
    return _norm(x, self.norm, eps)

  def fork(self, parents: torch.Tensor, begin: int, end: int) -> None:
    """Gives rows the cells [begin, end) of their parents."""
    for cache in self.cache:
      cells = cache[:, : len(parents), :, begin:end]
      cells.copy_(cells.index_select(1, parents))


class Strong:
  """See the module."""

  def __init__(
    self,
    task: str,
    proposer: Llama,
    verifier: Llama,
    protocol: Protocol,
    together: int = 1,
  ):
    """Takes the models, whose caches have a row per row of `together`.

    Args:
      task: of the protocol; may be set to another one between two answers.
      proposer: with `lm_head`.
      verifier: with `score`.
      protocol: the workload.
      together: questions that share a batch; may be lowered later.
    """
    self.task, self.protocol = task, protocol
    self.proposer, self.verifier = proposer, verifier
    self.together = together
    self.compiling = 0.0

  @property
  def executed(self) -> int:
    return self.proposer.executed + self.verifier.executed

  def answer(self, questions: int) -> int:
    """Works on the first so many questions; new tokens."""
    return sum(
      self._answer(range(first, min(first + self.together, questions)))
      for first in range(0, questions, self.together)
    )

  def _answer(self, questions: range) -> int:
    protocol, N = self.protocol, self.protocol.budget
    prompts = torch.tensor(self._prompts()[list(questions)])
    lengths = np.concatenate([protocol.lengths(q) for q in questions], axis=1)
    if self.task == 'best_of_n':
      lengths = lengths.sum(axis=0, keepdims=True)
    rows = torch.arange(len(questions)).repeat_interleave(N)
    nothing, P = torch.zeros(len(questions), dtype=int), protocol.prompt
    for model, tokens in (
      (self.proposer, prompts[:, :-1]),
      (self.verifier, prompts),
    ):
      model.read(tokens, nothing, tokens.shape[1])
      model.fork(rows, 0, P)
    tokens = torch.zeros(len(rows), self.proposer.cos.shape[0], dtype=int)
    tokens[:, :P] = prompts[rows]
    length, value = torch.full((len(rows),), P), None
    for round_, wanted in enumerate(torch.tensor(lengths)):
      if round_:
        parents = self._parents(value)
        tokens, length = tokens[parents], length[parents]
        for model in (self.proposer, self.verifier):
          model.fork(parents, P - 1, int(length.max()))
      before, length = length, length + wanted
      self._grow(tokens, before, length)
      value = self._score(tokens, before, length)
    return int(lengths.sum())

  def _prompts(self) -> np.ndarray:
    return self.protocol.prompts(self.proposer.shape['vocab_size'])

  def _grow(self, tokens, length, target) -> None:
    """Samples until every row has its target length."""
    rows = torch.arange(len(tokens))
    longest = int(length.max())
    for _ in range(int((target - length).max())):
      x = self.proposer.read(
        tokens[rows, length - 1, None], length - 1, longest
      )
      mass = self.proposer.head(x[:, 0]).float().softmax(-1).cumsum(-1)
      chance = torch.rand(len(rows), 1, dtype=mass.dtype)
      drawn = torch.searchsorted(mass, chance * mass[:, -1:])[:, 0]
      live = length < target
      tokens[rows, length] = torch.where(live, drawn, tokens[rows, length])
      length = length + live
      longest = int(length.max())

  def _score(self, tokens, before, length) -> torch.Tensor:
    """The verifier's value at the end of each row, logit not squashed."""
    wide = int((length - before).max())
    at = before[:, None] + torch.arange(wide)
    x = self.verifier.read(tokens.gather(1, at), before, int(at.max()) + 1)
    last = x[torch.arange(len(x)), length - before - 1]
    return self.verifier.head(last)[:, 0]

  def _parents(self, value: torch.Tensor) -> torch.Tensor:
    """Of each question's rows the best N / M, M times each."""
    N, M = self.protocol.budget, self.protocol.width
    best = value.view(-1, N).topk(N // M).indices
    best = best + N * torch.arange(len(best))[:, None]
    return best.repeat_interleave(M, dim=1).flatten()

  def logits(self) -> list[float]:
    """Of the first prompt, its last token read apart, and the value."""
    prompt = torch.tensor(self._prompts()[:1])
    start, P = torch.zeros(1, dtype=int), prompt.shape[1]
    self.proposer.read(prompt[:, :-1], start, P - 1)
    x = self.proposer.read(prompt[:, -1:], start + P - 1, P)
    y = self.verifier.read(prompt, start, P)
    return [
      *self.proposer.head(x)[0, 0, : side.LOGITS].tolist(),
      self.verifier.head(y)[0, -1, 0].item(),
    ]


def _norm(x, scale, eps):
  return functional.rms_norm(x, scale.shape, scale, eps)


def _attend_one(q, k, v, seen):
  """For one token a row, a quarter faster: keys on the left lie as read."""
  scores = (k @ q.mT).mT * q.shape[-1] ** -0.5
  return scores.masked_fill(~seen, -torch.inf).softmax(-1) @ v


def _plain(weight):
  return lambda x: functional.linear(x, weight)


def _packed(weight):
  laid = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
  return lambda x: torch.ops.mkldnn._linear_pointwise(
    x, laid, None, 'none', [], ''
  )


def _load(options, protocol: Protocol) -> Strong:
  from safetensors.torch import load_file  # not on every machine

  together = min(options.together, protocol.questions)
  models = (
    Llama(
      load_file(options.weights / kind / 'model.safetensors'),
      MODEL,
      protocol.budget * together,
      protocol.most + protocol.longest,
      options.packed,
    )
    for kind in ('proposer', 'verifier')
  )
  return Strong(options.task, *models, protocol, together)


def main() -> None:
  """Prints one JSON line."""
  parser = side.parser()
  parser.add_argument('--packed', action='store_true')
  parser.add_argument('--together', type=int, default=1)
  options = parser.parse_args()
  torch.set_num_threads(options.threads)
  with torch.inference_mode():
    side.measure(options, _load)


if __name__ == '__main__':
  main()
