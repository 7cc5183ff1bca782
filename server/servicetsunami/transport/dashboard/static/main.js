// Begins: within a host by its bridge, in a browser by HTTP.

import { BridgeDoor, isEmbedded } from "./bridge.js";
import { answered } from "./http.js";
import { overview } from "./overview.js";
import { datasets } from "./datasets.js";
import { notebooks } from "./notebooks.js";
import { jobs } from "./jobs.js";
import { models } from "./models.js";
import { sync } from "./sync.js";
import { usage } from "./usage.js";
import { audit } from "./audit.js";
import { Shell } from "./shell.js";

const shell = new Shell([overview, datasets, notebooks, jobs, models, sync, usage, audit], document.getElementById("app"));

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("content").focus();
});

if (isEmbedded()) {
  document.documentElement.classList.add("embedded");
  shell.enter(new BridgeDoor({ changed: dress, result: begun }), { isEmbedded: true });
} else {
  window.addEventListener("popstate", () => {
    if (shell.phase === "ready") shell.go(location.hash.slice(1), { isBack: true });
  });
  shell.resume(document.documentElement.hasAttribute("data-signs-in"));
}

function dress({ theme, styles }) {
  if (theme) shell.wear(theme);
  const font = styles && styles.variables && styles.variables["--font-sans"];
  if (font) document.documentElement.style.setProperty("--sans", font);
  shell.render();
}

// The answer of the tool that the host has shown us for.
function begun(result) {
  if (result.isError) return;
  const told = answered(result);
  if (told.period) shell.put(`usage ${told.period}`, told);
}
