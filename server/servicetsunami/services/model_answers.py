"""What crosses a wire about models."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from servicetsunami.domain.endpoint import Endpoint, ModelVersion, Signature, VersionState
from servicetsunami.domain.run import Run
from servicetsunami.services.answers import Answer, AnyArray, AnyObject, follow


class DeployedModel(Answer):
    """What became of a model that was deployed; the version that serves may be an earlier one."""

    name: str
    version: int
    state: str
    serving: int | None = None
    error: str | None = None
    signature: AnyObject | None = None
    next: str

    @classmethod
    def of(cls, endpoint: Endpoint, version: ModelVersion) -> "DeployedModel":
        """Take over the records of an endpoint and its newest version."""
        return cls(
            name=endpoint.name,
            version=version.version,
            state=version.state.value,
            serving=endpoint.serving,
            error=version.reason,
            signature=signature_answer(version.signature),
            next=_NEXT[version.state],
        )


class InvokedModel(Answer):
    """What a model answered.

    `predictions` has one for each row, `reply` is what is not by rows, such as that of a chat, and
    `output` the dataset that was written. A scoring that goes on has a `run_id`.
    """

    name: str
    run_id: str | None = None
    state: Literal["RUNNING"] | None = None
    version: int | None = None
    predictions: AnyArray | None = None
    reply: AnyObject | None = None
    output: AnyObject | None = None
    rows: int | None = None
    ran_on: Literal["local", "databricks"]
    reason: str
    elapsed_ms: int
    next: str | None = None

    @classmethod
    def going_on(cls, run: Run) -> "InvokedModel":
        """A scoring that took too long to wait for."""
        elapsed = datetime.now(UTC) - run.created_at
        return cls(
            name=run.name,
            run_id=run.id,
            state="RUNNING",
            ran_on="local",
            reason=run.reason,
            elapsed_ms=round(elapsed.total_seconds() * 1000),
            next=follow(run.id),
        )


_NEXT = {
    VersionState.READY: "Call invoke_model with this name.",
    VersionState.FAILED: "Mend what the error says, and deploy again.",
    VersionState.WAITING: "It takes minutes on Databricks: describe_asset with kind endpoint tells "
    "when it is ready.",
}


def signature_answer(signature: Signature) -> dict[str, Any] | None:
    """A signature as its reader needs it; None where none is known."""
    if not signature.inputs:
        return None
    facts: dict[str, Any] = {
        "inputs": {each.name: each.words for each in signature.inputs},
        "outputs": {each.name: each.words for each in signature.outputs},
    }
    if signature.columns:
        facts["columns"] = list(signature.columns)
    return facts


def described_endpoint(
    endpoint: Endpoint, versions: Sequence[ModelVersion], serving: ModelVersion | None
) -> dict[str, Any]:
    """What describe_asset tells of an endpoint besides its name."""
    return {
        "runs_on": endpoint.place.value,
        "state": "READY" if serving else "NOT_READY",
        "serving": endpoint.serving,
        "signature": None if serving is None else signature_answer(serving.signature),
        "versions": [_version(each) for each in versions],
    }


def _version(version: ModelVersion) -> dict[str, Any]:
    facts = {
        "version": version.version,
        "state": version.state.value,
        "error": version.reason,
        "flavour": version.flavour,
        "source": version.source,
        "sha256": version.sha256,
        "size_bytes": version.size_bytes or None,
        "at": version.created_at.isoformat(),
    }
    return {name: value for name, value in facts.items() if value is not None}
