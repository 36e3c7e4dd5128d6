"""Opponent D and transformers' `generate` on torch's device, in bfloat16."""

from collections.abc import Mapping
import contextlib
import dataclasses
import functools

import torch

from benchmarks.accelerator import clock, shapes
from benchmarks.accelerator.record import Measured
from benchmarks.opponents.strong import Llama, Strong
from benchmarks.protocol import Protocol

_SPREAD = 0.02  # standard deviation of the weights
_PROMPT, _FEW = 256, 8  # tokens


def strong(
  size: str, task: str, protocol: dict, most: int, together: int
) -> Measured:
  """D on the protocol, after one round that does not count.

  Args:
    size: of proposer and verifier.
    task: of the protocol.
    protocol: its fields, with the questions that are asked.
    most: questions that share a batch in any setting; caches are made for it.
    together: questions that share a batch.
  """
  workload = Protocol(**protocol)
  with _torch():
    side = _side(size, Protocol(**{**protocol, 'questions': most}), most)
    side.task, side.together = task, together
    side.protocol = dataclasses.replace(workload, rounds=1)
    side.answer(together)
    side.protocol, questions = workload, workload.questions
    executed, new = side.executed, 0

    def answer():
      nonlocal new
      new = side.answer(questions)
      _wait()

    _wait()
    spent = clock.seconds(answer)
  by_floor = (side.executed - executed) / workload.floor(questions)
  how = f'{together} together' if together > 1 else 'one by one'
  return Measured(
    f'{task}, N={workload.budget}, {questions} questions, {how}',
    f'{spent / questions:.3g} s a question, {new / spent:,.0f} new tokens/s',
    f'{by_floor:.2f} of the floor, {_device()}',
    numbers={
      'work': f'{task} {size}',
      's_question': spent / questions,
      'new_tokens_s': new / spent,
      'by_floor': by_floor,
    },
  )


def generate(size: str, rows: int, new: int) -> Measured:
  """Tokens/s of transformers, without what a call takes for few tokens.

  Args:
    size: of the model.
    rows: that share one prompt.
    new: tokens of each.
  """
  from transformers import Qwen2Config, Qwen2ForCausalLM

  shape = shapes.hugging(shapes.SIZES[size])
  with _torch():
    model = Qwen2ForCausalLM(Qwen2Config(**shape)).eval()
    prompt = torch.randint(1, shape['vocab_size'], (1, _PROMPT))

    def run(count: int) -> None:
      model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        num_return_sequences=rows,
        min_new_tokens=count,
        max_new_tokens=count,
        pad_token_id=0,
        eos_token_id=None,
      )
      _wait()

    run(_FEW)
    few = clock.seconds(lambda: run(_FEW))
    spent = clock.seconds(lambda: run(new))
  rate = rows * (new - _FEW) / (spent - few)
  return Measured(
    f'{rows} rows, {new} tokens after {_PROMPT}',
    f'{rate:,.0f} tokens/s',
    f'{rows * new / spent:,.0f} with the prompt, {_device()}',
    numbers={'tokens_s': rate, 'with_prompt_tokens_s': rows * new / spent},
  )


@functools.cache
def _side(size: str, protocol: Protocol, together: int) -> Strong:
  shape, rows = shapes.hugging(shapes.llama(size)), protocol.budget * together
  cells = protocol.most + protocol.longest
  proposer, verifier = (
    Llama(_weights(shape, head), shape, rows, cells)
    for head in ('lm_head', 'score')
  )
  return Strong('beam', proposer, verifier, protocol, together)


def _weights(shape: Mapping, head: str) -> dict[str, torch.Tensor]:
  """Random ones, by their names in Hugging Face's Llama files."""
  D, F, H = (shape[n] for n in ('hidden_size', 'intermediate_size', 'head_dim'))
  N, K = shape['num_attention_heads'], shape['num_key_value_heads']
  normal = lambda *size: _SPREAD * torch.randn(*size)
  made = {
    'model.embed_tokens.weight': normal(shape['vocab_size'], D),
    'model.norm.weight': torch.ones(D),
    f'{head}.weight': normal(1 if head == 'score' else shape['vocab_size'], D),
  }
  for layer in range(shape['num_hidden_layers']):
    at = f'model.layers.{layer}'
    made |= {
      f'{at}.input_layernorm.weight': torch.ones(D),
      f'{at}.post_attention_layernorm.weight': torch.ones(D),
      f'{at}.self_attn.q_proj.weight': normal(N * H, D),
      f'{at}.self_attn.k_proj.weight': normal(K * H, D),
      f'{at}.self_attn.v_proj.weight': normal(K * H, D),
      f'{at}.self_attn.o_proj.weight': normal(D, N * H),
      f'{at}.mlp.gate_proj.weight': normal(F, D),
      f'{at}.mlp.up_proj.weight': normal(F, D),
      f'{at}.mlp.down_proj.weight': normal(D, F),
    }
  return made


@contextlib.contextmanager
def _torch():
  """New tensors are on the device and in bfloat16; no gradients."""
  before = torch.get_default_dtype()
  torch.set_default_dtype(torch.bfloat16)
  try:
    with torch.device(_device()), torch.inference_mode():
      yield
  finally:
    torch.set_default_dtype(before)


def _device() -> str:
  return 'cuda' if torch.cuda.is_available() else 'cpu'


def _wait() -> None:
  if torch.cuda.is_available():
    torch.cuda.synchronize()
