"""FLOPs of the paper's convention, counted from one parameter up."""

import numpy as np
import pytest

from ttc.analysis import flops
from ttc.models.config import TransformerConfig


def _config(embed_dim=8):
  return TransformerConfig(
      vocab_size=31, num_layers=2, embed_dim=embed_dim, num_heads=2,
      num_kv_heads=2, head_dim=4, mlp_dim=16)


def test_training_costs_three_times_inference():
  config = _config()
  assert flops.inference_flops(config, 1) == 2 * config.num_params
  assert flops.train_flops(config, 10) == 60 * config.num_params


def test_a_record_is_charged_by_kind_to_its_model():
  proposer, verifier = _config(8), _config(16)
  cost = {'proposer_prefill': [3, 4], 'proposer_decode': [10, 16],
          'verifier_prefill': [5, 5], 'verifier_decode': [0, 0]}
  found = flops.cost_flops(cost, proposer, verifier)
  for kind, tokens in cost.items():
    config = proposer if kind.startswith('proposer') else verifier
    np.testing.assert_array_equal(
        found[kind], [flops.inference_flops(config, t) for t in tokens])


def test_records_are_charged_together_as_one_by_one():
  config = _config()
  tokens = np.arange(12).reshape(2, 3, 2)
  whole = flops.cost_flops({'proposer_decode': tokens}, config)
  for at in np.ndindex(2, 3):
    np.testing.assert_array_equal(
        whole['proposer_decode'][at],
        flops.cost_flops(
            {'proposer_decode': tokens[at]}, config)['proposer_decode'])


def test_a_verifier_that_read_nothing_needs_no_config():
  found = flops.cost_flops({'verifier_decode': [0, 0]}, _config())
  assert found['verifier_decode'].tolist() == [0, 0]
  with pytest.raises(ValueError, match='no verifier config'):
    flops.cost_flops({'verifier_decode': [0, 3]}, _config())


def test_an_unknown_kind_is_refused():
  with pytest.raises(ValueError, match="'proposer_sleep'"):
    flops.cost_flops({'proposer_sleep': [1, 1]}, _config())


def test_size_ratio():
  assert flops.size_ratio(_config(), _config()) == 1
  # With heads and MLP fixed, every weight is one of D channels.
  assert flops.size_ratio(_config(32), _config(8)) == 4
