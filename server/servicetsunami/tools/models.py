"""The tools that deploy models and ask them."""

from typing import Annotated

from pydantic import Field, JsonValue, WithJsonSchema

from servicetsunami.services.model_answers import DeployedModel, InvokedModel
from servicetsunami.tools.context import CallOf

EndpointName = Annotated[str, Field(description="Name of the endpoint.")]
Input = Annotated[
    dict[str, JsonValue],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": True,
            "description": "dataframe_split, dataframe_records, instances or inputs, as in "
            "Databricks; or {dataset, version?, columns?, mode?}.",
        }
    ),
]


async def deploy_model(
    call: CallOf,
    name: EndpointName,
    source: Annotated[str, Field(description="Path of a .onnx file or a folder with one.")],
) -> DeployedModel:
    """Serve a model, or a new version of it; the earlier one serves until it is READY."""
    return await call.services.models.deploy(call.caller, name, source)


async def invoke_model(
    call: CallOf,
    name: EndpointName,
    input: Input,
    output: Annotated[str, Field(description="Dataset to write the scores to.")] = "",
) -> InvokedModel:
    """Ask a model; describe_asset shows its signature. A dataset is scored into `output`."""
    return await call.services.models.invoke(call.caller, name, input, output, call.report)
