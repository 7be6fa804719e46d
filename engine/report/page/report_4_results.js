// What the test says: confusion matrix, classes, mistakes, predictions; and the images themselves.
(function(page) {
"use strict";
const {el, name, count, percent, fixed, list, plural} = page;

const kNumbersUpTo = 25;  // more classes: cells too small for numbers

const share = (n, total) => (total > 0 ? n / total : null);
const sum = (values) => list(values).reduce((total, n) => total + (n || 0), 0);

// --- Confusion matrix ---------------------------------------------------------------------------------------------
function matrixCell(run, totals, label, prediction) {
  const n = run.confusion[label][prediction] || 0;
  const words = page.className(run, label) + " taken for " + page.className(run, prediction) + ": ";
  const right = page.className(run, label) + " recognised: ";
  const title = (label === prediction ? right : words) + count(n) + " of " + count(totals[label]) + " (" +
      percent(share(n, totals[label])) + ")";
  return {n, share: share(n, totals[label]) || 0, right: label === prediction, node: el("td", {title})};
}

function paint(cells) {
  const paper = page.rgb(page.color("paper")), right = page.rgb(page.color("right-fill")),
        wrong = page.rgb(page.color("wrong-fill"));
  for (const cell of cells) {
    // The root makes rare mistakes visible beside a diagonal that holds nearly everything.
    const color = cell.n === 0 ?
        paper :
        page.mix(paper, cell.right ? right : wrong, 0.06 + 0.94 * (cell.right ? cell.share : Math.sqrt(cell.share)));
    cell.node.style.backgroundColor = page.css(color);
    cell.node.style.color = cell.n === 0 ? page.color("ink-2") : page.inkOn(color);
  }
}

function modeSwitch(show) {
  const choice = (value, text, checked) => {
    const input = el("input", {type: "radio", name: "confusion-mode", id: "confusion-" + value});
    input.checked = checked;
    input.addEventListener("change", () => {
      page.remember("confusion", value);
      show(value);
    });
    return el("span", {class: "choice"}, input, el("label", { for: "confusion-" + value
              }, text));
  };
  const mode = page.recall("confusion", "counts");
  show(mode);
  return el(
      "fieldset", {class: "switch"}, el("legend", {}, "Cells show"), choice("counts", "images", mode === "counts"),
      choice("shares", "per cent of the label", mode !== "counts"));
}

page.confusionMatrix = function(run) {
  const matrix = list(run.confusion);
  if (!matrix.length) {
    page.section(
        "confusion", "Confusion matrix",
        page.note(
            "Not tested: " +
            (run.state === "running" ? "the run is still training." : "the run ended before its test.")));
    return;
  }
  const totals = matrix.map(sum), small = matrix.length > kNumbersUpTo;
  const cells =
      matrix.map((row, label) => list(row).map((_, prediction) => matrixCell(run, totals, label, prediction)));
  const head = (i, scope) =>
      el("th", {scope, title: page.className(run, i)}, el("span", {}, name(page.className(run, i))));
  const table =
      el("table", {class: "matrix" + (small ? " small" : "")},
         el("caption", {}, "Test images by label (rows) and prediction (columns)"),
         el("thead", {},
            el("tr", {}, el("td", {class: "corner"}, small ? "" : ["prediction \u2192", el("br"), "label \u2193"]),
               matrix.map((_, i) => head(i, "col")))),
         el("tbody", {}, cells.map((row, i) => el("tr", {}, head(i, "row"), row.map((cell) => cell.node)))));
  const flat = cells.flat();
  page.onTheme(() => paint(flat));
  const show = (mode) => {
    if (small) return;
    for (const cell of flat) {
      const value = 100 * cell.share;
      cell.node.textContent = mode === "counts" ? count(cell.n) :
          cell.n === 0                          ? "0" :
                                                  fixed(value, value < 9.95 ? 1 : 0);
    }
  };
  const right = sum(flat.filter((cell) => cell.right).map((cell) => cell.n));
  page.section(
      "confusion", "Confusion matrix",
      page.note(
          plural(right, "image"), " of ", count(sum(totals)),
          " are on the diagonal (right, blue); all others are mistakes (orange). Rows are labels."),
      small ? page.note(
                  "With " + matrix.length +
                  " classes the cells have no room for numbers: point at one to read it, or see the list below.") :
              modeSwitch(show),
      el("div", {class: small ? null : "beside"}, page.scroller("Confusion matrix", table, true), confusionList(run)));
};

function confusionList(run) {
  const pairs = page.confusions(run).slice(0, 10);
  if (!pairs.length) return page.note("No image was taken for another class.");
  return el(
      "div", {class: "confusions"}, el("h3", {}, "Most frequent confusions"),
      page.scroller(
          "Most frequent confusions",
          page.table(
              "pairs", "Label, prediction and how often",
              [
                {title: "Label", head: true, cell: (p) => name(page.className(run, p.label))},
                {title: "Taken for", cell: (p) => name(page.className(run, p.prediction))},
                {title: "Images", numeric: true, cell: (p) => count(p.count)},
                {title: "Of the label", numeric: true, cell: (p) => percent(p.share)}
              ],
              pairs)));
}
// A header cell must not be empty; the bars repeat the number beside them.
const titled = (column) => ({...column, title: column.title || el("span", {class: "unseen"}, "bar")});

// --- Classes ------------------------------------------------------------------------------------------------------
page.perClass = function(run) {
  const rows = list(run.per_class);
  if (!rows.length) return;
  const figure = (title, key) => ({title, numeric: true, value: (row) => row[key], cell: (row) => fixed(row[key], 3)});
  const table = page.table(
      "classes", "Test figures by class",
      [
        {title: "Class", head: true, value: (row) => row.class, cell: (row) => name(row.class)},
        figure("Precision", "precision"), figure("Recall", "recall"), figure("F1", "f1"),
        {title: "", class: "wide", cell: (row) => page.bar(row.f1)},
        {title: "Support", numeric: true, value: (row) => row.support, cell: (row) => count(row.support)}
      ].map(titled),
      rows);
  page.section(
      "classes", "Figures by class",
      page.note(
          "Precision: how many of the images called so are so. Recall: how many of the class were " +
          "found. F1: the harmonic mean of both (the bar). Support: test images of the class. A header sorts."),
      page.scroller("Figures by class", table, true));
};

page.classCounts = function(run) {
  const splits = list(run.counts).filter((entry) => sum(entry.counts) > 0);
  if (!splits.length) return;
  const most = splits.map((entry) => Math.max(...entry.counts.map((n) => n || 0)));
  const rows = Math.max(list(run.classes).length, ...splits.map((entry) => entry.counts.length));
  const titles = {train: "Training", validation: "Validation", test: "Test"};
  const bars = (entry, k) => ({
    title: titles[entry.split] || name(entry.split),
    class: "bars",
    value: (i) => entry.counts[i] ?? null,
    descending: true,
    cell: (i) => [el("span", {}, count(entry.counts[i])), page.bar(entry.counts[i] / most[k])],
  });
  const columns = [{title: "Class", head: true, cell: (i) => name(page.className(run, i))}, ...splits.map(bars)];
  const table =
      page.table("counts", "Images of each class in each split", columns, Array.from({length: rows}, (_, i) => i));
  const same = splits.every((entry) => entry.counts.every((n) => n === entry.counts[0]));
  page.section(
      "counts", "Class counts",
      page.note(
          splits.map((entry) => count(sum(entry.counts)) + " " + (titles[entry.split] || entry.split).toLowerCase())
              .join(", "),
          " images. ",
          same ? "All classes are equally frequent." : "Bars are relative to the most frequent class of the split."),
      page.scroller("Class counts", table, true));
};

// --- Images -------------------------------------------------------------------------------------------------------
function prediction(run, one) {
  const right = one.label === one.prediction;
  const label = page.className(run, one.label), said = page.className(run, one.prediction);
  const alt = "Test image " + count(one.sample) + " of class " + label;
  return el(
      "figure", {class: "sample " + (right ? "right" : "wrong")}, page.image(one.image, alt, one.width, one.height, 96),
      el("figcaption", {}, el("span", {class: "verdict"}, right ? "\u2713 right" : "\u2715 wrong"),
         el("span", {class: "said", title: said}, name(said)),
         el("span", {class: "label", title: label}, "label: ", name(label)),
         el("span", {class: "sure"}, percent(one.confidence, 0), " sure")));
}
page.mistakes = function(run) {
  if (!list(run.mistakes).length) {
    if (run.test && run.test.samples > 0 && !page.confusions(run).length) {
      page.section(
          "mistakes", "Most confident mistakes", page.note("There are none: every test image was recognised."));
    }
    return;
  }
  page.section(
      "mistakes", "Most confident mistakes",
      page.note(
          "Test images on which the network was wrong and most sure of it. Large letters: " +
          "what it said. Look here first: such images are often ambiguous, or their label is wrong."),
      el("div", {class: "samples"}, run.mistakes.map((one) => prediction(run, one))));
};
page.predictions = function(run) {
  const all = list(run.predictions);
  if (!all.length) return;
  const right = all.filter((one) => one.label === one.prediction).length;
  page.section(
      "predictions", "Predictions",
      page.note(
          "The first ", plural(all.length, "test image"), ", in the order of the test set: ", count(right), " right, ",
          count(all.length - right), " wrong."),
      el("div", {class: "samples"}, all.map((one) => prediction(run, one))));
};

page.stages = function(run) {
  const stages = list(run.stages);
  if (!stages.length) return;
  const row = (stage, k) => {
    const [height, width] = list(stage.shape);
    return el(
        "li", {class: "stage"},
        el("div", {class: "about"}, el("h3", {}, k + 1 + ". ", name(stage.name)),
           el("p", {}, stage.op && stage.op !== stage.name ? [el("code", {}, name(stage.op)), " "] : "",
              name(stage.brief || "")),
           el("p", {class: "figures"}, page.shape(stage.shape), el("br"), "range ", page.short(stage.low), " to ",
              page.short(stage.high), el("br"), "mean ", page.short(stage.mean), ", deviation ",
              page.short(stage.deviation))),
        el("div", {class: "strip"},
           list(stage.images)
               .map(
                   (source, i) =>
                       page.image(source, "sample " + (i + 1) + " after " + stage.name, width, height, 64))));
  };
  page.section(
      "stages", "Preprocessing",
      page.note(
          "The same images after each stage, in the order in which the stages run, and what the values are then."),
      el("ol", {class: "stages"}, stages.map(row)));
};
})(window.page = window.page || {});
