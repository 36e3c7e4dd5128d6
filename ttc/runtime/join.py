"""`--distributed`: from a command line on each host to one run of all.

The hosts first call the roll among themselves (processes.py), and only when
all are there does jax, which would abort a process whose peers do not come,
join them too.
"""

import dataclasses
import hashlib
import importlib.metadata
import os
import pathlib
import signal
import sys

from ttc.runtime import process_group, termination
from ttc.runtime.coordinator import JoinError
from ttc.runtime.process_group import Alone, Joined, Processes

_SOURCE = pathlib.Path(__file__).parents[1]
# Lines tell of a process that died; heartbeats of one that hangs.
_HEARTBEAT_S = 60
# For work that cannot go on without a process that was stopped; less than
# process 0 waits for the others.
_HURRY_S = 5.0
# As of a process that was killed itself: trying again may help.
_KILLED = 128 + signal.SIGKILL
_STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


@dataclasses.dataclass(frozen=True)
class Cluster:
  """The processes of a run; what is None is asked of the platform.

  Attributes:
    coordinator: 'host:port' where process 0 listens.
    count: of processes.
    index: of this one.
    timeout: seconds to wait for the others.
    devices: of the host that are this process's; None is all.
  """

  coordinator: str | None = None
  count: int | None = None
  index: int | None = None
  timeout: float = 300.0
  devices: tuple[int, ...] | None = None


def found(cluster: Cluster) -> Cluster:
  """The cluster with what jax finds out about a TPU pod, Slurm or MPI.

  Raises:
    JoinError: there is none.
  """
  given = (cluster.coordinator, cluster.count, cluster.index)
  if None not in given:
    return cluster
  # jax tells this only by joining, which cannot fail cleanly.
  from jax._src.clusters import ClusterEnv

  detect = ClusterEnv.auto_detect_unset_distributed_params
  *there, devices = detect(*given, None, None, int(cluster.timeout))
  if None in there:
    raise JoinError(
      '--distributed found no TPU pod, Slurm or MPI here; give '
      '--coordinator=host:port, --processes=N and --process=I.'
    )
  return Cluster(*there, cluster.timeout, devices and tuple(devices))


def called(cluster: Cluster) -> Processes:
  """The processes, when all have called the roll; jax is not asked yet.

  Raises:
    JoinError: a process is missing or differs.
  """
  if cluster.count == 1:
    return Alone()
  about = {
    'the source of ttc': _digest_of_source(),
    'the version of jax': importlib.metadata.version('jax'),
  }
  return process_group.join(
    cluster.coordinator,
    cluster.count,
    cluster.index,
    about,
    cluster.timeout,
    _lost,
  )


def start_jax(cluster: Cluster, joined: Processes) -> dict[str, int | str]:
  """Initializes jax.distributed, before anything else asks for devices.

  Returns:
    This process's devices, which must be the same everywhere; {} if it is the
    only process.
  """
  if not isinstance(joined, Joined):
    return {}
  import jax

  host = cluster.coordinator.rpartition(':')[0]
  jax.distributed.initialize(
    f'{host}:{joined.port}',
    cluster.count,
    cluster.index,
    local_device_ids=cluster.devices,
    cluster_detection_method='deactivate',
    initialization_timeout=max(1, int(cluster.timeout)),
    heartbeat_timeout_seconds=_HEARTBEAT_S,
    shutdown_timeout_seconds=_HEARTBEAT_S,
  )
  termination.handle()  # jax took SIGTERM for itself
  return {
    'local devices': jax.local_device_count(),
    'platform': jax.default_backend(),
  }


def _lost(who: str, code: int | None) -> None:
  """Ends this process after another one, from another thread."""
  if code in _STOPPED:
    termination.hurry(_HURRY_S)
    if not termination.asked():
      print(f'ttc: {who} was stopped.', file=sys.stderr, flush=True)
      os.kill(os.getpid(), signal.SIGTERM)
    return
  how = 'died' if code is None else f'ended with exit code {code}'
  print(
    f'ttc: {who} {how}, see its log, and nothing goes on without it. Finished '
    'parts and checkpoints are kept; the same command continues after them.',
    file=sys.stderr,
    flush=True,
  )
  os._exit(code or _KILLED)


def _digest_of_source() -> str:
  digest = hashlib.sha256()
  for path in sorted(_SOURCE.rglob('*.py')):
    digest.update(str(path.relative_to(_SOURCE)).encode())
    digest.update(path.read_bytes())
  return digest.hexdigest()[:12]


def depart(joined: Processes, code: int) -> None:
  """Leaves with an exit code; does not return after a stop or among others.

  The interpreter would wait for programs that were launched before a stop; and
  jax for everybody, also for those who are gone, and abort those who wait when
  process 0 is.
  """
  joined.leave(code)
  if code in _STOPPED or isinstance(joined, Joined):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
