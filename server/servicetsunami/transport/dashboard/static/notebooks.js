// The notebooks: read, executed, and what their last runs put out.

import { h } from "./dom.js";
import { bytes } from "./format.js";
import { listKey, listNeed, nothing, searching, syncActions, toggling, turning } from "./datasets.js";
import { ago, button, loaded, opener, section, syncBadge, table } from "./parts.js";
import { oneRunNeeds, runNeeds, runNotebook, runTable } from "./running.js";

export const notebooks = {
  id: "notebooks",
  title: "Notebooks",
  needs: (s) => [
    listNeed(s, "notebook"),
    ...(s.ui.open ? [{ key: `notebook ${s.ui.open}`, tool: "describe_asset", args: { kind: "notebook", name: s.ui.open }, every: 60 },
      ...runNeeds(s, { key: `runs of ${s.ui.open}`, args: { name: s.ui.open }, every: 15, open: s.ui.run })] : []),
    ...(!s.ui.open && s.ui.run ? oneRunNeeds(s, s.ui.run) : []),
  ],
  render: (s) => section("Notebooks", { side: searching(s, "Search notebooks") },
    loaded(s.entry(listKey(s, "notebook"), "notebook"), () => s.reload(listKey(s, "notebook")), (answer) => [
      answer.assets.length ? rows(s, answer.assets) : nothing(s, "No notebooks yet.", "save_notebook keeps one; it can then be executed here."),
      turning(s, answer, ["notebook", "notebooks"]),
    ])),
};

function rows(s, assets) {
  return table({
    label: "Notebooks", rows: assets, keyOf: (each) => each.name, isOpen: (each) => each.name === s.ui.open, opened: (each) => detail(s, each),
    columns: [
      { title: "Name", main: true, cell: (each) => opener(each.name, each.name === s.ui.open, toggling(s, each.name)) },
      { title: "Sync", cell: (each) => syncBadge(each.sync, s.isConnected()) },
      { title: "Language", cell: (each) => each.language || "–" },
      { title: "Cells", num: true, cell: (each) => each.cells ?? "–" },
      { title: "Size", num: true, cell: (each) => bytes(each.size_bytes) },
      { title: "Revision", num: true, cell: (each) => each.version },
      { title: "Changed", cell: (each) => ago(each.updated_at) },
      { title: "", cell: (each) => s.can("run_notebook") && button("Execute", { key: `execute ${each.name}`, spoken: `Execute ${each.name}`, kind: "primary", click: () => {
        s.set({ open: each.name });
        runNotebook(s, each.name);
      } }) },
    ],
  });
}

function detail(s, { name }) {
  const key = `notebook ${name}`;
  const runs = (s.value(`runs of ${name}`) || {}).runs || [];
  return [
    runs.length > 0 && [h("h3", null, "Runs"), runTable(s, { label: `Runs of ${name}`, runs: runs.slice(0, 5), open: s.ui.run, toggle: (id) => s.set({ run: s.ui.run === id ? null : id }) })],
    loaded(s.entry(key), () => s.reload(key), (told) => [
      syncActions(s, "notebook", name, told.sync),
      told.content && [h("h3", null, "Text"), h("pre", { class: "source", tabindex: "0", role: "region", "aria-label": `Text of ${name}` }, told.content),
        told.content_cut && h("p", { class: "quiet" }, "Only the beginning is shown.")],
    ]),
  ];
}
