// Starting, stopping and following runs, wherever they are shown.

import { h } from "./dom.js";
import { ask, pairs } from "./dialogs.js";
import { count, lasting } from "./format.js";
import { cells, tasks } from "./outputs.js";
import { ago, badge, button, facts, loaded, opener, table } from "./parts.js";

const ENDED = new Set(["SUCCESS", "SUCCESS_WITH_FAILURES", "FAILED", "TIMEDOUT", "CANCELED", "SKIPPED", "LOST"]);
const MENDABLE = new Set(["FAILED", "TIMEDOUT", "SUCCESS_WITH_FAILURES"]);
const BUSY_S = 2;

export const isActive = (run) => !ENDED.has(run.state);

// What a list of runs, and the one that is open, need to be loaded.
export function runNeeds(s, { key, args, every, open }) {
  const listed = s.value(key);
  const isBusy = s.isStarting() || (listed && (listed.runs || []).some(isActive));
  const needs = [{ key, tool: "get_run", args, every: isBusy ? BUSY_S : every }];
  if (open) needs.push(...oneRunNeeds(s, open));
  return needs;
}

export function oneRunNeeds(s, id) {
  const key = `run ${id}`;
  const known = s.value(key);
  const run = known && known.run;
  const needs = [{ key, tool: "get_run", args: { run_id: id, wait: false }, every: !run || isActive(run) ? BUSY_S : 60 }];
  for (const cell of (run && run.cells) || []) {
    for (const output of cell.outputs || []) {
      if (output.type === "image") {
        const uri = `lake://runs/${id}/images/${output.file}`;
        needs.push({ key: uri, uri, every: Infinity });
      }
    }
  }
  return needs;
}

export function runTable(s, { runs, open, toggle, label }) {
  return table({
    label, rows: runs, keyOf: (run) => run.run_id, isOpen: (run) => run.run_id === open,
    opened: (run) => runDetail(s, run.run_id),
    columns: [
      { title: "Run of", main: true, cell: (run) => opener(run.name, run.run_id === open, () => toggle(run.run_id)) },
      { title: "State", cell: (run) => badge(run.state) },
      { title: "Started", cell: (run) => ago(run.started_at) },
      { title: "Took", num: true, cell: (run) => (isActive(run) ? "–" : lasting(run.seconds)) },
      { title: "By", cell: (run) => run.trigger || "–" },
      { title: "Where", cell: (run) => (run.ran_on === "databricks" ? "Databricks" : "here") },
      { title: "", cell: (run) => runActions(s, run) },
    ],
  });
}

function runActions(s, run) {
  if (isActive(run)) {
    return s.can("cancel_run") && button("Cancel", { key: `cancel ${run.run_id}`, spoken: `Cancel the run of ${run.name}`, click: () => cancel(s, run) });
  }
  if (run.kind === "job" && MENDABLE.has(run.state)) {
    return s.can("run_job") && button("Repair", { key: `repair ${run.run_id}`, spoken: `Repair the run of ${run.name}`, click: () => repair(s, run) });
  }
  return null;
}

export function runDetail(s, id) {
  return loaded(s.entry(`run ${id}`), () => s.reload(`run ${id}`), ({ run }) => [
    run.error && h("p", { class: "error" }, run.error),
    facts([
      ["Run", h("code", null, run.run_id)], ["State", badge(run.state)], ["Where", run.reason],
      ["Parameters", run.parameters && Object.entries(run.parameters).map(([name, value]) => `${name}=${value}`).join(", ")],
      ["Cells", run.cells_total === undefined ? null : `${count(run.cells_done)} of ${count(run.cells_total)}`],
      ["Exit value", run.exit_value], ["Repairs", run.repairs], ["What next", run.next],
    ]),
    tasks(run), cells(run, (uri) => (s.value(uri) || {}).blob),
  ]);
}

export async function runJob(s, name) {
  const given = await s.door.call("describe_asset", { kind: "job", name }).catch(() => null);
  const known = (given && given.job && given.job.settings && given.job.settings.parameters) || [];
  const fields = known.map((each) => ({ name: each.name, label: each.name, value: String(each.default ?? "") }));
  const values = await ask({ title: `Run ${name}?`, text: "It runs at once, as it was saved last.", action: "Run", fields });
  if (values) s.start(`Run of ${name}`, "run_job", { name, ...(fields.length ? { parameters: values } : {}) }, (answer) => answer.run);
}

export async function runNotebook(s, name) {
  const fields = [{ name: "parameters", label: "Parameters, a line for each", hint: "name=value", lines: 3 }];
  const values = await ask({ title: `Execute ${name}?`, text: "Its cells run from the first to the last, and may write datasets.", action: "Execute", fields });
  if (!values) return;
  const parameters = pairs(values.parameters);
  s.start(`Run of ${name}`, "run_notebook", { name, ...(Object.keys(parameters).length ? { parameters } : {}) }, (answer) => answer);
}

async function cancel(s, run) {
  const sure = await ask({ title: `Cancel the run of ${run.name}?`, text: "What it has written so far stays.", action: "Cancel the run", danger: true });
  if (sure) s.act(`Run of ${run.name} was stopped`, "cancel_run", { run_id: run.run_id });
}

async function repair(s, run) {
  const sure = await ask({ title: `Repair the run of ${run.name}?`, text: "The tasks that failed, and those behind them, run again.", action: "Repair" });
  if (sure) s.start(`Repair of ${run.name}`, "run_job", { repair_run_id: run.run_id }, (answer) => answer.run);
}
