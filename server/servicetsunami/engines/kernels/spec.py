"""How kernels are made: for whom, where, and what they may use."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one kernel, with all that it starts, may use at most."""

    memory_mb: int = 2_048
    disk_mb: int = 1_024
    files: int = 20_000
    processes: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSpec:
    """How kernels of one tenant are made. `number` tells tenants apart as users of the machine.

    `output_bytes_max` is what one stream of a cell may print before its middle is left out.
    """

    tenant: str
    number: int
    files: Path
    tables: Path
    temp_dir: Path
    limits: Limits = field(default_factory=Limits)
    output_bytes_max: int = 16 * 2**20
