#!/usr/bin/env python3
"""Opens report pages in a headless Chromium and looks for what a reader, a screen reader or an attacker would find.

page_test.py [--screenshots DIR] [--axe FILE] [PAGE.html ...]; without pages, those of make_page.py, and
whether they say and do what they should.
Exit code 0: all is well; 1: complaints; 77: no Chromium or no Chart.js here.
"""

import argparse
import base64
import pathlib
import re
import sys
import tempfile
import time

import chromium
import make_page
from payloads import payloads

HERE = pathlib.Path(__file__).resolve().parent
WIDTHS, HEIGHT, SCHEMES = (400, 900, 1600), 1000, ("light", "dark")
WATCH = (
    "window.policyViolations = []; document.addEventListener('securitypolicyviolation', "
    "(e) => window.policyViolations.push(e.violatedDirective + ' ' + e.blockedURI));"
)


class Page:
    """A page in the browser, and all that happens while it is open."""

    def __init__(self, browser):
        self.browser, self.events, self.url, self.loads = browser, [], "", 0
        browser.listener = self.note
        for domain in ("Page", "Runtime", "Log", "Network"):
            browser.call(domain + ".enable")
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def note(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.events.append("exception: " + details.get("exception", {}).get("description", details["text"])[:500])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.events.append(f"console.{parameters['type']}: {[a.get('value') for a in parameters['args']]}")
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.events.append(f"{parameters['entry']['source']}: {parameters['entry']['text'][:300]}")
        elif method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if url.split("#")[0] != self.url and not url.startswith("data:image/png;base64,"):
                self.events.append("network request: " + url[:200])
        elif method == "Page.javascriptDialogOpening":
            self.events.append("dialog: " + parameters["message"][:100])
        elif method == "Page.loadEventFired":
            self.loads += 1

    def size(self, width):
        self.browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=HEIGHT, deviceScaleFactor=1, mobile=False
        )

    def scheme(self, value, media=""):
        self.browser.call(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[
                {"name": "prefers-color-scheme", "value": value},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )

    def load(self, path):
        self.url, self.events = path.resolve().as_uri(), []
        loads = self.loads
        self.browser.call("Page.navigate", url=self.url)
        while self.loads == loads:
            self.browser.next_message("loading " + path.name)
        self.settle()

    def open(self, path):
        self.load(path)
        if not self.until("window.reportReady === true", 20):
            self.events.append("the page never became ready")

    def settle(self):
        """Two frames: sizes that follow from other sizes (charts, focus of scrollers) are then final."""
        self.browser.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"
        )

    def until(self, condition, seconds):
        """Polls by frames of the page, since a page that failed would never send an event."""
        end = time.monotonic() + seconds
        while not self.browser.evaluate(condition):
            if time.monotonic() > end:
                return False
            self.settle()
        return True

    def complaints(self):
        self.settle()
        found = self.browser.evaluate((HERE / "page_checks.js").read_text(encoding="utf-8"))
        found, self.events = found + self.events, []
        return found

    def screenshot(self, path):
        box = self.browser.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": box["width"], "height": min(box["height"], 16000), "scale": 1}
        image = self.browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(image["data"]))


def run_axe(page, source):
    page.browser.evaluate(source + "; 0")
    page.browser.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; }); 0")
    page.settle()
    return page.browser.evaluate(
        "axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => "
        "`axe ${v.id} (${v.impact}): "
        "${v.nodes.length} times, e.g. ${v.nodes[0].html.slice(0, 150)} ${(v.nodes[0].any[0] || {}).message || ''}`))"
    )


def check_page(page, path, options):
    """All widths in both colour schemes; the scheme changes while the page is open, too."""
    found = {}

    def add(where, complaints):
        for complaint in complaints:
            found.setdefault(complaint, where)

    for scheme in SCHEMES:
        page.scheme(scheme)
        for width in WIDTHS:
            page.size(width)
            if width == WIDTHS[0]:
                page.open(path)
            add(f"{scheme} {width}", page.complaints())
            if options.screenshots:
                page.screenshot(options.screenshots / f"{path.stem}_{scheme}_{width}.png")
        other = SCHEMES[1 - SCHEMES.index(scheme)]
        page.scheme(other)
        add(f"{scheme} turned {other}", page.complaints())
        page.browser.evaluate(
            "document.querySelectorAll('details').forEach((d) => { d.open = true; });"
            "[...document.querySelectorAll('#network button')].slice(0, 1).forEach((b) => b.click())"
        )
        page.size(WIDTHS[0])
        add(f"{other} {WIDTHS[0]}, all unfolded", page.complaints())
        if options.axe:
            add(f"{scheme}, axe", run_axe(page, options.axe.read_text(encoding="utf-8")))
    return [f"{path.name} ({where}): {complaint}" for complaint, where in found.items()]


# --- What the sample pages must say ---------------------------------------------------------------------------------
FACTS = {
    "finished": {
        "short-what": ["gray", "1,245,738", "100 epochs"],
        "short-data": ["Xeon", "40,000 training", "10,000 test", "10 classes"],
        "short-good": ["71.5 %", "70.6 %", "72.4 %", "10.0 %"],
        "short-fails": ["cat", "0.49", "dog", "212"],
        "short-trust": ["one seed (1)", "10,000 test images", "calibration"],
        "short-again": ["engine run experiments/gray.json --seed 1"],
    },
    "early": {"short-what": ["early stopping ended it"], "short-good": ["21.5 %", "72.4 %"]},
    "stopped": {"short-what": ["stopped after 12 of 100"], "short-good": ["Not tested"], "short-trust": ["SIGTERM"]},
    "diverged": {"short-trust": ["Do not use it", "inception_b.conv5x5"], "head": ["failed", "exit code 6"]},
    "started": {
        "short-what": ["0 of 100"],
        "short-data": ["H100"],
        "curves": ["No epoch is finished yet"],
        "confusion": ["Not tested", "still training"],
    },
    "running": {"figures": ["Best validation accuracy so far"], "head": ["running", "Pause updates"]},
    "bare": {"head": ["bare", "exit code 4"]},
    "hostile": {"head": ["</title><script>window.pwned=1</script>", "stopped"]},
    "comparison": {
        "short-what": ["3 runs", "noise from gray"],
        "short-good": ["gray with 71.5 %"],
        "results": ["66.00 %"],
        "differences": ["train.epochs", "preprocess[2].sigma"],
    },
}


def check_facts(page, name):
    missing = []
    for part, facts in FACTS.get(name, {}).items():
        text = page.browser.evaluate(f"document.getElementById({part!r})?.innerText || ''")
        text = re.sub(r"\s+", " ", text)
        missing += [f"{name}: #{part} does not say {fact!r} but {text[:200]!r}" for fact in facts if fact not in text]
    return missing


def check_links(page, path, links):
    """Names of runs lead to their reports, and to nothing else."""
    page.open(path)
    found = page.browser.evaluate("[...document.querySelectorAll('main a')].map((a) => a.getAttribute('href'))")
    found = [link for link in found if not link.startswith("#")]
    return [] if found == links else [f"{path.name}: links to {found} and not to {links}"]


def check_hostile(page):
    """The payloads did get there: each stands in the page, letter by letter (control characters made visible)."""
    text = page.browser.evaluate("[...document.querySelectorAll('#experiment bdi')].map((e) => e.textContent)")
    shown = set(text)
    plain = [one for one in payloads() if one and not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", one)]
    found = [f"hostile: the page does not show {one!r}" for one in plain if one not in shown]
    if len(payloads()) != 150 or len(plain) < 130:
        found.append(f"hostile: {len(payloads())} payloads, {len(plain)} of them plain")
    if any(re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", one) for one in text):
        found.append("hostile: a control character is shown as it is")
    return found


def check_controls(page, path):
    """Every control of the finished run does what it says, from the keyboard's events."""
    page.browser.evaluate("sessionStorage.clear()")
    page.open(path)
    page.browser.evaluate(
        "const sorter = (text) => [...document.querySelectorAll('#classes .sort')].find((x) => x.textContent === text);"
        "const fold = () => document.querySelectorAll('#network .buttons button');"
        "const drawn = () => document.querySelectorAll('svg.network g.node').length; 0"
    )
    checks = {
        "the filter leaves fitting keys": "{ const i = document.getElementById('config-filter'); "
        "i.value = 'optimizer.beta';"
        "i.dispatchEvent(new Event('input'));"
        "[...document.querySelectorAll('#experiment tbody tr')].filter((r) => !r.hidden).length === 2 }",
        "sorting by F1": "{ const b = sorter('F1'); b.click(); b.click();"
        "document.querySelector('#classes tbody th').textContent === 'cat' &&"
        "b.parentNode.getAttribute('aria-sort') === 'ascending' }",
        "sorting from the largest": "{ sorter('F1').click();"
        "document.querySelector('#classes tbody th').textContent !== 'cat' }",
        "shares in the matrix": "{ document.getElementById('confusion-shares').click();"
        "document.querySelector('.matrix tbody td').textContent === '76' }",
        "blocks folded": "drawn() === 10",
        "a block unfolds": "{ const b = fold()[2]; b.click(); "
        "drawn() === 15 && document.activeElement.textContent.includes('inception_a') }",
        "all blocks fold": "{ fold()[1].click(); drawn() === 10 }",
        "a click unfolds": "{ document.querySelector('svg.network .can-open')"
        ".dispatchEvent(new MouseEvent('click', { bubbles: true }));"
        "drawn() === 15 }",
        "copying says what happened": "{ document.querySelector('#again button').click(); true }",
    }
    failed = [f"control: {what}" for what, code in checks.items() if page.browser.evaluate(code) is not True]
    if not page.until("document.querySelector('#again .said').textContent !== ''", 5):
        failed.append("control: copying says nothing")
    return failed + ["controls: " + event for event in page.events]


def check_reload(page, path):
    """A running report loads itself again, at the same place, and not while updates are paused."""
    page.open(path)
    page.browser.evaluate("scrollTo({ top: 700, behavior: 'instant' }); 0")
    page.browser.wait_event("Page.loadEventFired")
    if not page.until("window.reportReady === true && Math.abs(scrollY - 700) < 2", 5):
        return [f"reload: scrolled to {page.browser.evaluate('scrollY')} and not to 700"]
    page.browser.evaluate("document.getElementById('reload').click(); 0")
    paused = page.browser.evaluate("document.getElementById('reload').textContent")
    return [] if paused == "Resume updates" else ["reload: cannot be paused"]


def check_print(page, path, options):
    """On paper there is no navigation, and colours are light even on a dark screen."""
    page.scheme("dark")
    page.size(900)
    page.open(path)
    page.browser.evaluate("window.dispatchEvent(new Event('beforeprint')); 0")
    page.scheme("dark", "print")
    page.size(800)
    found = ["print: " + one for one in page.complaints()]
    if page.browser.evaluate("getComputedStyle(document.getElementById('nav')).display") != "none":
        found.append("print: the navigation is not hidden")
    if page.browser.evaluate("page.color('paper')") != "#ffffff":
        found.append("print: the paper is not white")
    if options.screenshots:
        sheet = page.browser.call("Page.printToPDF", printBackground=False)
        (options.screenshots / f"{path.stem}.pdf").write_bytes(base64.b64decode(sheet["data"]))
    page.browser.evaluate("window.dispatchEvent(new Event('afterprint')); 0")
    page.scheme("light")
    return found


def check_test(page, folder):
    """The checks themselves can fail: a page with every fault yields every complaint."""
    path = folder / "broken.html"
    path.write_text(make_page.broken_page(), encoding="utf-8")
    page.size(400)
    page.open(path)
    found = "\n".join(page.complaints())
    wanted = [
        "no lang",
        "no title",
        "not one main",
        "heading order",
        "duplicate id",
        "no accessible name: button",
        "no accessible name: input",
        "no text alternative: img",
        "no text alternative: canvas",
        "no text alternative: svg",
        "contrast ",
        "page overflow",
        "a payload ran",
        "policy violation: style-src",
        "network request: ",
        "dialog: 1",
        "console.error",
        "exception: ",
    ]
    return [f"the test does not find {one!r} in a broken page: {found}" for one in wanted if one not in found]


def check_samples(page, options, folder):
    paths = {path.stem: path for path in make_page.write_all(folder)}
    found = check_test(page, folder)
    for name, path in paths.items():
        found += check_page(page, path, options)
        found += check_facts(page, name)
        if name == "hostile":
            found += check_hostile(page)
        if path.stat().st_size > 1_500_000:
            found.append(f"{name}: {path.stat().st_size} bytes")
    found += check_links(page, paths["comparison"], ["../runs/gray/report.html", "a%20%3Ab/report.html"])
    found += check_links(page, paths["hostile_comparison"], [])
    found += (
        check_controls(page, paths["finished"])
        + check_print(page, paths["finished"], options)
        + check_reload(page, paths["running"])
    )
    return len(paths), found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--axe", type=pathlib.Path)
    parser.add_argument("pages", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    program = chromium.find()
    if program is None:
        print("skipped: there is no Chromium here (apt-get install chromium)")
        return 77
    if not options.pages and make_page.find_chart() is None:
        print("skipped: there is no Chart.js here (apt-get install libjs-chart.js)")
        return 77
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    browser = chromium.Browser(program)
    try:
        page = Page(browser)
        if options.pages:
            count, found = len(options.pages), [c for path in options.pages for c in check_page(page, path, options)]
        else:
            with tempfile.TemporaryDirectory() as folder:
                count, found = check_samples(page, options, pathlib.Path(folder))
    finally:
        browser.close()
    print("\n".join(found + [f"{count} pages, {len(found)} complaints"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
