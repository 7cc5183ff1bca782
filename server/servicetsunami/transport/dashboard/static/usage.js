// What was used, day by day and tool by tool, and how much of the budget that is.

import { h } from "./dom.js";
import { dayChart, everyDay, meter } from "./charts.js";
import { bytes, count, lasting, plural } from "./format.js";
import { ago, empty, facts, loaded, section, table } from "./parts.js";

const PERIODS = [["day", "Day"], ["week", "Week"], ["month", "Month"]];
const KNOWN = new Set(["catalog", "period", "since", "as_of", "is_exact", "assets", "storage_bytes", "storage_note", "tools", "days", "outbox", "databricks", "budget", "budgets"]);

const key = (s) => `usage ${s.ui.period || "week"}`;

export const usage = {
  id: "usage",
  title: "Usage",
  needs: (s) => [{ key: key(s), tool: "tenant_usage", args: { period: s.ui.period || "week" }, every: 60 }],
  render: (s) => [
    section("Usage", { side: periods(s) }, loaded(s.entry(key(s), "usage"), () => s.reload(key(s)), (told) => [
      budgets(told),
      h("h3", null, "Calls a day"), dayChart({ key: "calls", label: chartLabel(told), days: everyDay(told), series: callSeries }),
      h("h3", null, "Rows a day"), dayChart({ key: "rows", label: `Rows a day since ${told.since.slice(0, 10)}`, days: everyDay(told), series: [{ label: "rows", value: (each) => each.rows, ink: "good" }] }),
      h("details", null, h("summary", null, "The same as a table"), daily(told)),
    ])),
    section("By tool", loaded(s.entry(key(s), "usage"), () => s.reload(key(s)), (told) => (told.tools.length ? byTool(told) : empty("Nothing was called in this time.")))),
    section("Storage and more", loaded(s.entry(key(s), "usage"), () => s.reload(key(s)), (told) => [
      facts([["Storage", bytes(told.storage_bytes)], ["Note", told.storage_note], ["Databricks", told.databricks],
        ["Counts", told.is_exact ? "exact" : "partly estimated"], ["As of", ago(told.as_of)], ...more(told)]), others(told),
    ])),
  ],
};

export const callSeries = [
  { label: "calls", value: (each) => each.calls, ink: "accent" },
  { label: "errors", value: (each) => each.errors, ink: "bad" },
];

export function chartLabel(told) {
  const calls = told.days.reduce((sum, each) => sum + each.calls, 0);
  const errors = told.days.reduce((sum, each) => sum + each.errors, 0);
  return `Calls a day: ${plural(calls, "call", "calls")} since ${told.since.slice(0, 10)}, ${count(errors)} of them failed`;
}

function periods(s) {
  const now = s.ui.period || "week";
  return h("span", { class: "switch", role: "group", "aria-label": "How far back" }, PERIODS.map(([period, label]) =>
    h("button", { type: "button", key: period, "aria-pressed": String(period === now), on: { click: () => s.set({ period }) } }, label)));
}

function daily(told) {
  return table({
    label: "Usage by day", rows: everyDay(told).reverse(), keyOf: (each) => each.day,
    columns: [
      { title: "Day", main: true, cell: (each) => each.day },
      { title: "Calls", num: true, cell: (each) => count(each.calls) },
      { title: "Errors", num: true, cell: (each) => count(each.errors) },
      { title: "Rows", num: true, cell: (each) => count(each.rows) },
    ],
  });
}

function byTool(told) {
  return table({
    label: "Usage by tool", rows: told.tools, keyOf: (each) => each.tool,
    columns: [
      { title: "Tool", main: true, cell: (each) => h("code", null, each.tool) },
      { title: "Calls", num: true, cell: (each) => count(each.calls) },
      { title: "Errors", num: true, cell: (each) => count(each.errors) },
      { title: "Rows", num: true, cell: (each) => count(each.rows) },
      { title: "Time", num: true, cell: (each) => lasting(each.seconds) },
      { title: "Tokens", num: true, cell: (each) => count(each.tokens) },
    ],
  });
}

// Budgets, where the server has some: [{name, used, limit, unit}], or one of them.
export function budgets(told) {
  const given = [told.budgets || told.budget || []].flat().filter((each) => each && typeof each === "object");
  const known = given.filter((each) => Number.isFinite(each.used) && Number.isFinite(each.limit));
  if (!known.length) return null;
  return h("div", { class: "budgets" }, known.map((each) => {
    const label = String(each.name || each.kind || "Budget").replaceAll("_", " ");
    const unit = each.unit ? ` ${each.unit}` : "";
    return meter(label, each.used, each.limit, `${count(each.used)} of ${count(each.limit)}${unit}${each.is_exact === false ? ", estimated" : ""}`);
  }));
}

const isPlain = (value) => ["string", "number", "boolean"].includes(typeof value);

// What a newer server tells besides is shown as it is called.
function more(told) {
  return Object.entries(told).filter(([name, value]) => !KNOWN.has(name) && isPlain(value)).map(([name, value]) => [name.replaceAll("_", " "), String(value)]);
}

function others(told) {
  const found = Object.entries(told).filter(([name, value]) => !KNOWN.has(name) && !isPlain(value) && value !== null);
  return found.map(([name, value]) => h("details", { key: name }, h("summary", null, name.replaceAll("_", " ")),
    h("pre", { tabindex: "0", role: "region", "aria-label": name }, JSON.stringify(value, null, 2))));
}
