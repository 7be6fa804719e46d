#!/usr/bin/env python3
"""Opens the pages of made sweeps in headless Chromium, with the checks of tests/report/page_test.py: no message, no
request, nothing wider than the window, texts for figures, contrast, no script of a payload. Ends with 77 where there
is no Chromium.

    tests/sweep/page_test.py --pages build/release/bin/sweep_sample_pages [--screenshots DIR] [--keep DIR]
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "report"))
import chromium
import page_test as report
from payloads import payloads

WIDTHS, SCHEMES = (400, 1000, 1600), ("light", "dark")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
LARGEST = 3_000_000  # bytes of a page

FACTS = {
    "study": ["noise costs 4.", "(95 % interval", "5 seeds, p < 0.001)", "All of 25 points are done.",
              "Trained on, evaluated on", "expects images of 1 channel, gets 3", "highest mean"],
    "halfway": ["1 is running", "12 are waiting: the numbers can still change.", "exit code", "inception_b.conv5x5",
                "logs/gray-seed3-3f5c8e21.log", "skipped"],
    "waiting": ["No point is done yet", "0 of 25 points are done"],
    "one_seed": ["with one seed, which gives no interval"],
    "grid": ["noise.sigma", "smooth.sigma", "Both factors", "best"],
    "factors": ["learning_rate", "All factors", "type = adam"],
    "random": ["random-1", "logarithmic"],
    "many": ["12 of 499 comparisons", "40 configurations of the highest means"],
}
FIGURES = {"study": 2, "halfway": 2, "waiting": 0, "one_seed": 2, "grid": 3, "factors": 3, "random": 3, "many": 3}


def hostile_texts():
    """A dozen that would run, fetch or disguise something, spread over all that the report is tested with."""
    texts = [text for text in payloads() if 0 < len(text) < 200]
    return [texts[i * len(texts) // 24] for i in range(24)]


def check_page(page, path, options):
    found = {}
    for scheme in SCHEMES:
        page.scheme(scheme)
        for width in WIDTHS:
            page.size(width)
            page.load(path)
            for complaint in page.complaints():
                found.setdefault(complaint, f"{scheme} {width}")
            if options.screenshots:
                page.screenshot(options.screenshots / f"{path.stem}_{scheme}_{width}.png")
    if path.stat().st_size > LARGEST:
        found[f"{path.stat().st_size} bytes"] = "file"
    return [f"{path.name} ({where}): {complaint}" for complaint, where in found.items()]


def check_facts(page, path):
    text = re.sub(r"\s+", " ", page.browser.evaluate("document.body.textContent"))
    found = [f"{path.name}: does not say {fact!r}" for fact in FACTS.get(path.stem, []) if fact not in text]
    if page.browser.evaluate("document.querySelectorAll('script, iframe, object, embed, link, base, form').length"):
        found.append(f"{path.name}: has elements that run or fetch")
    figures = page.browser.evaluate("document.querySelectorAll('figure > div > svg').length")
    if figures != FIGURES.get(path.stem, figures):
        found.append(f"{path.name}: {figures} figures and not {FIGURES[path.stem]}")
    # Labels may not leave their figure, where they would be cut.
    cut = page.browser.evaluate(
        "[...document.querySelectorAll('svg text')].filter((text) => { const box = text.getBoundingClientRect(),"
        " place = text.closest('svg').getBoundingClientRect(); return box.left < place.left - 1 ||"
        " box.right > place.right + 1 || box.top < place.top - 1 || box.bottom > place.bottom + 1; })"
        ".map((text) => text.textContent)"
    )
    return found + [f"{path.name}: a label is cut: {text[:80]!r}" for text in cut]


def check_hostile(page, texts):
    """Each stands in the page, letter by letter (control characters made visible), and in no attribute that acts."""
    names = set(page.browser.evaluate("[...document.querySelectorAll('tbody th bdi')].map((e) => e.textContent)"))
    plain = [text for text in texts if not CONTROL.search(text)]
    found = [f"hostile: does not show {text!r}" for text in plain if text not in names]
    if len(plain) < 12:
        found.append(f"hostile: only {len(plain)} plain texts")
    links = page.browser.evaluate("[...document.querySelectorAll('a')].map((a) => a.getAttribute('href'))")
    strange = [link for link in links if not re.fullmatch(r"#main|[\w.~%/-]+", link) or ".." in link.split("/")]
    found += [f"hostile: a link to {link!r}" for link in strange]
    text = page.browser.evaluate("document.body.textContent").replace("\n", "")
    return found + (["hostile: a control character is shown as it is"] if CONTROL.search(text) else [])


def check_print(page, path, options):
    """On paper colours are light even on a dark screen, and nothing scrolls."""
    page.scheme("dark", "print")
    page.size(800)
    page.load(path)  # without scripts a page is ready when it is loaded
    ground = page.browser.evaluate("getComputedStyle(document.body).backgroundColor")
    scrolls = page.browser.evaluate(
        "[...document.querySelectorAll('.scroll')].filter((e) => getComputedStyle(e).overflowX !== 'visible').length"
    )
    if options.screenshots:
        page.screenshot(options.screenshots / f"{path.stem}_print.png")
    page.scheme("light")
    return ([] if ground == "rgb(255, 255, 255)" else [f"print: the ground is {ground}"]) + (
        [f"print: {scrolls} parts scroll"] if scrolls else []
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", required=True)
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    program = chromium.find()
    if program is None:
        print("skipped: there is no Chromium here (apt-get install chromium)")
        return 77
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    texts, found, count = hostile_texts(), [], 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        made = subprocess.run([options.pages, folder], input=json.dumps(texts), text=True, capture_output=True)
        if made.returncode:
            sys.exit(made.stderr)
        print(made.stdout, end="")
        browser = chromium.Browser(program)
        try:
            page = report.Page(browser)
            for path in sorted(folder.glob("*.html")):
                found += check_page(page, path, options) + check_facts(page, path)
                if path.stem == "hostile":
                    found += check_hostile(page, texts)
                count += 1
            found += check_print(page, folder / "study.html", options)
        finally:
            browser.close()
    if count <= len(FACTS):
        found.append(f"only {count} pages")
    print("\n".join(found + [f"{count} pages, {len(found)} complaints"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
