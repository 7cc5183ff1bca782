// The jobs, when they fire, and their runs over time.

import { h } from "./dom.js";
import { timeline } from "./charts.js";
import { assetSection, describeNeed, listNeed, opened, syncActions } from "./assets.js";
import { ago, badge, button, empty, facts, loaded, pager, section } from "./parts.js";
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
      ...(s.ui.open ? [describeNeed("job", opened(s).name)] : []),
      ...runNeeds(s, { key: runsKey(s), args, every: 15, open: s.ui.run }),
    ];
  },
  render: (s) => [
    assetSection(s, {
      kind: "job", title: "Jobs", many: ["job", "jobs"], detail,
      none: ["No jobs yet.", "create_job makes one of notebooks and SQL, with a schedule."],
      columns: [
        { title: "Tasks", num: true, cell: (each) => each.tasks ?? "–" },
        { title: "Next", cell: (each) => (each.next_fire_at ? ago(each.next_fire_at) : h("span", { class: "quiet" }, "by hand")) },
        { title: "Revision", num: true, cell: (each) => each.version },
      ],
      action: ({ name }) => s.can("run_job") && button("Run", { key: `run ${name}`, spoken: `Run ${name}`, kind: "primary", click: () => runJob(s, name) }),
    }),
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

function detail(s, name, told) {
  const job = told.job || {};
  const tasks = (job.settings && job.settings.tasks) || [];
  return [
    syncActions(s, "job", name, told.sync, false),
    facts([["Schedule", job.schedule], ["Runs on", job.run_on], ["Fires next", job.next_fire_times && job.next_fire_times.slice(0, 3).join(", ")]]),
    h("h3", null, "Tasks"),
    h("ol", { class: "tasks" }, tasks.map((task) => h("li", { key: task.task_key }, h("span", { class: "name" }, task.task_key), badge(kindOf(task)),
      (task.depends_on || []).length > 0 && h("span", { class: "quiet" }, `after ${task.depends_on.map((each) => each.task_key).join(", ")}`)))),
  ];
}

const kindOf = (task) => (Object.keys(task).find((name) => name.endsWith("_task")) || "task").replace("_task", "").replaceAll("_", " ");
