// The notebooks: read, executed, and what their last runs put out.

import { h } from "./dom.js";
import { assetSection, describeNeed, listNeed, opened, syncActions } from "./assets.js";
import { bytes } from "./format.js";
import { button } from "./parts.js";
import { runNeeds, runNotebook, runTable } from "./running.js";

export const notebooks = {
  id: "notebooks",
  title: "Notebooks",
  needs: (s) => {
    const { name } = opened(s) || {};
    if (!name) return [listNeed(s, "notebook")];
    return [listNeed(s, "notebook"), describeNeed("notebook", name), ...runNeeds(s, { key: `runs of ${name}`, args: { name }, every: 15, open: s.ui.run })];
  },
  render: (s) => assetSection(s, {
    kind: "notebook", title: "Notebooks", many: ["notebook", "notebooks"], detail,
    none: ["No notebooks yet.", "save_notebook keeps one; it can then be executed here."],
    columns: [
      { title: "Language", cell: (each) => each.language || "–" },
      { title: "Cells", num: true, cell: (each) => each.cells ?? "–" },
      { title: "Size", num: true, cell: (each) => bytes(each.size_bytes) },
      { title: "Revision", num: true, cell: (each) => each.version },
    ],
    action: ({ name }) => s.can("run_notebook") && button("Execute", { key: `execute ${name}`, spoken: `Execute ${name}`, kind: "primary", click: () => {
      s.set({ open: `notebook ${name}` });
      runNotebook(s, name);
    } }),
  }),
};

function detail(s, name, told) {
  const runs = (s.value(`runs of ${name}`) || {}).runs || [];
  return [
    syncActions(s, "notebook", name, told.sync),
    runs.length > 0 && [h("h3", null, "Runs"), runTable(s, { label: `Runs of ${name}`, runs: runs.slice(0, 5), open: s.ui.run, toggle: (id) => s.set({ run: s.ui.run === id ? null : id }) })],
    told.content && [h("h3", null, "Text"), h("pre", { class: "source", tabindex: "0", role: "region", "aria-label": `Text of ${name}` }, told.content),
      told.content_cut && h("p", { class: "quiet" }, "Only the beginning is shown.")],
  ];
}
