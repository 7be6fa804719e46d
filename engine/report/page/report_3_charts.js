// Line charts: metrics by epoch, of one run or of several, and the reliability diagram.
(function(page) {
"use strict";
const {el, isNumber, list, percent, fixed} = page;

// Drawn into the chart, since the best epoch belongs to the curve and not to its legend.
function bestEpochLine(epoch) {
  return {
    id: "best_epoch",
    afterDatasetsDraw(chart) {
      const x = chart.scales.x.getPixelForValue(epoch), {top, bottom, left, right} = chart.chartArea;
      if (!(epoch > 0) || x < left - 1 || x > right + 1) return;
      const context = chart.ctx;
      context.save();
      context.strokeStyle = context.fillStyle = page.color("ink-2");
      context.setLineDash([2, 3]);
      context.beginPath();
      context.moveTo(x, top);
      context.lineTo(x, bottom);
      context.stroke();
      context.font = "12px " + Chart.defaults.font.family;
      const words = "best: epoch " + epoch, width = context.measureText(words).width;
      context.textAlign = x + width + 8 > right ? "right" : "left";
      context.textBaseline = "bottom";
      context.fillText(words, x + (context.textAlign === "right" ? (x - width < left ? width / 2 : 0) : 0), top - 4);
      context.restore();
    },
  };
}

function baseOptions(xTitle, yTitle, format) {
  const ink = page.color("ink-2"), line = page.color("line");
  const axis = (title) => ({
    type: "linear",
    grid: {color: line, drawTicks: false, borderColor: line},
    title: {display: Boolean(title), text: title, color: ink},
    ticks: {color: ink, padding: 6, maxRotation: 0, autoSkipPadding: 16},
  });
  const y = axis(yTitle);
  y.ticks.callback = (value) => format(value);
  y.ticks.maxTicksLimit = 7;
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    normalized: true,
    interaction: {mode: "nearest", axis: "x", intersect: false},
    layout: {padding: {top: 20, right: 8}},
    scales: {x: axis(xTitle), y},
    plugins: {
      legend: {display: false},
      tooltip: {
        backgroundColor: page.color("paper"),
        titleColor: page.color("ink"),
        bodyColor: page.color("ink"),
        borderColor: page.color("ink-2"),
        borderWidth: 1,
        cornerRadius: 2,
        padding: 8,
        displayColors: false,
        callbacks: {label: (item) => item.dataset.label + ": " + format(item.parsed.y)},
      },
    },
  };
}

// Charts keep their colours from when they were made: a new scheme makes them anew.
page.chart = function(label, height, build) {
  const canvas = el("canvas", {role: "img", "aria-label": label});
  const box = el("div", {class: "chart"}, canvas);
  box.style.height = height + "px";
  let chart = null;
  page.onTheme(() => {
    const hidden = chart ? chart.data.datasets.map((_, i) => !chart.isDatasetVisible(i)) : [];
    if (chart) chart.destroy();
    chart = new Chart(canvas, build());
    hidden.forEach((off, i) => {
      if (off) chart.setDatasetVisibility(i, false);
    });
    if (hidden.some(Boolean)) chart.update("none");
  });
  box.toggle = (i) => {
    chart.setDatasetVisibility(i, !chart.isDatasetVisible(i));
    chart.update("none");
  };
  return box;
};

// series: { label, color (variable), dash, x, y }
function lines(series, settings) {
  const points =
      series.map((one) => list(one.y).map((y, i) => ({x: list(one.x)[i] ?? i + 1, y: isNumber(y) ? y : null})));
  const count = Math.max(...points.map((p) => p.length)), end = Math.max(...points.map((p) => p.at(-1)?.x ?? 0));
  const options = baseOptions("epoch", "", settings.format);
  Object.assign(options.scales.x, count === 1 ? {min: end - 1, max: end + 1} : {min: settings.start ?? 1, max: end});
  options.scales.x.ticks.precision = 0;
  options.scales.x.ticks.callback = (value) => (Number.isInteger(value) ? String(value) : "");
  options.plugins.tooltip.callbacks.title = (found) => "epoch " + found[0].parsed.x;
  if (settings.log) options.scales.y.type = "logarithmic";
  // One point alone says nothing about a range: then the axis begins at zero, and that of a share ends at one.
  if (settings.zero || count === 1) options.scales.y.min = 0;
  if (settings.share && count === 1) options.scales.y.max = 1;
  return {
    type: "line",
    options,
    plugins: settings.best ? [bestEpochLine(settings.best)] : [],
    data: {
      datasets: series.map((one, i) => ({
                             label: page.visible(one.label),
                             data: points[i],
                             borderColor: page.color(one.color),
                             backgroundColor: page.color(one.color),
                             borderWidth: 2,
                             borderDash: one.dash || [],
                             pointRadius: points[i].length <= 30 ? 2.5 : 0,
                             pointHoverRadius: 5,
                             pointHitRadius: 8,
                             stepped: settings.stepped || false,
                             spanGaps: false
                           }))
    },
  };
}

function legend(series, boxes) {
  return el("ul", {class: "legend"}, series.map((one, i) => {
    const mark = page.svg(
        "svg", {class: "key " + one.color, viewBox: "0 0 28 10", width: "28", height: "10", "aria-hidden": "true"},
        page.svg("path", {d: one.dash ? "M1 5H10M18 5H27" : "M1 5H27"}));
    if (!boxes) return el("li", {}, mark, page.name(one.label));
    const button = el("button", {type: "button", class: "quiet", "aria-pressed": "true"}, mark, page.name(one.label));
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") === "true" ? "false" : "true");
      boxes.forEach((box) => box.toggle(i));
    });
    return el("li", {}, button);
  }));
}

// What a curve shows, for those who do not see it.
function words(one, format, better) {
  const values = list(one.y).map((y, i) => ({y, x: list(one.x)[i] ?? i + 1})).filter((p) => isNumber(p.y));
  if (!values.length) return one.label + ": no values.";
  const best = values.reduce((a, b) => ((better === "high" ? b.y > a.y : b.y < a.y) ? b : a));
  if (values.length === 1) return one.label + ": " + format(values[0].y) + " in epoch " + values[0].x + ".";
  return one.label + ": from " + format(values[0].y) + " to " + format(values.at(-1).y) +
      (better ? ", " + (better === "high" ? "highest " : "lowest ") + format(best.y) + " in epoch " + best.x : "") +
      ".";
}

function curve(title, series, settings) {
  const best = settings.best ? " The best epoch is " + settings.best + "." : "";
  const label =
      title + " by epoch. " + series.map((one) => words(one, settings.format, settings.better)).join(" ") + best;
  const box = page.chart(label, settings.height || 260, () => lines(series, settings));
  return {
    box,
    figure:
        el("figure", {}, el("figcaption", {}, el("h3", {}, title), settings.note && page.note(settings.note)),
           settings.legend === false ? null : legend(series), box)
  };
}

const has = (y) => list(y).some(isNumber);

page.curves = function(run) {
  const m = run.metrics || {};
  if (!list(m.epoch).length) {
    page.section(
        "curves", "Curves",
        page.note(
            run.state === "running" ? "No epoch is finished yet: the curves begin with the first." :
                                      "No epoch was finished, so there are no curves."));
    return;
  }
  const pair =
      (what) => [{label: "training", color: "train", x: m.epoch, y: m["train_" + what]},
                 {label: "validation", color: "validation", dash: [6, 4], x: m.epoch, y: m["validation_" + what]}]
                    .filter((one) => has(one.y));
  const one = (key, label) => [{label, color: "train", x: m.epoch, y: m[key]}];
  const best = run.best_epoch > 0 ? run.best_epoch : null;
  const rates = list(m.learning_rate).filter((x) => x > 0);
  const constant = rates.every((x) => x === rates[0]);
  const figures = [];
  if (pair("loss").length) figures.push(curve("Loss", pair("loss"), {format: page.short, best, better: "low"}));
  if (pair("accuracy").length)
    figures.push(
        curve("Accuracy", pair("accuracy"), {format: (x) => percent(x, 0), best, better: "high", share: true}));
  if (rates.length)
    figures.push(curve("Learning rate", one("learning_rate", "learning rate"), {
      format: page.short,
      stepped: true,
      height: 160,
      legend: false,
      zero: constant,
      log: !constant && Math.max(...rates) / Math.min(...rates) > 20 && rates.length === list(m.learning_rate).length,
      note: constant ? "Constant at " + page.short(rates[0]) + "." :
                       "From " + page.short(rates[0]) + " to " + page.short(rates.at(-1)) + "."
    }));
  if (has(m.images_per_second))
    figures.push(curve(
        "Images per second", one("images_per_second", "images per second"),
        {format: page.count, height: 160, legend: false, zero: true, note: "In training, by epoch."}));
  const without = has(m.validation_loss) || has(m.validation_accuracy) ?
      "" :
      page.note("Without validation images there is no validation curve.");
  page.section("curves", "Curves", without, el("div", {class: "pairs"}, figures.map((f) => f.figure)), metricsTable(m));
};

function metricsTable(m) {
  const column = (title, key, cell) => ({title, numeric: true, cell: (i) => cell(list(m[key])[i])});
  const columns = [
    {title: "Epoch", numeric: true, head: true, cell: (i) => String(m.epoch[i])},
    column("Train loss", "train_loss", (x) => fixed(x, 4)),
    column("Train accuracy", "train_accuracy", (x) => percent(x, 2)),
    column("Validation loss", "validation_loss", (x) => fixed(x, 4)),
    column("Validation accuracy", "validation_accuracy", (x) => percent(x, 2)),
    column("Learning rate", "learning_rate", page.short), column("Time", "seconds", page.duration),
    column("Images/s", "images_per_second", page.count)
  ];
  const table = page.table("metrics", "Metrics by epoch", columns, m.epoch.map((_, i) => i));
  return page.details("metrics", "The same numbers as a table", page.scroller("Metrics by epoch", table, true));
}

page.comparisonCurves = function(runs) {
  const color = (i) => "run-" + (i % 6);
  const dash = (i) => [null, [7, 4], [2, 3]][Math.floor(i / 6) % 3];
  const series = (key) => runs.map((run, i) => ({
                                     label: run.name || "unnamed run",
                                     color: color(i),
                                     dash: dash(i),
                                     x: list(run.metrics?.epoch),
                                     y: list(run.metrics?.[key])
                                   }));
  const kinds = [
    ["Validation loss", "validation_loss", page.short, "low"],
    ["Validation accuracy", "validation_accuracy", (x) => percent(x, 0), "high"],
    ["Training loss", "train_loss", page.short, "low"],
    ["Training accuracy", "train_accuracy", (x) => percent(x, 0), "high"]
  ];
  const shown = kinds.filter(([, key]) => runs.some((run) => has(run.metrics?.[key])))
                    .map(
                        ([title, key, format, better]) => curve(
                            title, series(key), {format, better, legend: false, share: key.endsWith("accuracy")}));
  if (!shown.length) {
    page.section("curves", "Curves", page.note("No run has finished an epoch yet."));
    return;
  }
  page.section(
      "curves", "Curves", page.note("A name shows or hides its run."),
      legend(series("train_loss"), shown.map((f) => f.box)), el("div", {class: "pairs"}, shown.map((f) => f.figure)));
};

// --- Reliability --------------------------------------------------------------------------------------------------
page.reliability = function(run) {
  const sure = page.confidence(run);
  if (!sure) return;
  const bins =
      list(run.calibration.bins).filter((bin) => bin.count > 0 && isNumber(bin.confidence) && isNumber(bin.accuracy));
  const sentence = page.calibrationWords(sure);
  const label = "Reliability diagram: accuracy against confidence. " + sentence + " " +
      bins.map((bin) => percent(bin.confidence, 0) + " sure: " + percent(bin.accuracy, 0) + " right").join(", ") + ".";
  const box = page.chart(label, 360, () => reliabilityChart(bins));
  const table = page.table("bins", "Calibration by confidence", [
      { title: "Confidence", head: true, cell: (bin) => percent(bin.low, 0) + " to " + percent(bin.high, 0) },
      { title: "Images", numeric: true, cell: (bin) => page.count(bin.count) },
      { title: "Mean confidence", numeric: true, cell: (bin) => percent(bin.confidence) },
      { title: "Accuracy", numeric: true, cell: (bin) => percent(bin.accuracy) },
      { title: "Difference", numeric: true, cell: (bin) => isNumber(bin.accuracy) && isNumber(bin.confidence)
        ? fixed(100 * (bin.accuracy - bin.confidence), 1) : "\u2013" }], list(run.calibration.bins));
  page.section(
      "reliability", "Reliability", el("p", {}, sentence),
      page.note(
          "How often the network is right when it is so sure. On the " +
          "dashed line confidence equals accuracy; below it the network is too sure. Larger circles hold more images."),
      el("div", {class: "side"}, el("figure", {class: "square"}, box),
         page.scroller("Calibration by confidence", table)));
};

function reliabilityChart(bins) {
  const options = baseOptions("confidence", "accuracy", (x) => percent(x, 0));
  Object.assign(options.scales.x, {min: 0, max: 1});
  Object.assign(options.scales.y, {min: 0, max: 1});
  options.scales.x.ticks.callback = (x) => percent(x, 0);
  options.interaction = {mode: "nearest", intersect: true};
  options.plugins.tooltip.filter = (item) => item.datasetIndex === 0;
  options.plugins.tooltip.callbacks = {
    title: () => "",
    label: (item) => percent(item.parsed.x) + " sure, " + percent(item.parsed.y) + " right, " +
        page.plural(bins[item.dataIndex].count, "image")
  };
  const most = Math.max(...bins.map((bin) => bin.count));
  return {
    type: "line",
    options,
    data: {
      datasets: [
        {
          label: "network",
          data: bins.map((bin) => ({x: bin.confidence, y: bin.accuracy})),
          borderColor: page.color("train"),
          backgroundColor: page.color("train"),
          borderWidth: 2,
          pointRadius: bins.map((bin) => 3 + 9 * Math.sqrt(bin.count / most)),
          clip: false
        },
        {
          label: "perfect",
          data: [{x: 0, y: 0}, {x: 1, y: 1}],
          borderColor: page.color("ink-2"),
          borderWidth: 1,
          borderDash: [5, 5],
          pointRadius: 0,
          pointHitRadius: 0
        }
      ]
    }
  };
}
})(window.page = window.page || {});
