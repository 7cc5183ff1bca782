"""Model endpoints: deployed, and asked."""

from functools import partial
from typing import Final

from fastapi import APIRouter, Response
from pydantic import Field

from servicetsunami.services.answers import AnyObject
from servicetsunami.services.model_answers import DeployedModel, InvokedModel
from servicetsunami.services.progress import silent
from servicetsunami.transport.rest.admitted import CallOf, RestCall
from servicetsunami.transport.rest.arguments import Body, Name
from servicetsunami.transport.rest.assets import Kind, does, router_of

KIND: Final = Kind(
    name="endpoint",
    finds=lambda services: services.models,
    deletes=lambda services: services.models,
)
_DEPLOY: Final = does("deploy_model", "endpoint")


class Model(Body):
    """Where a model comes from."""

    source: str = Field(
        min_length=1,
        max_length=2000,
        description="A .onnx file or a folder with one that this server may read, or "
        "databricks:catalog.schema.model/versions/1.",
        examples=["databricks:main.default.churn/versions/1"],
    )


class NewEndpoint(Model):
    """A model with the name under which it is to answer."""

    name: str = Field(min_length=1, max_length=200, examples=["churn"])


class Asked(Body):
    """What a model is asked, in one of the forms that Databricks takes."""

    input: AnyObject = Field(
        description="dataframe_split, dataframe_records, instances or inputs; there also messages; "
        "here also {dataset, version?, columns?, mode?}.",
        examples=[{"inputs": [[1.0, 2.0]]}],
    )
    output: str = Field(
        default="", max_length=260, description="Dataset to write the scores of a dataset to."
    )


def serving(prefix: str) -> APIRouter:
    """The routes of model endpoints below a prefix."""
    router = router_of(KIND, f"{prefix}/serving", "serving")

    @router.post("", name="create_endpoint", openapi_extra=_DEPLOY)
    async def create(call: CallOf, endpoint: NewEndpoint) -> DeployedModel:
        """Serve a model, or a new version of it; the earlier one serves until it is READY."""
        return await call.services.models.deploy(call.caller, endpoint.name, endpoint.source)

    @router.put("/{name}", name="update_endpoint", openapi_extra=_DEPLOY)
    async def update(call: CallOf, name: Name, model: Model) -> DeployedModel:
        """Serve a new version under the name."""
        return await call.services.models.deploy(call.caller, name, model.source)

    @router.post(
        "/{name}/invoke", name="invoke_endpoint", openapi_extra=does("invoke_model", "endpoint")
    )
    async def invoke(call: CallOf, name: Name, asked: Asked, response: Response) -> InvokedModel:
        """Ask a model, or have it score a dataset into `output`."""
        return await _invoke(call, name, asked, response)

    return router


async def _invoke(call: RestCall, name: str, asked: Asked, response: Response) -> InvokedModel:
    work = partial(call.services.models.invoke, call.caller, name, asked.input, asked.output)
    if "dataset" not in asked.input and not asked.output:
        return await work(silent)
    about = {"name": name, "output": asked.output}
    done = await call.finish(work, tool="invoke_model", about=about)
    if isinstance(done, InvokedModel):
        return done
    call.accepted(response, done.id)
    return InvokedModel.going_on(done)
