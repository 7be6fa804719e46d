// The experiment and how to run it again, the comparison of runs, and the order of the page.
(function(page) {
"use strict";
const {el, name, count, percent, fixed, isNumber, list, plural} = page;

// --- Experiment, environment, command -----------------------------------------------------------------------------
page.experiment = function(run) {
  const config = list(run.config);
  if (!config.length) return;
  const table = page.table(
      "config", "Every key of the resolved experiment",
      [
        {title: "Key", head: true, class: "key", cell: (entry) => el("code", {}, name(entry.key))},
        {title: "Value", class: "value", cell: (entry) => el("code", {}, name(entry.value))},
        {title: "From", class: "origin", cell: (entry) => name(entry.origin)}
      ],
      config);
  const lines = [...table.tBodies[0].rows];
  const input = el("input", {
    type: "search",
    id: "config-filter",
    autocomplete: "off",
    spellcheck: "false",
    value: page.recall("filter", "")
  });
  const found = el("output", { for: "config-filter", "aria-live": "polite"
  });
  const filter = () => {
    const wanted = input.value.trim().toLowerCase();
    lines.forEach((line) => {
      line.hidden = wanted !== "" && !line.textContent.toLowerCase().includes(wanted);
    });
    found.textContent = count(lines.filter((line) => !line.hidden).length) + " of " + plural(lines.length, "key");
    page.remember("filter", input.value);
  };
  input.addEventListener("input", filter);
  filter();
  page.section(
      "experiment", "Experiment",
      page.note(
          "Every key with its value and where it came from: a file with line and column, " +
          "the command line, or the engine's default."),
      el("p", {class: "filter"}, el("label", { for: "config-filter"
         }, "Filter"), input, found), page.scroller("Experiment", table, true));
};

page.environment = function(run) {
  const entries = Object.entries(run.environment || {});
  if (!entries.length) return;
  const text = (value) => {
    if (value === null) return "\u2013";
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  };
  const columns = [
    {title: "Name", head: true, cell: ([key]) => name(key.replaceAll("_", " "))},
    {title: "Value", class: "value", cell: ([, value]) => name(text(value))},
  ];
  const table = page.table("environment", "What the run was computed with", columns, entries);
  page.section("environment", "Environment", page.scroller("Environment", table));
};

page.reproduce = function(run) {
  if (!run.command) return;
  const button = el("button", {type: "button", class: "quiet"}, "Copy");
  const said = el("span", {class: "said", role: "status"});
  button.addEventListener("click", async () => {
    // Without permission, or from some file managers, there is no clipboard: the command can still be selected.
    try {
      await navigator.clipboard.writeText(run.command);
      said.textContent = "copied";
    } catch {
      said.textContent = "select it with the mouse";
    }
  });
  page.section(
      "again", "How to run it again",
      page.note(
          "With the same engine, images, seed", isNumber(run.seed) ? " (" + run.seed + ")" : "",
          ", threads and device the result has the same bits."),
      page.scroller("Command", el("pre", {class: "command"}, el("code", {}, name(run.command)))),
      el("p", {}, button, " ", said));
};

// --- Comparison ---------------------------------------------------------------------------------------------------
function comparisonShort(runs) {
  const tested = runs.filter((run) => isNumber(run.test?.accuracy)).sort((a, b) => b.test.accuracy - a.test.accuracy);
  const [best, next] = tested;
  const states = [...new Set(runs.map((run) => run.state))]
                     .map((state) => count(runs.filter((run) => run.state === state).length) + " " + state)
                     .join(", ");
  const good = best ?
      [
        "Best: ", el("strong", {}, name(best.name), " with ", percent(best.test.accuracy)),
        " test accuracy (95\u00a0% interval ", percent(best.test.low), " to ", percent(best.test.high), ")",
        next ? [", then ", name(next.name), " with ", percent(next.test.accuracy)] : "", "."
      ] :
      "No run has been tested yet.";
  const apart = next && isNumber(best.test.low) && isNumber(next.test.high) ? best.test.low > next.test.high : null;
  const trust = apart === null ?
      "There are not two tested runs to compare." :
      (apart ? "The intervals of the two best do not overlap: the difference is more than the choice of test images. " :
               "The intervals of the two best overlap: the test images alone could explain the difference. ") +
          "How much another seed changes is in neither.";
  return page.section("short", "In short", page.shortItems([
    [
      "short-what", "What is compared",
      [plural(runs.length, "run"), ": ", runs.map((run, i) => [i ? ", " : "", name(run.name)]), " (", states, ")."]
    ],
    ["short-good", "Which is best", good], ["short-trust", "Can it be trusted", trust]
  ]));
}

function intervals(runs) {
  const ends = runs.flatMap((run) => [run.test?.low, run.test?.high, run.test?.accuracy]).filter(isNumber);
  const low = Math.min(...ends), size = Math.max(...ends) - low || 1;
  return (run) => {
    if (!isNumber(run.test?.low) || !isNumber(run.test?.high)) return "";
    const box = el("span", {class: "scale", "aria-hidden": "true"}), mark = el("span", {class: "interval"});
    mark.style.left = 100 * (run.test.low - low) / size + "%";
    mark.style.width = "max(3px, " + 100 * (run.test.high - run.test.low) / size + "%)";
    box.append(mark);
    return box;
  };
}

function results(runs) {
  const bar = intervals(runs);
  const number = (title, value, format) => ({title, numeric: true, value, cell: (run) => format(value(run))});
  const range = (test) => (isNumber(test?.low) ? percent(test.low) + " to " + percent(test.high) : "\u2013");
  const reason = (run) => (run.reason && run.state !== "finished" ? el("span", {class: "more"}, name(run.reason)) : "");
  const epochs = (run) => count(run.epochs_done) + " of " + count(run.epochs);
  const columns = [
    {
      title: "Run",
      head: true,
      value: (run) => run.name,
      cell: (run) => (page.isReport(run.report) ? el("a", {href: run.report}, name(run.name)) : name(run.name))
    },
    number("Test accuracy", (run) => run.test?.accuracy ?? null, (x) => percent(x, 2)),
    {title: "95\u00a0% interval", class: "wide", cell: (run) => [range(run.test), bar(run)]},
    number("Test loss", (run) => run.test?.loss ?? null, (x) => fixed(x, 3)),
    {title: "Epochs", numeric: true, value: (run) => run.epochs_done, cell: epochs},
    number("Best epoch", (run) => run.best_epoch || null, count),
    number("Time", (run) => run.seconds, page.duration),
    number("Images/s", (run) => run.images_per_second, count),
    {title: "State", value: (run) => run.state, cell: (run) => [page.badge(run.state), reason(run)]},
  ];
  const table = page.table("results", "Results of the runs", columns, runs);
  page.section(
      "results", "Results", page.note("The bars place the intervals on one scale. A header sorts; a name leads to the run's own report."),
      page.scroller("Results", table));
}

function differences(runs) {
  const maps = runs.map((run) => new Map(list(run.config).map((entry) => [entry.key, entry.value])));
  const keys = [...new Set(maps.flatMap((map) => [...map.keys()]))].filter(
      (key) => key !== "name" && key !== "description" && new Set(maps.map((map) => map.get(key))).size > 1);
  if (!keys.length) {
    page.section("differences", "Differences", page.note("The runs have the same configuration in every key."));
    return;
  }
  const table = page.table(
      "differences", "Keys that differ between the runs",
      [
        {title: "Key", head: true, class: "key", cell: (key) => el("code", {}, name(key))},
        ...runs.map((run, i) => ({
                      title: name(run.name),
                      class: "value",
                      cell: (key) => (maps[i].has(key) ? el("code", {}, name(maps[i].get(key))) : "\u2013")
                    }))
      ],
      keys);
  page.section(
      "differences", "Differences",
      page.note(plural(keys.length, "key"), " of the configuration differ; all others are equal."),
      page.scroller("Differences", table, true));
}

function comparison(data) {
  const runs = list(data.runs);
  document.getElementById("head").replaceChildren(
      el("p", {class: "kicker"}, "Training report"), el("h1", {}, "Comparison of " + plural(runs.length, "run")),
      el("p", {class: "status"},
         el("span", {}, "updated ", el("time", {datetime: data.updated || null}, page.date(data.updated))),
         runs.some((run) => run.state === "running") ? page.reloader() : null));
  comparisonShort(runs);
  results(runs);
  page.comparisonCurves(runs);
  differences(runs);
}

function report(run) {
  page.header(run);
  page.cards(run);
  for (const part
           of [page.inShort, page.curves, page.confusionMatrix, page.perClass, page.reliability, page.mistakes,
               page.predictions, page.stages, page.classCounts, page.network, page.nodeTimes, page.experiment,
               page.environment, page.reproduce])
    part(run);
}

// --- Start --------------------------------------------------------------------------------------------------------
function contents() {
  const wide = matchMedia("(min-width: 1200px)");
  const box = el("details", {}, el("summary", {}, "Contents"), el("ul", {id: "nav-list"}));
  const fit = () => {
    box.open = wide.matches;
  };
  wide.addEventListener("change", fit);
  fit();
  document.getElementById("nav").replaceChildren(box);
}

function followScheme() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", page.applyTheme);
  // Paper is white, whatever the screen shows. Charts are pictures and must be drawn again for it.
  const print = (on) => {
    if (on)
      document.documentElement.dataset.scheme = "light";
    else
      delete document.documentElement.dataset.scheme;
    page.applyTheme();
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
}

function start() {
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 12;
  const data = JSON.parse(document.getElementById("data").textContent);
  contents();
  document.getElementById("main").replaceChildren();
  if (data.kind === "comparison")
    comparison(data);
  else
    report(data);
  document.getElementById("foot").replaceChildren(
      el("p", {}, "This file is complete in itself: it loads nothing and sends nothing."));
  page.applyTheme();
  followScheme();
  page.checkScrollers();
  page.restoreScroll();
  window.reportReady = true;
}
start();
})(window.page = window.page || {});
