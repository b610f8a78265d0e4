"""The time to open a page of 14,000 verdicts in chromium, until all pairs are ready. The target is three seconds.

python benchmarks/page.py                  five times: half a minute
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from pages import large, report  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from edge_judge.report.page.document import build  # noqa: E402

REPEATS = 5


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("error: no chromium on this machine\nhint: apt-get install chromium")
    judged, runs = large()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "report.html"
        path.write_text(build(report(judged, *runs)), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
        seconds = [seconds_to_open(browser, path) for _ in range(REPEATS)]
        browser.close()
    print(f"{median(seconds):.2f} s, the median of {', '.join(f'{value:.2f}' for value in sorted(seconds))}")


def seconds_to_open(browser: Browser, path: Path) -> float:
    """Seconds from the start of the navigation until the page is ready."""
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    milliseconds = float(page.evaluate("performance.now()"))
    page.close()
    return milliseconds / 1000


if __name__ == "__main__":
    main()
