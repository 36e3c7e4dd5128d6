"""Opponents' models in transformers, and what they executed."""

import pathlib

from safetensors.torch import load_file
import torch
from transformers import (
  AutoModel,
  AutoModelForCausalLM,
  GenerationConfig,
  StoppingCriteria,
  StoppingCriteriaList,
)

from benchmarks import side
from benchmarks.protocol import MODEL, Protocol

PAD = 0


class Pair:
  """A proposer that generates and a verifier with a scalar head."""

  def __init__(self, folder: pathlib.Path):
    self.proposer = AutoModelForCausalLM.from_pretrained(
      folder / 'proposer', dtype=torch.float32
    )
    self.verifier = AutoModel.from_pretrained(
      folder / 'verifier', dtype=torch.float32
    )
    # The class's default is token 2; here no token ends anything.
    self.proposer.generation_config = GenerationConfig(
      do_sample=True,
      temperature=1.0,
      top_p=1.0,
      top_k=0,
      eos_token_id=None,
      pad_token_id=PAD,
    )
    self.score = load_file(folder / 'verifier' / 'model.safetensors')[
      'score.weight'
    ][0]
    self.executed = 0
    for model in (self.proposer.model, self.verifier):
      model.register_forward_pre_hook(self._count, with_kwargs=True)

  def grow(
    self, prefixes: list[list[int]], lengths: list[int], copies: int = 1
  ) -> list[list[int]]:
    """New tokens of each row, so many as asked for.

    Args:
      prefixes: token ids of the rows.
      lengths: of the new tokens, for every copy of every row.
      copies: rows that `generate` makes of each prefix.
    """
    wide = max(map(len, prefixes))
    tokens = torch.tensor([[PAD] * (wide - len(p)) + p for p in prefixes])
    mask = torch.tensor(
      [[0] * (wide - len(p)) + [1] * len(p) for p in prefixes]
    )
    grown = self.proposer.generate(
      tokens,
      attention_mask=mask,
      num_return_sequences=copies,
      max_new_tokens=max(lengths),
      stopping_criteria=StoppingCriteriaList(
        [_Lengths([wide + n for n in lengths])]
      ),
    )
    return [
      row[wide : wide + n].tolist()
      for row, n in zip(grown, lengths, strict=True)
    ]

  def value(self, rows: list[list[int]]) -> torch.Tensor:
    """The verifier's logit at the end of each row, in one batch."""
    wide = max(map(len, rows))
    tokens = torch.tensor([r + [PAD] * (wide - len(r)) for r in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (wide - len(r)) for r in rows])
    states = self.verifier(tokens, attention_mask=mask, use_cache=False)[0]
    ends = torch.tensor([len(r) - 1 for r in rows])
    return states[torch.arange(len(rows)), ends] @ self.score

  def logits(self, protocol: Protocol) -> list[float]:
    """Of the first prompt, its last token read apart, and the value."""
    prompt = torch.from_numpy(protocol.prompts(MODEL['vocab_size'])[:1])
    cache = self.proposer(prompt[:, :-1]).past_key_values
    logits = self.proposer(prompt[:, -1:], past_key_values=cache).logits
    return [
      *logits[0, -1, : side.LOGITS].tolist(),
      self.value(prompt.tolist()).item(),
    ]

  def _count(self, model, args, kwargs) -> None:
    tokens = args[0] if args else kwargs['input_ids']
    self.executed += tokens.numel()


class _Lengths(StoppingCriteria):
  """Each row ends at a length of its own."""

  def __init__(self, ends: list[int]):
    self._ends = torch.tensor(ends)

  def __call__(self, input_ids, scores, **kwargs):
    return self._ends <= input_ids.shape[1]
