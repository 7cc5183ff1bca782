"""The tools that deploy models and ask them."""

from functools import partial
from typing import Annotated

from pydantic import Field, JsonValue, WithJsonSchema

from servicetsunami.services.model_answers import DeployedModel, InvokedModel
from servicetsunami.tools.context import CallOf

EndpointName = Annotated[str, Field(description="Name of the endpoint.")]
ModelSource = Annotated[
    str,
    Field(
        description="A .onnx file, a folder with one, or "
        "databricks:catalog.schema.model/versions/1."
    ),
]
AskedName = Annotated[
    str, Field(description="The endpoint; databricks:name for any of the workspace.")
]
Input = Annotated[
    dict[str, JsonValue],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": True,
            "description": "dataframe_split, dataframe_records, instances or inputs, as in "
            "Databricks; there also messages; here also {dataset, version?, columns?, mode?}.",
        }
    ),
]


async def deploy_model(
    call: CallOf,
    name: EndpointName,
    source: ModelSource,
) -> DeployedModel:
    """Serve a model, or a new version of it; the earlier one serves until it is READY."""
    return await call.services.models.deploy(call.caller, name, source)


async def invoke_model(
    call: CallOf,
    name: AskedName,
    input: Input,
    output: Annotated[str, Field(description="Dataset to write the scores to.")] = "",
) -> InvokedModel:
    """Ask a model; describe_asset shows its signature. A dataset is scored into `output`."""
    work = partial(call.services.models.invoke, call.caller, name, input, output)
    if "dataset" not in input and not output:
        return await work(call.report)
    about = {"name": name, "output": output}
    done = await call.finish(work, tool="invoke_model", about=about)
    return done if isinstance(done, InvokedModel) else InvokedModel.going_on(done)
