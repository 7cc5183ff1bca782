"""Jobs: created, changed, listed, run; each run once for a token; paged inside and outside."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.errors import ApiError, invalid
from tests.fakes.databricks.notebooks import NotebookRunner
from tests.fakes.databricks.runs import Run, TaskRun, repair_history, run_info, task_info
from tests.fakes.databricks.state import State
from tests.fakes.databricks.task_work import JobWork, Worker

PAGE_TASKS = 100


class Jobs:
    def __init__(self) -> None:
        self.all: dict[int, dict[str, Any]] = {}
        self.runs: dict[int, Run] = {}
        self.tokens: dict[str, int] = {}
        self.outcome: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.worker = Worker()
        self.worker.next_id = self.next_id
        self.worker.start_job = self.start_job
        self._last_id = 2**53

    @property
    def notebooks(self) -> NotebookRunner:
        return self.worker.notebooks

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def job(self, job_id: object) -> dict[str, Any]:
        found = self.all.get(int(str(job_id)))
        if found is None:
            raise invalid(f"Job {job_id} does not exist.")
        return found

    def run(self, run_id: object) -> Run:
        found = self.runs.get(int(str(run_id)))
        if found is None:
            raise invalid(f"Run {run_id} does not exist.")
        return found

    def start(self, body: dict[str, Any], settings: dict[str, Any], job_id: int | None) -> Run:
        token = body.get("idempotency_token")
        if token and token in self.tokens:
            return self.run(self.tokens[token])
        tasks = [TaskRun(self.next_id(), task) for task in settings.get("tasks") or []]
        active = [r for r in self.runs.values() if job_id and r.job_id == job_id and not r.is_ended]
        declared = {each["name"]: each["default"] for each in settings.get("parameters") or []}
        run = Run(
            run_id=self.next_id(),
            job_id=job_id,
            name=settings.get("name") or settings.get("run_name") or "Untitled",
            tasks=tasks,
            parameters=declared | (body.get("job_parameters") or {}),
            outcomes=self.outcome,
            begin=self.worker.begin,
            timeout_s=float(settings.get("timeout_seconds") or 0),
            number=1 + len([r for r in self.runs.values() if r.job_id == job_id]),
        )
        is_full = job_id and len(active) >= int(settings.get("max_concurrent_runs") or 1)
        if is_full and not (settings.get("queue") or {}).get("enabled"):
            run.skipped = "MAXIMUM_CONCURRENT_RUNS_REACHED"
        self.runs[run.run_id] = run
        if token:
            self.tokens[token] = run.run_id
        return run

    def start_job(self, job_id: int, parameters: dict[str, str]) -> Run:
        """The run of a run_job_task: it takes of the parameters those that the job declares."""
        settings = self.job(job_id)
        declared = {each["name"] for each in settings.get("parameters") or []}
        known = {name: value for name, value in parameters.items() if name in declared}
        return self.start({"job_parameters": known}, settings, job_id)

    def tasks(self, run_id: int) -> list[TaskRun]:
        """The task of that number, also one of a loop; or all of the run of that number."""
        every = [(run, t) for run in self.runs.values() for t in run.tasks]
        every += [(run, each) for run, task in every for each in task.iterations]
        return [task for run, task in every if run_id in {task.run_id, run.run_id}]


def _page(found: list[dict[str, Any]], request: Request, name: str, limit: int) -> Response:
    size = int(request.query_params.get("limit") or 20)
    if not 1 <= size <= limit:
        raise invalid(f"limit must be between 1 and {limit}.")
    start = int(request.query_params.get("page_token") or 0)
    more = start + size < len(found)
    answer: dict[str, Any] = {name: found[start : start + size], "has_more": more}
    return JSONResponse(answer | ({"next_page_token": str(start + size)} if more else {}))


def _job_info(job_id: int, job: dict[str, Any]) -> dict[str, Any]:
    settings = {"timeout_seconds": 0, "email_notifications": {}, "max_concurrent_runs": 1, **job}
    return {"job_id": job_id, "settings": settings, "creator_user_name": "agent@example.com"}


def _job_routes(jobs: Jobs, base: str, wrap: Any) -> list[Route]:
    async def create(request: Request) -> Response:
        settings = await request.json()
        job_id = jobs.next_id()
        jobs.all[job_id] = settings
        return JSONResponse({"job_id": job_id})

    async def get(request: Request) -> Response:
        job_id = int(request.query_params["job_id"])
        info = _job_info(job_id, jobs.job(job_id))
        tasks, start = (
            info["settings"].get("tasks") or [],
            int(request.query_params.get("page_token") or 0),
        )
        if len(tasks) > PAGE_TASKS and "2.2" in base:
            info["settings"]["tasks"] = tasks[start : start + PAGE_TASKS]
            info["has_more"] = start + PAGE_TASKS < len(tasks)
            if info["has_more"]:
                info["next_page_token"] = str(start + PAGE_TASKS)
        return JSONResponse(info)

    async def listing(request: Request) -> Response:
        name = request.query_params.get("name", "").lower()
        found = [
            _job_info(job_id, job)
            for job_id, job in jobs.all.items()
            if not name or str(job.get("name", "")).lower() == name
        ]
        return _page(found, request, "jobs", 100)

    async def change(request: Request) -> Response:
        body, verb = await request.json(), request.path_params["verb"]
        job = jobs.job(body["job_id"])
        if verb == "delete":
            del jobs.all[int(body["job_id"])]
        elif verb == "reset":
            jobs.all[int(body["job_id"])] = body["new_settings"]
        else:
            job.update(body.get("new_settings") or {})
            for name in body.get("fields_to_remove") or []:
                job.pop(name, None)
        return JSONResponse({})

    async def run_now(request: Request) -> Response:
        body = await request.json()
        run = jobs.start(body, jobs.job(body["job_id"]), int(body["job_id"]))
        return JSONResponse({"run_id": run.run_id, "number_in_job": run.number})

    return [
        Route(f"{base}/create", wrap(create), methods=["POST"]),
        Route(f"{base}/get", wrap(get)),
        Route(f"{base}/list", wrap(listing)),
        Route(f"{base}/run-now", wrap(run_now), methods=["POST"]),
        Route(f"{base}/{{verb:str}}", wrap(change), methods=["POST"]),
    ]


def _output(jobs: Jobs, task: TaskRun) -> dict[str, Any]:
    """What get-output tells of a task."""
    found: dict[str, Any] = {"metadata": task_info(task)}
    if "notebook_task" in task.task:
        found["notebook_output"] = {}
    if task.key in jobs.outputs:
        found["notebook_output"] = {"result": jobs.outputs[task.key], "truncated": False}
    answer = task.work.answer if task.work is not None else {}
    if answer.get("exit_value") is not None:
        found["notebook_output"] = {"result": answer["exit_value"], "truncated": False}
    if isinstance(task.work, JobWork):
        found["run_job_output"] = answer["run_job_output"]
    if task.result == "FAILED":
        said = answer.get("error") or "It failed."
        found |= {"error": said, "error_trace": f"Traceback: {said}"}
    return found


def _run_routes(jobs: Jobs, base: str, wrap: Any) -> list[Route]:
    async def submit(request: Request) -> Response:
        body = await request.json()
        return JSONResponse({"run_id": jobs.start(body, body, None).run_id})

    async def get(request: Request) -> Response:
        wanted = int(request.query_params["run_id"])
        if wanted not in jobs.runs and jobs.tasks(wanted):
            [task] = jobs.tasks(wanted)
            return JSONResponse(
                {**task_info(task), "iterations": [task_info(each) for each in task.iterations]}
            )
        run = jobs.run(wanted)
        run.step()
        start = int(request.query_params.get("page_token") or 0)
        shown, more = run.tasks[start : start + PAGE_TASKS], len(run.tasks) > start + PAGE_TASKS
        info = {**run_info(run), "tasks": [task_info(task) for task in shown]}
        if more:
            info |= {"has_more": True, "next_page_token": str(start + PAGE_TASKS)}
        if request.query_params.get("include_history") == "true":
            info["repair_history"] = repair_history(run)
        return JSONResponse(info)

    async def output(request: Request) -> Response:
        wanted = int(request.query_params["run_id"])
        if wanted in jobs.runs and len(jobs.runs[wanted].tasks) > 1:
            raise invalid("Retrieving the output of runs with multiple tasks is not supported.")
        tasks = jobs.tasks(wanted)
        if not tasks:
            raise invalid(f"Run {wanted} does not exist.")
        return JSONResponse(_output(jobs, tasks[0]))

    async def export(request: Request) -> Response:
        wanted = int(request.query_params["run_id"])
        tasks = jobs.tasks(wanted)
        if not tasks or tasks[0].execution is None:
            raise invalid(f"Run {wanted} has nothing to export.")
        view = {"content": tasks[0].execution.export, "name": "notebook", "type": "NOTEBOOK"}
        return JSONResponse({"views": [view]})

    async def listing(request: Request) -> Response:
        query = request.query_params
        found = [
            run_info(run)
            for run in reversed(jobs.runs.values())
            if query.get("job_id") in (None, str(run.job_id))
            and not (query.get("active_only") == "true" and run.is_ended)
            and not (query.get("completed_only") == "true" and not run.is_ended)
        ]
        return _page(found, request, "runs", 25)

    async def cancel(request: Request) -> Response:
        jobs.run((await request.json())["run_id"]).is_cancelled = True
        return JSONResponse({})

    async def repair(request: Request) -> Response:
        body = await request.json()
        run = jobs.run(body["run_id"])
        if not run.is_ended:
            raise ApiError(400, "INVALID_STATE", "The run is still active.")
        if run.repairs and body.get("latest_repair_id") != run.repairs[-1]:
            raise invalid("latest_repair_id has to be that of the latest repair.")
        for task in run.tasks:
            if task.result != "SUCCESS":
                task.again()
        run.repairs.append(jobs.next_id())
        run.is_cancelled, run.skipped = False, None
        return JSONResponse({"repair_id": run.repairs[-1]})

    async def delete(request: Request) -> Response:
        del jobs.runs[jobs.run((await request.json())["run_id"]).run_id]
        return JSONResponse({})

    post = ["POST"]
    return [
        Route(f"{base}/runs/submit", wrap(submit), methods=post),
        Route(f"{base}/runs/get", wrap(get)),
        Route(f"{base}/runs/get-output", wrap(output)),
        Route(f"{base}/runs/list", wrap(listing)),
        Route(f"{base}/runs/export", wrap(export)),
        Route(f"{base}/runs/cancel", wrap(cancel), methods=post),
        Route(f"{base}/runs/repair", wrap(repair), methods=post),
        Route(f"{base}/runs/delete", wrap(delete), methods=post),
    ]


def routes(state: State, wrap: Any) -> list[Route]:
    jobs: Jobs = state.sub(Jobs)
    jobs.worker.state = jobs.notebooks.state = state
    bases = ("/api/2.2/jobs", "/api/2.1/jobs")
    return [
        route
        for base in bases
        for route in (*_run_routes(jobs, base, wrap), *_job_routes(jobs, base, wrap))
    ]
