"""The tab that checks a list, in Chromium."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect
from support import EXAMPLES, Server
from support.browser import WAIT, grave

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_zip_is_checked_cut_and_the_kept_rows_are_saved(
    search_server: Server, browser: Browser, tmp_path: Path
) -> None:
    rows = [["file", "caption"], *([path.name, path.stem.replace("-", " ")] for path in EXAMPLES)]
    rows += [[EXAMPLES[0].name, "a red tractor"], ["gone.jpg", "x"]]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("list.csv", "\n".join(",".join(row) for row in rows))
        for path in EXAMPLES:
            archive.write(path, path.name)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(search_server.url)
    page.get_by_role("tab", name="Check a list").click()
    page.set_input_files("#list-files input[type=file]", tmp_path / "all.zip")
    expect(page.locator("#list-files")).to_contain_text("all.zip", timeout=WAIT)
    page.click("#list-button")
    expect(page.locator(".cs-list tbody tr")).to_have_count(len(EXAMPLES) + 1, timeout=WAIT)
    expect(page.locator(".cs-list tbody tr").first).to_contain_text("a red tractor")
    expect(page.locator("#list-found")).to_contain_text("gone.jpg was not sent")
    assert page.locator(".cs-list img").evaluate_all("all => all.every(one => one.naturalWidth > 0)")
    page.locator(".cs-cut input").fill("95")
    expect(page.locator("#list-kept")).to_contain_text(f"of {len(EXAMPLES) + 1} rows are kept")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save kept rows as CSV").click()
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        kept = list(csv.DictReader(file))
    assert "a red tractor" not in {row["caption"] for row in kept} and 0 < len(kept) <= len(EXAMPLES)
    assert all(float(row["percentile"]) >= 95 for row in kept)
    assert grave(page) == []
    page.close()
