"""What a platform tells of a run's hosts."""

import math

from jax._src.clusters import ClusterEnv
import pytest

from ttc.runtime import join
from ttc.runtime.coordinator import JoinError


def _kind(name):
  return next(k for k in ClusterEnv._cluster_types if k.name == name)


def test_without_a_pod_no_host_is_known():
  assert join._pod_hosts() == []


def test_the_hosts_of_a_pod_are_known_without_their_ports(monkeypatch):
  kind = _kind('gketpu')
  monkeypatch.setattr(kind, 'is_env_present', lambda: True)
  monkeypatch.setenv('TPU_PROCESS_ADDRESSES', 'job-0.svc:8471,10.0.0.2,fe80::1')
  assert join._pod_hosts() == ['job-0.svc', '10.0.0.2', 'fe80::1']


@pytest.mark.parametrize('error', [OSError, ValueError, ImportError])
def test_metadata_that_is_not_there_means_no_known_host(monkeypatch, error):
  def fail():
    raise error

  monkeypatch.setattr(_kind('gcetpu'), 'is_env_present', fail)
  assert join._pod_hosts() == []


@pytest.mark.parametrize(
  ('numbers', 'told'),
  [
    ({'timeout': math.nan}, '--join_timeout=nan; give'),
    ({'timeout': -1.0}, '--join_timeout=-1; give'),
    ({'timeout': math.inf}, '--join_timeout=inf; give'),
    ({'count': 0}, '--processes=0; give at least 1'),
  ],
)
def test_numbers_without_meaning_are_refused(numbers, told):
  cluster = join.Cluster(**{'coordinator': 'a:1', 'index': 0} | numbers)
  with pytest.raises(JoinError, match=told):
    join.resolve(cluster)
