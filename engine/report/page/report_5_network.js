// The network as a drawing and as a table, and where its time goes.
(function(page) {
"use strict";
const {el, svg, name, count, percent, fixed, isNumber, list, plural} = page;

const kBox = {
  width: 196,
  height: 58,
  gap: 26,
  rise: 42,
  lane: 14
};

function family(op) {
  if (/conv/.test(op)) return "conv";
  if (/pool/.test(op)) return "pool";
  if (/dense|linear/.test(op)) return "dense";
  if (/concat|add|mul/.test(op)) return "join";
  if (/norm/.test(op)) return "norm";
  return "other";
}

// --- Graph: folded blocks become one node -------------------------------------------------------------------------
function foldedGraph(network, open) {
  const nodes = list(network.nodes), place = new Map(), boxes = [];
  const input = {title: "image", lines: [page.shape(network.input)], family: "image", from: new Set()};
  boxes.push(input);
  place.set("", input);
  for (const node of nodes) {
    if (!node.block || open.has(node.block)) {
      const box = {
        title: node.name,
        family: family(String(node.op)),
        block: node.block,
        from: new Set(),
        lines: [node.op + (node.brief ? " \u00b7 " + node.brief : ""), sizes(node.output, node.parameters)]
      };
      boxes.push(box);
      place.set(node.name, box);
    } else {
      let box = boxes.find((one) => one.folded === node.block);
      if (!box)
        boxes.push(
            box = {title: node.block, family: "block", folded: node.block, count: 0, parameters: 0, from: new Set()});
      box.count += 1;
      box.parameters += node.parameters || 0;
      box.lines = [plural(box.count, "node"), sizes(node.output, box.parameters)];
      place.set(node.name, box);
    }
  }
  for (const node of nodes) {
    const to = place.get(node.name);
    for (const from of list(node.inputs))
      if (place.has(from) && place.get(from) !== to) to.from.add(place.get(from));
  }
  return boxes;
}
const sizes = (shape, parameters) =>
    page.shape(shape) + (parameters > 0 ? " \u00b7 " + count(parameters) + " par." : "");

// Layer: the longest way from the image. A graph of n boxes settles in n rounds; a folded block that is both before and
// after a node outside would go on for ever, hence the limit.
function layers(boxes) {
  boxes.forEach((box) => {
    box.layer = 0;
  });
  for (let round = 0, moved = true; moved && round < boxes.length; ++round) {
    moved = false;
    for (const box of boxes) {
      for (const from of box.from)
        if (box.layer <= from.layer) {
          box.layer = from.layer + 1;
          moved = true;
        }
    }
  }
  const rows = [];
  for (const box of boxes) (rows[box.layer] = rows[box.layer] || []).push(box);
  // An edge over several layers gets a lane in each, so that it passes beside the boxes and not behind them.
  const edges = [];
  for (const box of boxes) {
    box.parents = [];
    for (const from of box.from) {
      const way = [from];
      for (let k = from.layer + 1; k < box.layer; ++k) {
        const lane = {lane: true, layer: k, parents: [way.at(-1)]};
        rows[k].push(lane);
        way.push(lane);
      }
      box.parents.push(way.at(-1));
      edges.push([...way, box]);
    }
  }
  return {rows: rows.filter(Boolean), edges};
}

function arrange(rows) {
  const width = (item) => (item.lane ? kBox.lane : kBox.width);
  rows.forEach((row, level) => {
    for (const item of row) {
      // A box stays below the boxes that it follows; edges that come from further above go to it aslant.
      const near = item.parents.filter((p) => !p.lane),
            parents = (near.length ? near : item.parents).filter((p) => isNumber(p.x));
      item.wish = parents.length ? parents.reduce((total, p) => total + p.x, 0) / parents.length : 0;
    }
    // Lanes keep to the right of the boxes they share a parent with, so chains of boxes stay straight.
    row.sort((a, b) => a.wish - b.wish || Boolean(a.lane) - Boolean(b.lane));
    let end = -Infinity;
    for (const item of row) {
      item.x = Math.max(item.wish, end + width(item) / 2);
      end = item.x + width(item) / 2 + kBox.gap;
    }
    const real = row.filter((item) => !item.lane);
    const off =
        (real.length ? real : row).reduce((total, item) => total + item.x - item.wish, 0) / (real.length || row.length);
    row.forEach((item) => {
      item.x -= off;
      item.y = level * (kBox.height + kBox.rise);
    });
  });
  const items = rows.flat();
  const left = Math.min(...items.map((item) => item.x - width(item) / 2)),
        right = Math.max(...items.map((item) => item.x + width(item) / 2));
  items.forEach((item) => {
    item.x += 12 - left;
    item.y += 12;
  });
  return {width: right - left + 24, height: rows.length * (kBox.height + kBox.rise) - kBox.rise + 24};
}

// --- Drawing ------------------------------------------------------------------------------------------------------
const cut = (text, most) => (text.length > most ? text.slice(0, most - 1) + "\u2026" : text);

function boxGroup(box, toggle) {
  const x = box.x - kBox.width / 2,
        rect = (dx, kind) =>
            svg("rect", {class: kind, x: x + dx, y: box.y + dx, width: kBox.width, height: kBox.height, rx: 4});
  const write = (text, dy, kind, most) =>
      svg("text", {class: kind, x: x + 16, y: box.y + dy}, cut(page.visible(text), most));
  const group =
      svg("g", {class: "node " + box.family}, svg("title", {}, [box.title, ...list(box.lines)].join("\n")),
          box.folded ? rect(5, "behind") : null, rect(0, "face"),
          svg("rect", {class: "strip", x, y: box.y, width: 5, height: kBox.height, rx: 2}),
          write(box.title + (box.folded ? "  +" : ""), 19, "title", 24), write(box.lines[0], 35, "line", 31),
          write(box.lines[1] || "", 50, "line", 31));
  if (box.folded) {
    group.classList.add("can-open");
    group.addEventListener("click", () => toggle(box.folded));
  }
  return group;
}
function edgePath(way) {
  const first = way[0], parts = ["M" + first.x + " " + (first.y + kBox.height)];
  let x = first.x, y = first.y + kBox.height;
  for (const item of way.slice(1)) {
    const middle = (y + item.y) / 2;
    parts.push("C" + x + " " + middle + " " + item.x + " " + middle + " " + item.x + " " + item.y);
    x = item.x;
    y = item.y;
    if (item.lane) {
      y += kBox.height;
      parts.push("V" + y);
    }
  }
  parts.push("M" + (x - 4) + " " + (y - 6) + "L" + x + " " + y + "L" + (x + 4) + " " + (y - 6));
  return svg("path", {class: "edge", d: parts.join("")});
}
function blockFrames(boxes, open) {
  return [...open].map((block) => {
    const inside = boxes.filter((box) => box.block === block);
    if (!inside.length) return null;
    const left = Math.min(...inside.map((b) => b.x)) - kBox.width / 2 - 9,
          right = Math.max(...inside.map((b) => b.x)) + kBox.width / 2 + 9;
    const top = Math.min(...inside.map((b) => b.y)) - 9, bottom = Math.max(...inside.map((b) => b.y)) + kBox.height + 9;
    return svg("rect", {class: "frame", x: left, y: top, width: right - left, height: bottom - top, rx: 8});
  });
}

function draw(network, open, toggle) {
  const boxes = foldedGraph(network, open), {rows, edges} = layers(boxes), size = arrange(rows);
  const label = "Network, top to bottom: " +
      boxes.slice(0, 40).map((box) => box.title + (box.folded ? " (block of " + box.count + ")" : "")).join(", ") +
      (boxes.length > 40 ? " and " + (boxes.length - 40) + " more" : "") + ". The table below holds every node.";
  const drawing = svg("svg", {
    class: "network",
    role: "img",
    "aria-label": label,
    width: size.width,
    height: size.height,
    viewBox: "0 0 " + size.width + " " + size.height
  });
  append(drawing, blockFrames(boxes, open), edges.map(edgePath), boxes.map((box) => boxGroup(box, toggle)));
  return drawing;
}
const append = (node, ...children) => node.append(...children.flat().filter(Boolean));

function foldButtons(blocks, open, redraw) {
  const button = (text, pressed, act) => {
    const node = el("button", {type: "button", class: "quiet", "aria-expanded": pressed}, text);
    node.addEventListener("click", act);
    return node;
  };
  const all = [button("Unfold all blocks", null, () => redraw(blocks)), button("Fold all", null, () => redraw([]))];
  if (blocks.length > 30) return all;
  return [
    ...all,
    ...blocks.map(
        (block) => button(
            [open.has(block) ? "\u2212 " : "+ ", name(block)], String(open.has(block)),
            () => {
              const next = new Set(open);
              if (!next.delete(block)) next.add(block);
              redraw([...next], block);
            }))
  ];
}

page.network = function(run) {
  const network = run.network, nodes = list(network?.nodes);
  if (!nodes.length) return;
  const blocks = [...new Set(nodes.map((node) => node.block).filter(Boolean))];
  const buttons = el("div", {class: "buttons", role: "group", "aria-label": "Blocks of the drawing"}),
        place = el("div", {class: "place"});
  const redraw = (names, focus) => {
    const open = new Set(names.filter((block) => blocks.includes(block)));
    page.remember("blocks", [...open]);
    const toggle = (block) => redraw([...open, block]);
    place.replaceChildren(draw(network, open, toggle));
    const made = blocks.length ? foldButtons(blocks, open, redraw) : [];
    buttons.replaceChildren(...made);
    if (focus) made[2 + blocks.indexOf(focus)]?.focus();
    const box = place.parentNode;
    if (box) box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2;
  };
  redraw(page.recall("blocks", []));
  const flops = nodes.reduce((total, node) => total + (node.flops || 0), 0);
  page.section(
      "network", "Network",
      page.note(
          plural(network.parameters, "parameter"), " in ", plural(nodes.length, "node"),
          blocks.length ? [" and ", plural(blocks.length, "block")] : "",
          flops ? ["; ", page.short(flops / 1e6), " million operations an image"] : "",
          ". Shapes are height \u00d7 width \u00d7 channels."),
      buttons, page.scroller("Drawing of the network", place, "taller"), nodesTable(nodes));
};

function nodesTable(nodes) {
  const from = (input, i) => [i ? ", " : "", input === "" ? "image" : name(input)];
  const columns = [
    {title: "Node", head: true, cell: (n) => name(n.name)},
    {title: "Op", cell: (n) => name(n.op)},
    {title: "Attributes", cell: (n) => name(n.brief)},
    {title: "Input", cell: (n) => list(n.inputs).map(from)},
    {title: "Output", cell: (n) => page.shape(n.output)},
    {title: "Parameters", numeric: true, value: (n) => n.parameters, cell: (n) => count(n.parameters)},
    {title: "Operations", numeric: true, value: (n) => n.flops, cell: (n) => count(n.flops)},
  ];
  const table = page.table("nodes", "Nodes of the network", columns, nodes);
  return page.details("nodes", "All nodes as a table", page.scroller("Nodes of the network", table, true));
}

// --- Time by node -------------------------------------------------------------------------------------------------
page.nodeTimes = function(run) {
  const times = list(run.node_times).map((one) => ({...one, total: (one.forward_ms || 0) + (one.backward_ms || 0)}));
  const all = times.reduce((sum, one) => sum + one.total, 0);
  if (!(all > 0)) return;
  const most = Math.max(...times.map((one) => one.total));
  const bars = (one) => {
    const box = el("span", {class: "bar", "aria-hidden": "true"});
    for (const [key, kind] of [["forward_ms", "forward"], ["backward_ms", "backward"]]) {
      const part = el("span", {class: "bar-fill " + kind});
      part.style.width = 100 * (one[key] || 0) / most + "%";
      box.append(part);
    }
    return box;
  };
  const top = times.reduce((a, b) => (b.total > a.total ? b : a));
  const how = (one) => el("span", {class: "more"}, name(one.op), " \u00b7 ", name(one.implementation));
  const key = (kind) => el("li", {}, el("span", {class: "swatch " + kind}), kind);
  const columns = [
    {title: "Node", head: true, value: (one) => one.node, cell: (one) => [name(one.node), how(one)]},
    {title: "Forward", numeric: true, value: (one) => one.forward_ms, cell: (one) => fixed(one.forward_ms, 2)},
    {title: "Backward", numeric: true, value: (one) => one.backward_ms, cell: (one) => fixed(one.backward_ms, 2)},
    {title: "Share", numeric: true, value: (one) => one.total, cell: (one) => percent(one.total / all)},
    {title: el("span", {class: "unseen"}, "bar"), class: "wide", cell: bars},
  ];
  const table = page.table("times", "Time of each node, forward and backward", columns, times);
  page.section(
      "times", "Time by node",
      page.note(
          "Milliseconds of one step, forward and backward; together ", page.short(all), "\u00a0ms. Most of it: ",
          name(top.node), " (", percent(top.total / all), ")."),
      el("ul", {class: "legend"}, key("forward"), key("backward")),
      page.scroller("Time by node", table, true));
};
})(window.page = window.page || {});
