// How things are, on one page.

import { h } from "./dom.js";
import { dayChart, everyDay } from "./charts.js";
import { bytes, count, plural } from "./format.js";
import { ago, badge, empty, loaded, section } from "./parts.js";
import { runNeeds, runTable } from "./running.js";
import { budgets, callSeries, chartLabel } from "./usage.js";

const USAGE = "usage week";
const RUNS = "runs latest";

export const overview = {
  id: "overview",
  title: "Overview",
  needs: (s) => [
    { key: USAGE, tool: "tenant_usage", args: { period: "week" }, every: 60 },
    ...runNeeds(s, { key: RUNS, args: {}, every: 15, open: s.ui.open }),
  ],
  render: (s) => [
    loaded(s.entry(USAGE), () => s.reload(USAGE), (usage) => [
      h("div", { class: "figures" }, usage.assets.map((each) => figure(s, each)), storage(usage)),
      usage.assets.every((each) => each.count === 0) && begin(),
    ]),
    trouble(s),
    section("Calls", loaded(s.entry(USAGE), () => s.reload(USAGE), (usage) => [
      dayChart({ key: "calls", label: chartLabel(usage), days: everyDay(usage), series: callSeries }), budgets(usage),
    ])),
    section("Latest runs", loaded(s.entry(RUNS), () => s.reload(RUNS), (answer) => (answer.runs || []).length
      ? runTable(s, { label: "Latest runs", runs: answer.runs.slice(0, 8), open: s.ui.open, toggle: (id) => s.set({ open: s.ui.open === id ? null : id }) })
      : empty("Nothing has run yet.", "Runs of notebooks and jobs appear here."))),
  ],
};

const PLACES = { dataset: "datasets", notebook: "notebooks", job: "jobs", index: "models", endpoint: "models" };
const MANY = { dataset: "Datasets", notebook: "Notebooks", job: "Jobs", index: "Indexes", endpoint: "Endpoints" };

function figure(s, each) {
  const under = each.synced_percent === undefined || !s.isConnected()
    ? each.row_count ? plural(each.row_count, "row", "rows") : "on this server"
    : `${Math.round(each.synced_percent)} % synced`;
  return h("a", { class: "figure", href: `#${PLACES[each.kind]}`, key: each.kind, on: { click: s.link(PLACES[each.kind]) } },
    h("span", { class: "label" }, MANY[each.kind] || each.kind), h("b", null, count(each.count)), h("small", null, under));
}

function storage(usage) {
  return h("div", { class: "figure", key: "storage" }, h("span", { class: "label" }, "Storage"),
    h("b", null, bytes(usage.storage_bytes)), h("small", null, "all versions"));
}

function begin() {
  return empty("There is nothing here yet.", "Ask an agent to ingest a file, or call ingest_dataset; what it makes appears here by itself.");
}

function trouble(s) {
  const sync = s.value("sync");
  const held = sync ? sync.assets.filter((each) => each.parked > 0) : [];
  if (!held.length) return null;
  return section("Held up", { side: h("a", { href: "#sync", on: { click: s.link("sync") } }, "Look at the sync") },
    h("ul", { class: "lines" }, held.slice(0, 3).map((each) => h("li", { key: `${each.kind} ${each.name}` },
      badge("parked"), h("span", { class: "name" }, each.name), ago(each.oldest_at), h("p", null, each.error)))));
}
