// Shows what cells and tasks of a run have put out. All of it is text: HTML is shown as its source.

import { h } from "./dom.js";
import { bytes, count, lasting, plural } from "./format.js";
import { badge } from "./parts.js";

const SHOWN = /^image\/(png|jpeg|svg\+xml)$/;

export function cells(run, images) {
  return (run.cells || []).map((cell) => h("article", { class: "cell", key: `cell ${cell.cell}` },
    h("header", null, h("span", { class: "quiet" }, `[${cell.cell}]`), h("span", { class: "name" }, cell.title || cell.kind || ""),
      badge(cell.state), cell.seconds !== undefined && h("span", { class: "quiet" }, lasting(cell.seconds))),
    (cell.outputs || []).map((output, index) => shown(output, run, images, `${index + 1} of cell ${cell.cell}`)),
    cell.uri && h("p", { class: "quiet" }, `Cut here; the whole of it is ${cell.uri}`)));
}

function shown(output, run, images, which) {
  if (output.type === "table") return tableOf(output, which);
  if (output.type === "image") return image(output, run, images);
  if (output.type === "error") return scrolled("error", output.text || output.error, which);
  if (output.type === "note") return h("p", { class: "quiet" }, output.text);
  return scrolled(output.name === "stderr" ? "stderr" : "text", output.text, which);
}

// A region that scrolls has to be reachable by keyboard.
function scrolled(kind, text, which) {
  return h("pre", { class: kind, tabindex: "0", role: "region", "aria-label": `Output ${which}` }, text || "");
}

function tableOf(output, which) {
  const names = (output.columns || []).map((column) => (typeof column === "object" ? column.name : column));
  const rows = output.rows || [];
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Output ${which}` },
    grid(names, rows),
    output.row_count > rows.length && h("p", { class: "quiet" }, `${count(rows.length)} of ${plural(output.row_count, "row", "rows")}`));
}

// Plain rows under their columns; used for samples as well.
export function grid(names, rows) {
  return h("table", { class: "grid" },
    h("thead", null, h("tr", null, names.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", null, rows.map((row) => h("tr", null, names.map((_, index) => h("td", null, value(row[index])))))));
}

function value(given) {
  if (given === null || given === undefined) return h("span", { class: "quiet" }, "null");
  return typeof given === "object" ? JSON.stringify(given) : String(given);
}

function image(output, run, images) {
  const uri = `lake://runs/${run.run_id}/images/${output.file}`;
  if (!SHOWN.test(output.mime || "")) return h("p", { class: "quiet" }, `${output.mime}, ${bytes(output.size_bytes)}`);
  const source = images(uri);
  if (!source) return h("p", { class: "quiet" }, `Image, ${bytes(output.size_bytes)}`);
  return h("img", { src: `data:${output.mime};base64,${source}`, alt: `Image that cell ${output.file.split("-")[0]} has drawn`, loading: "lazy" });
}

export function tasks(run) {
  if (!run.tasks) return null;
  return h("ol", { class: "tasks" }, run.tasks.map((task) => h("li", { key: `task ${task.task_key}` },
    h("span", { class: "name" }, task.task_key), badge(task.state),
    h("span", { class: "quiet" }, lasting(task.seconds)),
    task.attempt && h("span", { class: "quiet" }, `attempt ${task.attempt}`),
    task.error && h("p", { class: "error" }, task.error),
    task.output && h("details", null, h("summary", null, "Output"), outputOf(task.output, `of task ${task.task_key}`)))));
}

function outputOf(output, which) {
  if (Array.isArray(output.columns) && Array.isArray(output.rows)) {
    return tableOf({ row_count: output.rows.length, ...output }, which);
  }
  return scrolled("text", JSON.stringify(output, null, 2), which);
}
