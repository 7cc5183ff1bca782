// The jobs, when they fire, and their runs over time.

import { h } from "./dom.js";
import { timeline } from "./charts.js";
import { listKey, listNeed, nothing, searching, syncActions, toggling, turning } from "./datasets.js";
import { ago, badge, button, empty, facts, loaded, opener, pager, section, syncBadge, table } from "./parts.js";
import { runJob, runNeeds, runTable } from "./running.js";

const STATES = ["", "RUNNING", "SUCCESS", "FAILED", "CANCELED", "TIMEDOUT", "LOST"];
const RUNS_PAGE = 20;

const runsKey = (s) => `runs ${s.ui.state || ""} ${(s.ui.runPages || []).at(-1) || ""}`;

export const jobs = {
  id: "jobs",
  title: "Jobs",
  needs: (s) => {
    const args = {};
    if (s.ui.state) args.state = s.ui.state;
    if ((s.ui.runPages || []).length) args.cursor = s.ui.runPages.at(-1);
    return [
      listNeed(s, "job"),
      ...(s.ui.open ? [{ key: `job ${s.ui.open}`, tool: "describe_asset", args: { kind: "job", name: s.ui.open }, every: 30 }] : []),
      ...runNeeds(s, { key: runsKey(s), args, every: 15, open: s.ui.run }),
    ];
  },
  render: (s) => [
    section("Jobs", { side: searching(s, "Search jobs") },
      loaded(s.entry(listKey(s, "job"), "job"), () => s.reload(listKey(s, "job")), (answer) => [
        answer.assets.length ? rows(s, answer.assets) : nothing(s, "No jobs yet.", "create_job makes one of notebooks and SQL, with a schedule."),
        turning(s, answer, ["job", "jobs"]),
      ])),
    section("Runs", { side: states(s) }, loaded(s.entry(runsKey(s), "runs"), () => s.reload(runsKey(s)), (answer) => {
      const runs = answer.runs || [];
      const toggle = (id) => s.set({ run: s.ui.run === id ? null : id });
      if (!runs.length) return empty(s.ui.state ? "No runs are in this state." : "Nothing has run yet.");
      return [timeline(runs, toggle), runTable(s, { label: "Runs", runs, open: s.ui.run, toggle }),
        pager({ answer, shown: runs.length, pages: s.ui.runPages || [], size: RUNS_PAGE, what: ["run", "runs"], turn: (runPages) => s.set({ runPages }) })];
    })),
  ],
};

function states(s) {
  return h("select", { "aria-label": "Only runs in this state", key: "state", on: { change: (event) => s.set({ state: event.target.value, runPages: [] }) } },
    STATES.map((state) => h("option", { value: state, selected: (s.ui.state || "") === state }, state ? state.toLowerCase() : "all states")));
}

function rows(s, assets) {
  return table({
    label: "Jobs", rows: assets, keyOf: (each) => each.name, isOpen: (each) => each.name === s.ui.open, opened: (each) => detail(s, each),
    columns: [
      { title: "Name", main: true, cell: (each) => opener(each.name, each.name === s.ui.open, toggling(s, each.name)) },
      { title: "Sync", cell: (each) => syncBadge(each.sync, s.isConnected()) },
      { title: "Tasks", num: true, cell: (each) => each.tasks ?? "–" },
      { title: "Next", cell: (each) => (each.next_fire_at ? ago(each.next_fire_at) : h("span", { class: "quiet" }, "by hand")) },
      { title: "Revision", num: true, cell: (each) => each.version },
      { title: "Changed", cell: (each) => ago(each.updated_at) },
      { title: "", cell: (each) => s.can("run_job") && button("Run", { key: `run ${each.name}`, spoken: `Run ${each.name}`, kind: "primary", click: () => runJob(s, each.name) }) },
    ],
  });
}

function detail(s, { name }) {
  const key = `job ${name}`;
  return loaded(s.entry(key), () => s.reload(key), (told) => {
    const job = told.job || {};
    const tasks = (job.settings && job.settings.tasks) || [];
    return [
      syncActions(s, "job", name, told.sync, false),
      facts([["Schedule", job.schedule], ["Runs on", job.run_on], ["Fires next", job.next_fire_times && job.next_fire_times.slice(0, 3).join(", ")]]),
      h("h3", null, "Tasks"),
      h("ol", { class: "tasks" }, tasks.map((task) => h("li", { key: task.task_key }, h("span", { class: "name" }, task.task_key), badge(kindOf(task)),
        (task.depends_on || []).length > 0 && h("span", { class: "quiet" }, `after ${task.depends_on.map((each) => each.task_key).join(", ")}`)))),
    ];
  });
}

const kindOf = (task) => (Object.keys(task).find((name) => name.endsWith("_task")) || "task").replace("_task", "").replaceAll("_", " ");
