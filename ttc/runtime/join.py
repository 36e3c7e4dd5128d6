"""`--distributed`: joins the processes that were started on several hosts.

The processes first join each other through process_group.py, and only when all
are there does each initialize jax.distributed, which would abort a process
whose peers do not come.

The environment variable TTC_JOIN_NONCE, a secret text that is the same on all
hosts of a run, keeps other callers out; the scripts in launch/ set it. Without
it process 0 accepts processes of its own host and of its TPU pod only. Slurm
passes the variable on to all tasks; `mpirun` of Open MPI needs
`-x TTC_JOIN_NONCE`.
"""

import dataclasses
import importlib.metadata
import math
import os
import signal
import sys

from ttc.runtime import process_group, source, termination
from ttc.runtime.coordinator import JoinError
from ttc.runtime.guard import NONCE
from ttc.runtime.process_group import Alone, Joined, Processes

# Seconds after which jax gives up a process that hangs. One that died is
# noticed sooner, when its connection to the coordinator breaks.
_HEARTBEAT_S = 60
# Seconds a worker gets to exit after a peer was stopped; must be below
# process_group's _AFTER_ERROR_S less its _OWN_END_S, or process 0 exits first.
_PEER_STOPPED_GRACE_S = 5.0
# Exit code of a process whose peer died, as if it had been killed itself: the
# scripts in launch/ count it as interrupted work, not as a failure.
_KILLED = 128 + signal.SIGKILL
_STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


@dataclasses.dataclass(frozen=True)
class Cluster:
  """Which processes form a run; the platform supplies what is None.

  Attributes:
    coordinator: 'host:port' where process 0 listens.
    count: number of processes in the run.
    index: number of this process, from 0.
    timeout: seconds to wait until all have joined.
    devices: ids of the host's devices that this process uses; None is all.
  """

  coordinator: str | None = None
  count: int | None = None
  index: int | None = None
  timeout: float = 300.0
  devices: tuple[int, ...] | None = None


def resolve(cluster: Cluster) -> Cluster:
  """Fills in what jax detects about a TPU pod, Slurm or MPI.

  Args:
    cluster: returned as it is if coordinator, count and index are all set.

  Raises:
    JoinError: there is no such platform here, or a number has no meaning.
  """
  if not 0 < cluster.timeout < math.inf:
    raise JoinError(
      f'--join_timeout={cluster.timeout:g}; give a number of seconds above 0.'
    )
  if cluster.count is not None and cluster.count < 1:
    raise JoinError(f'--processes={cluster.count}; give at least 1.')
  members = (cluster.coordinator, cluster.count, cluster.index)
  if None not in members:
    return cluster
  # A private module: publicly, jax detects clusters only while initializing
  # jax.distributed, which aborts the process when a peer is missing.
  from jax._src.clusters import ClusterEnv

  detect = ClusterEnv.auto_detect_unset_distributed_params
  *resolved, devices = detect(*members, None, None, int(cluster.timeout))
  if None in resolved:
    raise JoinError(
      '--distributed found no TPU pod, Slurm or MPI here; give '
      '--coordinator=host:port, --processes=N and --process=I.'
    )
  return Cluster(*resolved, cluster.timeout, devices and tuple(devices))


def connect(cluster: Cluster) -> Processes:
  """Waits until all processes have joined; does not initialize jax.

  Args:
    cluster: with coordinator, count and index set, see `resolve`.

  Returns:
    The processes; `Alone` if this is the only one.

  Raises:
    JoinError: a process is missing, or has another version of ttc or jax.
  """
  if cluster.count == 1:
    return Alone()
  about = {
    'the source of ttc': source.digest(),
    'the version of jax': importlib.metadata.version('jax'),
  }
  nonce = os.environ.get(NONCE, '')
  return process_group.join(
    cluster.coordinator,
    cluster.count,
    cluster.index,
    about,
    cluster.timeout,
    _lost,
    nonce,
    () if nonce or cluster.index else _pod_hosts(),
  )


def _pod_hosts() -> list[str]:
  """Names or addresses of the TPU pod's hosts; [] if there is no TPU pod."""
  from jax._src.clusters import ClusterEnv

  for kind in ClusterEnv._cluster_types:
    if not hasattr(kind, '_get_worker_list_in_slice'):
      continue  # not a TPU pod
    try:
      if kind.is_env_present():
        # Some lists have a port with each host.
        return [
          host.rpartition(':')[0] if host.count(':') == 1 else host
          for host in kind._get_worker_list_in_slice()
        ]
    except (ImportError, OSError, ValueError):
      # The metadata server does not answer: then the hosts are not known, and
      # who calls from another one learns that a nonce is needed.
      return []
  return []


def start_jax(cluster: Cluster, joined: Processes) -> dict[str, int | str]:
  """Initializes jax.distributed; call it before anything else uses devices.

  Args:
    cluster: as passed to `connect`.
    joined: what `connect` returned.

  Returns:
    Number and platform of this process's devices, which must be the same in all
    processes; {} if it is the only process.
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
  # Initializing has replaced the SIGTERM handler by jax's own.
  termination.install_handlers()
  return {
    'local devices': jax.local_device_count(),
    'platform': jax.default_backend(),
  }


def _lost(who: str, code: int | None) -> None:
  """Ends this process because another one ended; runs in another thread.

  A stop is passed on as a signal, so that this process stops cleanly too. After
  any other end the main thread may hang in a collective whose peer is gone, so
  the process exits from here.
  """
  if code in _STOPPED:
    termination.shorten_grace(_PEER_STOPPED_GRACE_S)
    if not termination.requested():
      print(f'ttc: {who} was stopped.', file=sys.stderr, flush=True)
      os.kill(os.getpid(), signal.SIGTERM)
    return
  how = 'died' if code is None else f'ended with exit code {code}'
  print(
    f'ttc: {who} {how}, see its log; the run cannot continue without it. '
    'Finished parts and checkpoints are kept; the same command continues after '
    'them.',
    file=sys.stderr,
    flush=True,
  )
  termination.exit_now(code or _KILLED)


def leave(joined: Processes, code: int) -> None:
  """Leaves the run; exits here and does not return if joined or stopped.

  Exits with os._exit: normal shutdown blocks on launched programs and on jax's
  barrier, which waits for dead peers, and jax aborts a process that waits there
  when process 0 is gone.

  Args:
    joined: what `connect` returned.
    code: exit code of this process.
  """
  joined.leave(code)
  if code in _STOPPED or isinstance(joined, Joined):
    # os._exit does not flush.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
