// What page_test.py asks of a page, as one function that returns a list of complaints.
(() => {
  const complaints = [];
  const say = (text, node) => complaints.push(node ? text + ": " + path(node) : text);
  const all = (selector) => [...document.querySelectorAll(selector)];

  function path(node) {
    const element = node.nodeType === 1 ? node : node.parentElement;
    const words = (element.textContent || "").trim().slice(0, 40);
    return element.tagName.toLowerCase() + (element.id ? "#" + element.id : "") +
        (element.getAttribute("class") ? "." + element.getAttribute("class") : "") +
        (words ? " \"" + words + "\"" : "");
  }
  function accessibleName(element) {
    const by = element.getAttribute("aria-labelledby");
    if (by) return by.split(/\s+/).map((id) => document.getElementById(id)?.textContent || "").join(" ").trim();
    const label = element.id && document.querySelector("label[for=\"" + CSS.escape(element.id) + "\"]");
    return (element.getAttribute("aria-label") || (label && label.textContent) || element.textContent ||
            element.getAttribute("title") || "")
        .trim();
  }

  function structure() {
    if (!document.documentElement.lang) say("no lang");
    if (!document.title.trim()) say("no title");
    if (all("main").length !== 1) say("not one main landmark");
    if (all("h1").length !== 1) say("not one h1");
    let level = 0;
    for (const heading of all("h1, h2, h3, h4, h5, h6")) {
      const own = Number(heading.tagName[1]);
      if (own > level + 1) say("heading order jumps", heading);
      if (!heading.textContent.trim()) say("empty heading", heading);
      level = own;
    }
    const ids = new Set();
    for (const element of all("[id]")) {
      if (ids.has(element.id)) say("duplicate id", element);
      ids.add(element.id);
    }
    for (const element of all("[aria-labelledby], [for]")) {
      for (const id of (element.getAttribute("aria-labelledby") || element.getAttribute("for")).split(/\s+/))
        if (!ids.has(id)) say("refers to no id", element);
    }
    for (const link of all("a")) {
      const place = link.getAttribute("href") || "";
      // The report of a run that is compared, the log of a point that failed.
      if (/^([\w.~%-]+\/)+(report\.html|[\w.~%-]+\.log)$/.test(place)) continue;
      if (!/^#/.test(place) || !document.querySelector(place)) say("link to nowhere", link);
    }
    if (all("[style]").some((element) => element.closest("noscript"))) say("style attribute in markup");
    for (const element of all("*"))
      for (const one of element.attributes)
        if (/^on/i.test(one.name)) say("inline handler", element);
  }

  function alternatives() {
    for (const image of all("img")) {
      if (!(image.getAttribute("alt") || "").trim())
        say("no text alternative", image);
      else if (!image.src.startsWith("data:image/png;base64,"))
        say("image from elsewhere", image);
      else if (image.naturalWidth === 0)
        say("image that does not load", image);
    }
    for (const drawing of all("canvas, svg")) {
      if (drawing.closest("[aria-hidden=true]")) continue;
      if (drawing.getAttribute("role") !== "img" || !(drawing.getAttribute("aria-label") || "").trim())
        say("no text alternative", drawing);
    }
    for (const control of all("button, input, select, textarea, summary, [role=button]"))
      if (!accessibleName(control)) say("no accessible name", control);
    for (const box of all(".scroll")) {
      if (box.offsetParent && (box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1) &&
          box.tabIndex < 0) {
        say("scrolls without the keyboard", box);
      }
    }
  }

  // --- Contrast -----------------------------------------------------------------------------------------------------
  const parse = (color) => {
    const found = /^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/.exec(color);
    return found ?
        [Number(found[1]), Number(found[2]), Number(found[3]), found[4] === undefined ? 1 : Number(found[4])] :
        null;
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  function background(element) {
    const group = element.closest("svg g");
    const face = group && [...group.querySelectorAll("rect")].find((rect) => rect.classList.contains("face"));
    const layers = face ? [parse(getComputedStyle(face).fill)] : [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at), color = parse(style.backgroundColor);
      if (style.backgroundImage !== "none") say("background image: contrast unknown", element);
      if (color && color[3] > 0) layers.push(color);
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  }
  function visible(element, text) {
    const range = document.createRange();
    range.selectNodeContents(text);
    const shown = [...range.getClientRects()].some((box) => box.width > 1 && box.height > 1);
    const clipped = element.closest(".unseen, caption, noscript, script, style, title");
    return shown && !clipped && element.checkVisibility({visibilityProperty: true});
  }
  function contrast() {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), seen = new Set();
    for (let text = walker.nextNode(); text; text = walker.nextNode()) {
      const element = text.parentElement;
      if (!text.data.trim() || !visible(element, text)) continue;
      const style = getComputedStyle(element),
            color = parse(element.namespaceURI.endsWith("svg") ? style.fill : style.color);
      if (!color) {
        say("colour not understood (" + style.color + ")", element);
        continue;
      }
      for (let at = element; at; at = at.parentElement) color[3] *= Number(getComputedStyle(at).opacity);
      const under = background(element), a = light(over(color, under)), b = light(under);
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const key = path(element).replace(/".*/, "") + color + under;
      if (ratio < 4.5 && !seen.has(key)) {
        seen.add(key);
        say("contrast " + ratio.toFixed(2), element);
      }
    }
  }

  function layout() {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return;
    say("page overflow: " + root.scrollWidth + " > " + root.clientWidth);
    const wide =
        all("body *").filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest(".scroll"));
    wide.slice(0, 3).forEach((element) => say("too wide", element));
  }

  structure();
  alternatives();
  contrast();
  layout();
  if (window.pwned) say("a payload ran");
  for (const violation of window.policyViolations || []) say("policy violation: " + violation);
  return complaints;
})()
