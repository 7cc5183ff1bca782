// What the lists of all kinds of assets have in common: search, pages, a row that opens, sync.

import { h } from "./dom.js";
import { ask } from "./dialogs.js";
import { count } from "./format.js";
import { ago, button, empty, loaded, opener, pager, search, section, syncBadge, table } from "./parts.js";

// The cursors that led to the page that is shown.
const pagesOf = (s, kind) => s.ui[`pages ${kind}`] || [];
const listKey = (s, kind) => `list ${kind} ${s.ui.search || ""} ${pagesOf(s, kind).at(-1) || ""}`;

export function listNeed(s, kind) {
  const args = { kind };
  if (s.ui.search) args.search = s.ui.search;
  if (pagesOf(s, kind).length) args.cursor = pagesOf(s, kind).at(-1);
  return { key: listKey(s, kind), tool: "list_assets", args, every: 30 };
}

export const describeNeed = (kind, name) => ({ key: `${kind} ${name}`, tool: "describe_asset", args: { kind, name }, every: 60 });

// A section with all assets of a kind; `detail` tells what is known of the one that is open.
export function assetSection(s, { kind, title, many, none, columns, action, detail, searched = many[1] }) {
  const key = listKey(s, kind);
  return section(title, ...(searched ? [{ side: search(`Search ${searched}`, s.ui.typed || "", (typed) => s.type(typed)) }] : []),
    loaded(s.entry(key, kind), () => s.reload(key), (answer) => [
      answer.assets.length ? rows(s, kind, { title, columns, action, detail }, answer.assets)
        : s.ui.search ? empty(`Nothing is named like “${s.ui.search}”.`) : empty(...none),
      pager({ answer, shown: answer.assets.length, pages: pagesOf(s, kind), what: many, turn: (pages) => s.set({ [`pages ${kind}`]: pages, open: null }) }),
      elsewhere(answer),
    ]));
}

function rows(s, kind, { title, columns, action, detail }, assets) {
  const keyOf = (each) => `${kind} ${each.name}`;
  const isOpen = (each) => keyOf(each) === s.ui.open;
  return table({
    label: title, rows: assets, keyOf, isOpen,
    opened: ({ name }) => loaded(s.entry(`${kind} ${name}`), () => s.reload(`${kind} ${name}`), (told) => detail(s, name, told)),
    columns: [
      { title: "Name", main: true, cell: (each) => opener(each.name, isOpen(each), () => s.set({ open: isOpen(each) ? null : keyOf(each) })) },
      { title: "Sync", cell: (each) => syncBadge(each.sync, s.isConnected()) },
      ...columns,
      { title: "Changed", cell: (each) => ago(each.updated_at) },
      ...(action ? [{ title: "", cell: action }] : []),
    ],
  });
}

// The kind and the name of what is open.
export function opened(s) {
  const [kind, ...name] = (s.ui.open || "").split(" ");
  return s.ui.open ? { kind, name: name.join(" ") } : null;
}

function elsewhere(answer) {
  const there = answer.on_databricks || [];
  if (!there.length && !answer.on_databricks_error) return null;
  return h("details", { class: "elsewhere" },
    h("summary", null, `${count(there.length)} more only on Databricks`),
    answer.on_databricks_error && h("p", { class: "error" }, answer.on_databricks_error),
    h("ul", { class: "names" }, there.map((each) => h("li", null, each.name))));
}

// What may be done about the way of one asset to Databricks.
export function syncActions(s, kind, name, sync, isPulled = true) {
  if (!sync || !s.isConnected() || !s.can("manage_sync")) return null;
  return h("div", { class: "row" },
    sync.state === "off" ? manage(s, kind, name, "on", "Send", "It is copied to Databricks, and so is every change from now on.")
      : manage(s, kind, name, "off", "Keep here only", "Changes are not sent any more; what is on Databricks stays."),
    isPulled && pullButton(s, kind, name));
}

export const pullButton = (s, kind, name) =>
  manage(s, kind, name, "pull", "Pull", "The copy on Databricks replaces what is current here; earlier versions stay.");

function manage(s, kind, name, action, label, text) {
  return button(label, { key: `${action} ${kind} ${name}`, spoken: `${label}: ${name}`, click: async () => {
    if (await ask({ title: `${label}: ${name}?`, text, action: label })) s.act(`${label}: ${name}`, "manage_sync", { action, kind, name });
  } });
}
