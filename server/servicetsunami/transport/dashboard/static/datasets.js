// The datasets, and how far each is on its way to Databricks.

import { h } from "./dom.js";
import { ask } from "./dialogs.js";
import { bytes, count } from "./format.js";
import { grid } from "./outputs.js";
import { ago, badge, button, empty, facts, loaded, opener, pager, search, section, syncBadge, table } from "./parts.js";

export const datasets = {
  id: "datasets",
  title: "Datasets",
  needs: (s) => [
    listNeed(s, "dataset"),
    ...(s.ui.open ? [{ key: `dataset ${s.ui.open}`, tool: "describe_asset", args: { kind: "dataset", name: s.ui.open }, every: 60 }] : []),
  ],
  render: (s) => section("Datasets", { side: searching(s, "Search datasets") },
    loaded(s.entry(listKey(s, "dataset"), "dataset"), () => s.reload(listKey(s, "dataset")), (answer) => [
      answer.assets.length ? rows(s, answer.assets) : nothing(s, "No datasets yet.", "ingest_dataset makes one from a file, an address or rows."),
      turning(s, answer, ["dataset", "datasets"]),
      elsewhere(answer),
    ])),
};

// The list of one kind of asset as it is searched and paged now; several views have one.
export const listKey = (s, kind) => `list ${kind} ${s.ui.search || ""} ${(s.ui.pages || []).at(-1) || ""}`;

export function listNeed(s, kind) {
  const args = { kind };
  if (s.ui.search) args.search = s.ui.search;
  if ((s.ui.pages || []).length) args.cursor = s.ui.pages.at(-1);
  return { key: listKey(s, kind), tool: "list_assets", args, every: 30 };
}

export const searching = (s, label) => search(label, s.ui.typed || "", (typed) => s.type(typed));

export function nothing(s, what, how) {
  return s.ui.search ? empty(`Nothing is named like “${s.ui.search}”.`) : empty(what, how);
}

export function turning(s, answer, what) {
  return pager({ answer, shown: answer.assets.length, pages: s.ui.pages || [], what, turn: (pages) => s.set({ pages, open: null }) });
}

export const toggling = (s, name) => () => s.set({ open: s.ui.open === name ? null : name });

export function elsewhere(answer) {
  const there = answer.on_databricks || [];
  if (!there.length && !answer.on_databricks_error) return null;
  return h("details", { class: "elsewhere" },
    h("summary", null, `${count(there.length)} more only on Databricks`),
    answer.on_databricks_error && h("p", { class: "error" }, answer.on_databricks_error),
    h("ul", { class: "names" }, there.map((each) => h("li", null, each.name))));
}

function rows(s, assets) {
  return table({
    label: "Datasets", rows: assets, keyOf: (each) => each.name, isOpen: (each) => each.name === s.ui.open, opened: (each) => detail(s, each),
    columns: [
      { title: "Name", main: true, cell: (each) => opener(each.name, each.name === s.ui.open, toggling(s, each.name)) },
      { title: "Sync", cell: (each) => syncBadge(each.sync, s.isConnected()) },
      { title: "Rows", num: true, cell: (each) => count(each.row_count) },
      { title: "Size", num: true, cell: (each) => bytes(each.size_bytes) },
      { title: "Columns", num: true, cell: (each) => count((each.columns || []).length) },
      { title: "Version", num: true, cell: (each) => each.version },
      { title: "Changed", cell: (each) => ago(each.updated_at) },
    ],
  });
}

function detail(s, { name }) {
  const key = `dataset ${name}`;
  return loaded(s.entry(key), () => s.reload(key), (told) => {
    const columns = told.columns || [];
    return [
      syncActions(s, "dataset", name, told.sync),
      told.sync && told.sync.error && h("p", { class: "error" }, told.sync.error),
      facts([["Full name", told.full_name], ["Where", told.where], ["From", told.origin], ["Copy of", told.pulled && told.pulled.table],
        ["Sent", told.sync && told.sync.version !== undefined && `version ${told.sync.version}`]]),
      h("h3", null, "Columns"),
      scrolling("Columns", grid(["name", "type", "nulls", "min", "max"], columns.map((each) => [each.name, each.type, each.nulls ?? "", each.min ?? "", each.max ?? ""]))),
      (told.sample || []).length > 0 && [h("h3", null, "Sample"), scrolling("Sample", grid(columns.map((each) => each.name), told.sample))],
      (told.versions || []).length > 0 && [h("h3", null, "Versions"), h("ol", { class: "lines" }, told.versions.map((each) =>
        h("li", { key: each.version }, h("b", null, each.version), badge(each.operation), h("span", { class: "num" }, `${count(each.row_count)} rows`), ago(each.at))))],
    ];
  });
}

const scrolling = (label, child) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, child);

// What may be done about the way of one asset to Databricks.
export function syncActions(s, kind, name, sync, isPulled = true) {
  if (!sync || !s.isConnected() || !s.can("manage_sync")) return null;
  const act = (done, action) => s.act(done, "manage_sync", { action, kind, name });
  const isOff = sync.state === "off";
  return h("div", { class: "row" },
    isOff ? button("Send to Databricks", { key: `on ${name}`, click: async () => {
      if (await ask({ title: `Send ${name} to Databricks?`, text: "It is copied there, and so is every change from now on.", action: "Send" })) act(`${name} is sent from now on`, "on");
    } })
      : button("Keep here only", { key: `off ${name}`, click: async () => {
        if (await ask({ title: `Keep ${name} here only?`, text: "Changes are not sent any more; what is on Databricks stays.", action: "Keep here only" })) act(`${name} is kept here`, "off");
      } }),
    isPulled && pullButton(s, kind, name));
}

export function pullButton(s, kind, name) {
  return button("Pull", { key: `pull ${name}`, spoken: `Pull ${name} from Databricks`, click: async () => {
    const sure = await ask({ title: `Pull ${name} from Databricks?`, text: "The copy from there replaces what is current here; earlier versions stay.", action: "Pull" });
    if (sure) s.act(`${name} was pulled`, "manage_sync", { action: "pull", kind, name });
  } });
}
