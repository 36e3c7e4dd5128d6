"""Flags under which tests compile: many small programs, each run briefly."""

# Loops from MLIR run faster and take twice as long to compile; so do programs
# that are cut into pieces for more cores than there are.
_COMPILES_FAST = (
  '--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1'
)
_RUNS_SLOWLY = (
  '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true'
)


def flags(devices: int, optimised: bool = False) -> str:
  """XLA_FLAGS of a process with fake devices.

  Args:
    devices: how many.
    optimised: for programs that run for seconds: models that learn something.
  """
  count = f'--xla_force_host_platform_device_count={devices}'
  kinds = (count, _COMPILES_FAST, *(() if optimised else (_RUNS_SLOWLY,)))
  return ' '.join(kinds)
