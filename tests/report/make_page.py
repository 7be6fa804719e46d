#!/usr/bin/env python3
"""Makes report pages as the engine does, out of documents made up here: `make_page.py OUTDIR` writes them all.

The placeholders of report.html are replaced in one pass, so that no text of the data can be taken for one.
"""

import base64
import hashlib
import html
import json
import pathlib
import re
import sys

from sample_documents import DOCUMENTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "engine" / "report" / "page"
CHART = [
    pathlib.Path("/usr/share/javascript/chart.js/chart.min.js"),
    pathlib.Path("/usr/share/javascript/chart.js/Chart.min.js"),
]


def find_chart():
    for path in CHART:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return None


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def assemble(document, chart):
    """One page: what the browser may run is named by its hash; all else is forbidden."""
    style = (PAGE / "report.css").read_text(encoding="utf-8")
    script = "".join(path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("report*.js")))
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for character in "<\u2028\u2029":
        data = data.replace(character, f"\\u{ord(character):04x}")
    policy = (
        f"default-src 'none'; img-src data:; style-src {digest(style)}; "
        f"script-src {digest(chart)} {digest(script)}; base-uri 'none'; form-action 'none'"
    )
    title = document.get("name") or ("Comparison" if document["kind"] == "comparison" else "Report")
    parts = {
        "STYLE": style,
        "DATA": data,
        "CHART": chart,
        "SCRIPT": script,
        "TITLE": html.escape(title),
        "CSP": f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
    }
    template = (PAGE / "report.html").read_text(encoding="utf-8")
    return re.sub(r"<!--([A-Z]+)-->", lambda found: parts[found.group(1)], template)


def broken_page():
    """A page with every fault that page_test.py looks for: it must find each of them."""
    return (
        '<!doctype html><html><head><meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "script-src 'unsafe-inline'; img-src *; style-src 'sha256-none'\">"
        '<style>p{color:red}</style></head><body><h1>a</h1><h3 id="a">b</h3><p id="a"><button></button><input>'
        '<font color="#bbbbbb">pale</font></p><img src="missing.png" width="3000" height="4"><canvas></canvas>'
        '<svg width="9" height="9"></svg><script>window.reportReady = true; window.pwned = 1; alert(1); '
        'console.error("e"); '
        "undefined.x</script></body></html>"
    )


def write_all(folder):
    chart = find_chart()
    if chart is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, make in DOCUMENTS.items():
        path = folder / f"{name}.html"
        path.write_text(assemble(make(), chart), encoding="utf-8")
        paths.append(path)
    return paths


def main():
    if len(sys.argv) != 2:
        print("usage: make_page.py OUTDIR", file=sys.stderr)
        return 3
    paths = write_all(pathlib.Path(sys.argv[1]))
    if paths is None:
        print("chart.min.js is missing: install libjs-chart.js", file=sys.stderr)
        return 77
    for path in paths:
        print(f"{path} {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
