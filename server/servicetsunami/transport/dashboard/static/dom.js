// Builds what is shown, and changes what is there into it. Text only ever becomes text: there is
// no way from a name or an output into markup.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "path", "circle", "rect", "line"]);

// An element: h("td", {class: "num", key: "a", on: {click}}, "text", child, null).
export function h(tag, props, ...children) {
  const element = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") element.on = value;
    else if (name === "key") element.key = value;
    else if (name === "own") element.own = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  const known = children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false);
  return known.map((each) => (each instanceof Node ? each : document.createTextNode(String(each))));
}

// Make `old` look like `fresh` in place, so that focus, selection and scrolling stay.
export function patch(old, fresh) {
  if (old.nodeName !== fresh.nodeName || old.key !== fresh.key) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  old.on = fresh.on;
  if (fresh.own) {
    // What draws itself is told what to draw, and left alone.
    fresh.own(old);
    return;
  }
  patchChildren(old, fresh);
}

function patchChildren(old, fresh) {
  const next = [...fresh.childNodes];
  const wanted = new Set(next.map((each) => each.key).filter((key) => key !== undefined));
  const keyed = new Map([...old.childNodes].map((each) => [each.key, each]));
  let here = old.firstChild;
  for (const node of next) {
    while (here && here.key !== undefined && !wanted.has(here.key)) here = removed(here);
    const same = node.key !== undefined ? keyed.get(node.key) : here && here.key === undefined ? here : null;
    if (!same) {
      old.insertBefore(node, here);
      begin(node);
      continue;
    }
    if (same === here) here = here.nextSibling;
    else old.insertBefore(same, here);
    patch(same, node);
  }
  while (here) here = removed(here);
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// Have what draws itself begin, once it is in the page.
export function begin(node) {
  if (node.own) node.own(node);
  for (const child of node.children || []) begin(child);
}

// Listen once for everything below `root`: the nearest element that cares is asked.
export function listen(root) {
  for (const type of ["click", "input", "change", "submit", "keydown"]) {
    root.addEventListener(type, (event) => {
      for (let at = event.target; at && at !== root; at = at.parentNode) {
        if (at.on && at.on[type]) {
          if (type === "submit") event.preventDefault();
          at.on[type](event);
          return;
        }
      }
    });
  }
}
