"""Has scikit-learn models turned into ONNX, in the sandbox that notebooks run in."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import ConfigurationError, InvalidInput
from servicetsunami.services.model_files import Taken, copy_file

if TYPE_CHECKING:
    from servicetsunami.engines.kernels.kernel import Kernel

_SOURCE: Final = "model.skops"
_TARGET: Final = "model.onnx"
_NEEDED: Final = ("skops", "sklearn", "skl2onnx")
_TIMEOUT_S: Final = 60.0
_WATCH_EVERY_S: Final = 0.25
_NAMES_BYTES_MAX: Final = 1 << 20
_SAID_CHARS_MAX: Final = 500


class ModelConversion:
    """Converts a model while it is deployed; `lend` lends a tenant a kernel."""

    def __init__(self, lend: "Callable[[str], AbstractAsyncContextManager[Kernel]]") -> None:
        self._lend = lend

    def check(self) -> None:
        """Raise ConfigurationError where the packages for it are not installed."""
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if missing:
            raise ConfigurationError(
                f"scikit-learn models need {', '.join(missing)}, which is not installed.",
                "Install the extra: pip install 'servicetsunami[sklearn]'.",
            )

    async def convert(self, caller: Caller, taken: Taken) -> Taken:
        """The model as ONNX, in the same folder; raises InvalidInput where it has no such form."""
        from servicetsunami.engines.kernels.kernel import KernelDied  # noqa: PLC0415 - heavy

        self.check()
        said: list[str] = []
        async with self._lend(caller.tenant) as kernel:
            source = taken.folder / taken.file
            await to_thread.run_sync(partial(_lay_out, source, kernel.work / _SOURCE))
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_guard, kernel, said)
                    await kernel.execute(_code(taken), partial(_listen, said))
                    tasks.cancel_scope.cancel()
            except* KernelDied:
                said.append("it needed too much time or memory")
            if not said:
                return await to_thread.run_sync(partial(_taken_over, kernel.work, taken))
        raise InvalidInput(
            f"{Path(taken.file).name} cannot be served: {said[0][:_SAID_CHARS_MAX]}.",
            "Export it with skl2onnx where it was trained, and deploy the .onnx file.",
        )


def _code(taken: Taken) -> str:
    columns = json.dumps(taken.columns)
    return (
        "from servicetsunami.engines.models.conversion import convert\n"
        f"convert({_SOURCE!r}, {_TARGET!r}, {columns})"
    )


def _listen(said: list[str], kind: str, content: Mapping[str, Any]) -> bool:
    """Keep what went wrong."""
    if kind == "error":
        said.append(f"{content.get('evalue') or content.get('ename')}".strip().rstrip("."))
    return True


async def _guard(kernel: "Kernel", said: list[str]) -> None:
    """End the kernel when it takes too long, or uses too much."""
    for _ in range(int(_TIMEOUT_S / _WATCH_EVERY_S)):
        problem = await to_thread.run_sync(kernel.excess)
        if problem is not None:
            said.append(problem.rstrip("."))
            break
        await anyio.sleep(_WATCH_EVERY_S)
    kernel.kill()


def _lay_out(source: Path, place: Path) -> None:
    """Give the kernel, which is another user, a copy to read."""
    copy_file(source, place)
    place.chmod(0o644)


def _taken_over(work: Path, taken: Taken) -> Taken:
    """What the kernel has written, which is trusted no more than what came in."""
    copy_file(work / _TARGET, taken.folder / _TARGET)
    names = taken.folder / f"{_TARGET}.json"
    copy_file(work / names.name, names)
    with names.open("rb") as file:
        found = json.loads(file.read(_NAMES_BYTES_MAX))
    os.unlink(names)  # noqa: PTH108 - in a thread
    columns = taken.columns or tuple((str(each), "double") for each in found)
    return replace(taken, file=_TARGET, columns=columns)
