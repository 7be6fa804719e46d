// The header, the key figures and what the run means, in sentences.
(function(page) {
"use strict";
const {el, name, count, percent, fixed, isNumber, list, plural} = page;

const kStates = {
  running: "running",
  finished: "finished",
  stopped: "stopped",
  failed: "failed"
};
const kMarks = {
  running: "\u25b6",
  finished: "\u2713",
  stopped: "\u275a\u275a",
  failed: "\u2715"
};

page.badge = function(state) {
  const known = kStates[state] ? state : "unknown";
  return el(
      "span", {class: "badge " + known}, el("span", {"aria-hidden": "true"}, (kMarks[known] || "?") + " "),
      kStates[state] || state || "unknown");
};

page.header = function(run) {
  const head = document.getElementById("head");
  const failed = run.state === "failed" && isNumber(run.exit_code) ? " (exit code " + run.exit_code + ")" : "";
  const reason = run.reason || failed ? el("p", {class: "reason"}, name(run.reason || "It ended early"), failed) : null;
  head.replaceChildren(
      el("p", {class: "kicker"}, "Training report"), el("h1", {}, name(run.name || "unnamed run")),
      run.description ? el("p", {class: "lead"}, name(run.description)) : "",
      el("p", {class: "status"}, page.badge(run.state), " ",
         el("span", {}, "updated ", el("time", {datetime: run.updated || null}, page.date(run.updated))),
         run.folder ? el("span", {}, "in ", el("code", {}, name(run.folder))) : null,
         run.state === "running" ? page.reloader() : null),
      reason || "");
};

// --- A running report reloads itself, unless the reader is busy in it ---------------------------------------------
const kReloadSeconds = 10;
page.reloader = function() {
  let paused = page.recall("paused", false);
  const button = el("button", {type: "button", class: "quiet", id: "reload"});
  const show = () => {
    button.textContent = paused ? "Resume updates" : "Pause updates";
  };
  button.addEventListener("click", () => {
    paused = !paused;
    page.remember("paused", paused);
    show();
  });
  show();
  const busy = () => document.hidden || document.activeElement?.matches("input[type=search]") || String(getSelection());
  setInterval(() => {
    if (paused || busy()) return;
    page.remember("scroll", [scrollX, scrollY]);
    location.reload();
  }, 1000 * kReloadSeconds);
  return button;
};
page.restoreScroll = function() {
  const place = page.recall("scroll", null);
  page.remember("scroll", null);
  if (place) scrollTo({left: place[0], top: place[1], behavior: "instant"});
};

// --- Figures that several parts need ------------------------------------------------------------------------------
// The best epoch by the engine's count; without validation there may be none, then the best accuracy so far.
page.bestValidation = function(run) {
  const metrics = run.metrics || {};
  let best = null;
  list(metrics.validation_accuracy).forEach((value, i) => {
    if (isNumber(value) && (best === null || value > best.value))
      best = {value, epoch: list(metrics.epoch)[i] ?? i + 1};
  });
  return best;
};
page.atEpoch = function(run, key, epoch) {
  const i = list(run.metrics?.epoch).indexOf(epoch);
  const value = i < 0 ? null : list(run.metrics[key])[i];
  return isNumber(value) ? value : null;
};
page.confusions = function(run) {
  const pairs = [];
  list(run.confusion).forEach((row, label) => {
    const total = list(row).reduce((sum, n) => sum + (n || 0), 0);
    list(row).forEach((n, prediction) => {
      if (n > 0 && label !== prediction) pairs.push({label, prediction, count: n, share: n / total});
    });
  });
  return pairs.sort((a, b) => b.count - a.count || b.share - a.share);
};
page.splitTotal = function(run, split) {
  const entry = list(run.counts).find((one) => one.split === split);
  return entry ? list(entry.counts).reduce((sum, n) => sum + (n || 0), 0) : null;
};
page.confidence = function(run) {
  const bins =
      list(run.calibration?.bins).filter((bin) => bin.count > 0 && isNumber(bin.confidence) && isNumber(bin.accuracy));
  const total = bins.reduce((sum, bin) => sum + bin.count, 0);
  if (!total || !isNumber(run.calibration.error)) return null;
  const mean = (key) => bins.reduce((sum, bin) => sum + bin.count * bin[key], 0) / total;
  return {total, confidence: mean("confidence"), accuracy: mean("accuracy"), error: run.calibration.error};
};

function worstClass(run) {
  const ranked = list(run.per_class).filter((one) => isNumber(one.f1) && one.support > 0).sort((a, b) => a.f1 - b.f1);
  return ranked[0] || null;
}

// --- Key figures --------------------------------------------------------------------------------------------------
function card(title, value, ...more) {
  return el(
      "div", {class: "card"}, el("dt", {}, title),
      el("dd", {}, el("span", {class: "value"}, value),
         more.filter(Boolean).map((line) => el("span", {class: "more"}, line))));
}
function interval(test) {
  const mark = el("span", {class: "interval"});
  mark.style.left = 100 * test.low + "%";
  mark.style.width = "max(3px, " + 100 * (test.high - test.low) + "%)";
  return el("span", {class: "scale", "aria-hidden": "true"}, mark);
}
page.cards = function(run) {
  const test = run.test, cards = [], best = page.bestValidation(run);
  if (test && isNumber(test.accuracy)) {
    const known = isNumber(test.low) && isNumber(test.high);
    cards.push(card(
        "Test accuracy", percent(test.accuracy),
        known && [interval(test), "95\u00a0% interval ", percent(test.low), " to ", percent(test.high)]));
    cards.push(card("Test loss", fixed(test.loss, 3), "on " + plural(test.samples, "image")));
  } else {
    cards.push(card(
        "Best validation accuracy" + (run.state === "running" ? " so far" : ""), percent(best && best.value),
        best ? "epoch " + best.epoch : "no epoch with validation yet",
        run.state === "running" ? "not tested yet" : "not tested"));
    const loss = page.last(run.metrics?.validation_loss);
    cards.push(card(
        "Latest validation loss", fixed(loss, 3), "training loss " + fixed(page.last(run.metrics?.train_loss), 3)));
  }
  cards.push(card(
      "Epochs", [count(run.epochs_done), el("span", {class: "of"}, " of " + count(run.epochs))],
      run.best_epoch > 0 ? "best: epoch " + run.best_epoch : run.state === "running" && "no best epoch yet",
      run.stopped_early && "stopped early"));
  cards.push(card(
      "Time", page.duration(run.seconds),
      run.epochs_done > 0 && isNumber(run.seconds) && page.duration(run.seconds / run.epochs_done) + " an epoch"));
  cards.push(card("Images per second", count(run.images_per_second), "in training"));
  const box = el("dl", {class: "cards"}, cards);
  document.getElementById("main").append(el("section", {"aria-label": "Key figures", id: "figures"}, box));
};

// --- In short -----------------------------------------------------------------------------------------------------
const config = (run, key) => list(run.config).find((entry) => entry.key === key)?.value?.replace(/^"(.*)"$/s, "$1");

function what(run) {
  const network = run.network || {};
  const size = isNumber(network.parameters) ?
      [" with ", plural(network.parameters, "parameter"), " in ", plural(list(network.nodes).length, "node")] :
      "";
  const done = run.epochs_done || 0;
  const how = {
    running: ["is in training: ", count(done), " of ", plural(run.epochs, "epoch"), " are done"],
    finished: run.stopped_early ?
        ["was trained for ", plural(done, "epoch"), " of at most ", count(run.epochs), "; early stopping ended it"] :
        ["was trained for all of its ", plural(done, "epoch")],
    stopped: ["was stopped after ", count(done), " of ", plural(run.epochs, "epoch")],
    failed: ["failed after ", count(done), " of ", plural(run.epochs, "epoch")]
  }[run.state] ||
      ["has an unknown state"];
  return [
    el("strong", {}, name(run.name)), run.description ? [": ", name(run.description.replace(/[.\s]+$/, ""))] : "",
    ". A network", size, " ", how, "."
  ];
}
function data(run) {
  const source = config(run, "data.source");
  const named = ["train", "validation", "test"]
                    .map((split) => [split === "train" ? "training" : split, page.splitTotal(run, split)])
                    .filter(([, n]) => n > 0)
                    .map(([split, n]) => count(n) + " " + split);
  const images = named.length ?
      [named.slice(0, -1).join(", "), named.length > 1 ? " and " : "", named[named.length - 1], " images"] :
      "The number of images is not known yet";
  const device = run.environment?.device;
  return [
    images, source ? [" of ", name(source)] : "",
    list(run.classes).length ? [" in ", plural(run.classes.length, "class", "classes")] : "",
    list(run.network?.input).length ? ["; the network sees ", page.shape(run.network.input)] : "", ". ",
    device ? ["Computed on ", name(device), "."] : "The device is not recorded."
  ];
}
function good(run) {
  const test = run.test;
  if (!test || !isNumber(test.accuracy)) {
    const best = page.bestValidation(run);
    return [
      el("strong", {}, "Not tested"),
      run.state === "running" ? ": the run is still training. " : ": the run ended before its test. ",
      best ? ["Best validation accuracy so far: ", percent(best.value), " in epoch ", best.epoch, "."] :
             "There is no validation accuracy yet."
    ];
  }
  const counts = list(list(run.counts).find((one) => one.split === "test")?.counts);
  const total = counts.reduce((sum, n) => sum + n, 0);
  return [
    el("strong", {}, "Test accuracy ", percent(test.accuracy)),
    isNumber(test.low) && isNumber(test.high) ?
        [" (95\u00a0% interval ", percent(test.low), " to ", percent(test.high), ")"] :
        "",
    test.epoch > 0 ? [", with the weights of epoch ", test.epoch] : "",
    total > 0 ? [". Always naming the most frequent class would give ", percent(Math.max(...counts) / total)] : "", "."
  ];
}
function fails(run) {
  const worst = worstClass(run), pair = page.confusions(run)[0];
  if (!worst && !pair)
    return list(run.confusion).length ? "No test image was confused with another class." : "Not known before the test.";
  return [
    worst ?
        [
          "Weakest class: ", el("strong", {}, name(worst.class)), " (F1 ", fixed(worst.f1, 2), ", precision ",
          fixed(worst.precision, 2), ", recall ", fixed(worst.recall, 2), "). "
        ] :
        "",
    pair ?
        [
          "Most frequent confusion: ", el("strong", {}, name(page.className(run, pair.label))), " taken for ",
          el("strong", {}, name(page.className(run, pair.prediction))), ", ", plural(pair.count, "time"), " (",
          percent(pair.share), " of that class)."
        ] :
        "No test image was confused with another class."
  ];
}
function ending(run) {
  if (run.state === "failed")
    return ["Do not use it: the run failed", run.reason ? [" (", name(run.reason), ")"] : "", ". "];
  if (run.state === "stopped")
    return [
      "The run was stopped before its end", run.reason ? [" (", name(run.reason), ")"] : "",
      ", so training may not have converged. "
    ];
  if (run.state === "running") return "Figures still change: the run is not finished. ";
  return run.stopped_early ? "Early stopping chose the best epoch by the validation images alone. " : "";
}
function trust(run) {
  const parts = [ending(run)];
  if (run.test && isNumber(run.test.samples)) {
    parts.push(
        "The interval is that of ", plural(run.test.samples, "test image"), " and of one seed (", count(run.seed),
        "): how much another seed changes is not in it. ");
  } else {
    parts.push("Seed ", count(run.seed), ". ");
  }
  const sure = page.confidence(run);
  if (sure) parts.push(page.calibrationWords(sure), " ");
  const train = page.atEpoch(run, "train_accuracy", run.best_epoch),
        validation = page.atEpoch(run, "validation_accuracy", run.best_epoch);
  if (train !== null && validation !== null && train - validation > 0.05) {
    parts.push(
        "At the best epoch it was right for ", percent(train), " of the training and ", percent(validation),
        " of the validation images, which is a sign of overfitting.");
  }
  return parts;
}
page.calibrationWords = function(sure) {
  const gap = sure.confidence - sure.accuracy;
  const how = Math.abs(gap) < 0.005 ? "on average as sure of itself as it is right" :
                                      (gap > 0 ? "over" : "under") + "confident: on average " +
          percent(sure.confidence) + " sure and " + percent(sure.accuracy) + " right";
  return "Its confidence is off by " + fixed(100 * sure.error, 1) + " points (expected calibration error); it is " +
      how + ".";
};
function again(run) {
  return run.command ? el("code", {class: "command"}, name(run.command)) : "The command is not recorded.";
}
function items(pairs) {
  return el(
      "dl", {class: "short"},
      pairs.map(([id, title, text]) => el("div", {}, el("dt", {}, title), el("dd", {id}, text))));
}
page.inShort = function(run) {
  page.section("short", "In short", items([
                 ["short-what", "What was run", what(run)], ["short-data", "On what", data(run)],
                 ["short-good", "How good it is", good(run)], ["short-fails", "Where it fails", fails(run)],
                 ["short-trust", "Can it be trusted", trust(run)], ["short-again", "How to run it again", again(run)]
               ]));
};
page.shortItems = items;
})(window.page = window.page || {});
