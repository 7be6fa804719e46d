// Elements, formats and small tables that all parts of the page use. The files report_1_... to report_6_... are
// concatenated in this order; each adds its functions to the one object `page`.
(function(page) {
"use strict";

const kSvg = "http://www.w3.org/2000/svg";
const kAttributes = new Set([
  "class", "id",      "title",    "role", "scope", "tabindex", "type",   "for",          "href",
  "alt",   "name",    "datetime", "dir",  "open",  "width",    "height", "autocomplete", "spellcheck",
  "value", "viewBox", "x",        "y",    "rx",    "d",        "fill",   "text-anchor"
]);

// Invisible characters could make a name look like another one (terminal escapes, forced writing direction): show them.
page.visible = function(text) {
  return String(text)
      .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
      .replace(
          /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
          (c) => "\u27e8U+" + c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u27e9");
};

// Where a page may lead: to a place of its own, or to the report of a run in a file near it, never to a scheme.
const kPlace = /^#[\w-]+$/, kReport = /^\/?(?:[\w.~%-]+\/)*report\.html$/;
page.isReport = (path) => typeof path === "string" && kReport.test(path);

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    const known = kAttributes.has(name) || name.startsWith("aria-") || name.startsWith("data-");
    if (!known || (name === "href" && !kPlace.test(value) && !kReport.test(value))) throw new Error("attribute not allowed: " + name);
    node.setAttribute(name, value === true ? "" : page.visible(value));
  }
}

function append(node, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(page.visible(child)));
  }
  return node;
}

// Text only ever becomes a text node, so that no name from a file can be markup.
page.el = function(tag, attributes, ...children) {
  const node = document.createElement(tag);
  setAttributes(node, attributes);
  return append(node, children);
};

page.svg = function(tag, attributes, ...children) {
  const node = document.createElementNS(kSvg, tag);
  setAttributes(node, attributes);
  return append(node, children);
};

const el = page.el;

// A name out of a file: isolated, so that right-to-left text does not turn its surroundings around.
page.name = (text) => el("bdi", {class: "name"}, text === null || text === undefined || text === "" ? "\u2013" : text);

page.image = function(source, alt, width, height, target) {
  if (typeof source !== "string" || !source.startsWith("data:image/png;base64,")) {
    return el("span", {class: "no-image"}, "no image");
  }
  const image = el("img", {alt});
  image.src = source;
  // Whole multiples keep every pixel a square.
  const scale = width > 0 ? Math.max(1, Math.round(target / width)) : 1;
  if (width > 0) image.width = width * scale;
  if (height > 0) image.height = height * scale;
  return image;
};

// --- Values that may be missing -----------------------------------------------------------------------------------
page.isNumber = (x) => typeof x === "number" && Number.isFinite(x);
page.list = (x) => (Array.isArray(x) ? x : []);
page.last = (x) => page.list(x).filter(page.isNumber).pop() ?? null;
page.className = (run, i) => page.list(run.classes)[i] ?? "class " + i;

const kMissing = "\u2013";
const kSpace = "\u00a0";
const grouped = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
page.count = (x) => (page.isNumber(x) ? grouped.format(x) : kMissing);
page.percent = (x, digits = 1) => (page.isNumber(x) ? (100 * x).toFixed(digits) + kSpace + "%" : kMissing);
page.fixed = (x, digits) => (page.isNumber(x) ? x.toFixed(digits).replace("-", "\u2212") : kMissing);
page.short = function(x) {
  if (!page.isNumber(x)) return kMissing;
  const size = Math.abs(x);
  if (x === 0) return "0";
  const text = size >= 1e6 || size < 1e-3 ? x.toExponential(2).replace("e+", "e").replace(/\.?0+e/, "e") :
                                            String(Number(x.toPrecision(size >= 1000 ? 4 : 3)));
  return text.replace(/^-/, "\u2212");
};
page.plural = (n, word, many) => page.count(n) + " " + (n === 1 ? word : many || word + "s");
page.shape = (shape) => page.list(shape).join(kSpace + "\u00d7" + kSpace) || kMissing;
page.duration = function(seconds) {
  if (!page.isNumber(seconds)) return kMissing;
  if (seconds < 10) return page.short(seconds) + kSpace + "s";
  const s = Math.round(seconds), h = Math.floor(s / 3600), m = Math.floor((s % 3600) / 60);
  const parts = h ? [h + kSpace + "h", m + kSpace + "min"] :
      m           ? [m + kSpace + "min", (s % 60) + kSpace + "s"] :
                    [s + kSpace + "s"];
  return parts.join(" ");
};
page.date = function(text) {
  const date = new Date(text);
  if (!text || Number.isNaN(date.getTime())) return text || kMissing;
  return new Intl.DateTimeFormat("en-GB", {dateStyle: "long", timeStyle: "short", timeZone: "UTC"}).format(date) +
      " UTC";
};

// --- What the reader has set (folded blocks, sorting) survives the reload of a running report ---------------------
const store = "report:" + location.pathname + ":";
page.recall = function(key, otherwise) {
  try {
    return JSON.parse(sessionStorage.getItem(store + key)) ?? otherwise;
  } catch {
    return otherwise;
  }
};
page.remember = function(key, value) {
  try {
    sessionStorage.setItem(store + key, JSON.stringify(value));
  } catch { /* no storage: nothing is kept */
  }
};

// --- Structure ----------------------------------------------------------------------------------------------------
page.section = function(id, title, ...children) {
  const heading = el("h2", {id: id + "-title"}, title);
  const section = el("section", {id, "aria-labelledby": id + "-title"}, heading, ...children);
  document.getElementById("main").append(section);
  document.getElementById("nav-list").append(el("li", {}, el("a", {href: "#" + id}, title)));
  return section;
};
page.note = (...children) => el("p", {class: "note"}, ...children);
page.figure = (title, ...children) => el("figure", {}, title && el("figcaption", {}, el("h3", {}, title)), ...children);
page.details = function(key, title, ...children) {
  const node = el("details", {open: page.recall("open:" + key, false)}, el("summary", {}, title), ...children);
  node.addEventListener("toggle", () => page.remember("open:" + key, node.open));
  return node;
};

// What is wider or higher than its place scrolls by itself; it takes the keyboard's focus only while it has to.
const watch = new ResizeObserver((entries) => entries.forEach((entry) => updateFocus(entry.target)));
function updateFocus(box) {
  const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
  box.classList.toggle("cut", box.scrollHeight > box.clientHeight + 2);
  if (scrolls)
    box.setAttribute("tabindex", "0");
  else
    box.removeAttribute("tabindex");
}
page.scroller = function(label, content, tall) {
  const box = el(
      "div", {class: "scroll " + (tall === true ? "tall" : tall || ""), role: "group", "aria-label": label}, content);
  watch.observe(box);
  if (content instanceof Element) watch.observe(content);
  return box;
};
page.checkScrollers = () => document.querySelectorAll(".scroll").forEach(updateFocus);

page.bar = function(share, kind) {
  const fill = el("span", {class: "bar-fill " + (kind || "")});
  fill.style.width = 100 * Math.min(1, Math.max(0, share || 0)) + "%";
  return el("span", {class: "bar", "aria-hidden": "true"}, fill);
};

// columns: { title, cell(row) -> text or node, value(row) -> what to sort by (none: not sortable), numeric, head,
// descending }
page.table = function(key, caption, columns, rows) {
  const body = el("tbody");
  const heads = columns.map((column) => el("th", {scope: "col", class: column.numeric && "number"}));
  const order = rows.map((row) => ({
                           row,
                           line: el("tr", {}, columns.map((column) => {
                             const attributes = {class: (column.numeric ? "number " : "") + (column.class || "")};
                             if (column.head) attributes.scope = "row";
                             return el(column.head ? "th" : "td", attributes, column.cell(row));
                           })),
                         }));
  let sorted = page.recall("sort:" + key, null);
  function show() {
    const list = sorted && columns[sorted.column] && columns[sorted.column].value ?
        [...order].sort(
            (a, b) => compare(columns[sorted.column].value(a.row), columns[sorted.column].value(b.row), sorted.up)) :
        order;
    body.replaceChildren(...list.map((entry) => entry.line));
    heads.forEach((head, i) => {
      if (sorted && sorted.column === i)
        head.setAttribute("aria-sort", sorted.up ? "ascending" : "descending");
      else
        head.removeAttribute("aria-sort");
    });
  }
  columns.forEach((column, i) => {
    if (!column.value) {
      heads[i].append(column.title);
      return;
    }
    const button = el("button", {type: "button", class: "sort"}, column.title);
    button.addEventListener("click", () => {
      const same = sorted && sorted.column === i;
      sorted = {column: i, up: same ? !sorted.up : !(column.numeric || column.descending)};
      page.remember("sort:" + key, sorted);
      show();
    });
    heads[i].append(button);
  });
  show();
  return el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, heads)), body);
};

// Missing values come last, whichever way the column is sorted.
function compare(a, b, up) {
  const noA = a === null || a === undefined, noB = b === null || b === undefined;
  if (noA || noB) return noA - noB;
  const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", {numeric: true});
  return up ? order : -order;
}

// --- Colours ------------------------------------------------------------------------------------------------------
const themed = [];
page.onTheme = function(draw) {
  themed.push(draw);
};
page.color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
page.applyTheme = () => themed.forEach((draw) => draw());

page.rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
page.mix = (from, to, share) => from.map((c, i) => Math.round(c + (to[i] - c) * share));
page.css = (rgb) => "rgb(" + rgb.join(", ") + ")";
// Black or white, whichever stands out more (WCAG relative luminance; one of them always reaches 4.5:1).
page.inkOn = function(rgb) {
  const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
};
})(window.page = window.page || {});
