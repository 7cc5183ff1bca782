"""The child process that loads and runs models: whatever a file makes of it, only it is lost."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.domain.endpoint import Signature
from servicetsunami.engines.sql.scratch import Scratch
from servicetsunami.engines.workers.serving import Request, serve
from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    from servicetsunami.engines.models.runtime import OnnxModel
    from servicetsunami.engines.workers.channel import Channel

_LOADED_MAX: Final = 2
_ANSWER_CHARS_MAX: Final = 1_000_000
_BATCH_ROWS: Final = 16_384


def run(channel: "Channel", options: Mapping[str, Any]) -> None:
    """Serve models until the server closes the channel."""
    desk = _Desk(
        temp_dir=Path(options["temp_dir"]),
        threads=options["threads"],
        memory_limit_mb=options["memory_limit_mb"],
    )
    serve(channel, {"inspect": desk.inspect, "predict": desk.predict, "score": desk.score})


@dataclass(slots=True, kw_only=True)
class _Desk:
    """What a child can do, with the models that it has loaded: a version's file never changes."""

    temp_dir: Path
    threads: int
    memory_limit_mb: int
    _loaded: "OrderedDict[str, OnnxModel]" = field(default_factory=OrderedDict)

    def inspect(self, request: Request) -> dict[str, Any]:
        """Load a model once, and tell what it takes and gives."""
        # A file that was not good is never met again by another call.
        request.recycle = True
        return {"signature": asdict(self._model(request.arguments["path"]).signature)}

    def predict(self, request: Request) -> dict[str, Any]:
        """Answer one call."""
        from servicetsunami.engines.models.inputs import fed  # noqa: PLC0415 - heavy
        from servicetsunami.engines.models.predictions import as_json  # noqa: PLC0415

        asked = request.arguments
        signature = Signature.of(asked["signature"])
        given = fed(asked["input"], signature)
        rows = max(len(each) for each in given.values())
        outputs = self._model(asked["path"]).run(given)
        said = as_json(outputs, signature, rows)
        length = len(json.dumps(said))
        if length > _ANSWER_CHARS_MAX:
            raise InvalidInput(
                f"The answer would have {length:,} characters, and {_ANSWER_CHARS_MAX:,} is most.",
                "Give fewer rows, or a dataset as input and the name of another as output.",
            )
        return {"predictions" if isinstance(said, list) else "reply": said, "rows": rows}

    def score(self, request: Request) -> dict[str, Any]:
        """Write a version of a dataset with the predictions beside its columns, as Parquet.

        One batch after the other, so that memory does not grow with the rows.
        """
        from servicetsunami.engines.models.scoring import Scores, rows_of  # noqa: PLC0415 - heavy
        from servicetsunami.stores.tables.snapshot import TableReader  # noqa: PLC0415

        asked = request.arguments
        snapshot = TableReader().snapshot(Path(asked["location"]), version=asked["version"])
        model = self._model(asked["path"])
        names = [column.name for column in snapshot.columns]
        scratch = Scratch(self.temp_dir)
        batches = rows_of(
            snapshot,
            temp_dir=scratch.path,
            memory_limit_mb=self.memory_limit_mb,
            batch_rows=_BATCH_ROWS,
        )
        with Scores(
            Path(asked["target"]),
            Signature.of(asked["signature"]),
            names=names,
            features=asked["columns"],
        ) as scores:
            for batch in batches:
                scores.add(batch, model)
                request.report(
                    {"rows": scores.rows, "fraction": scores.rows / max(1, snapshot.row_count)}
                )
        if not scores.rows:
            raise InvalidInput(
                "The dataset has no rows in that version.", "Nothing was written: there are none."
            )
        return {"rows": scores.rows, "columns": list(scores.added)}

    def _model(self, path: str) -> "OnnxModel":
        from servicetsunami.engines.models.runtime import OnnxModel  # noqa: PLC0415 - heavy

        model = self._loaded.pop(path, None) or OnnxModel(Path(path), threads=self.threads)
        self._loaded[path] = model
        if len(self._loaded) > _LOADED_MAX:
            self._loaded.popitem(last=False)
        return model
