"""The pictures of Dagster's UI in docs/images, taken of the demo in DAGSTER_HOME: `make pictures`. Needs Chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from invoice_pipelines.cli.supervisor import running_services
from invoice_pipelines.settings import load_settings

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TENANT = "nordwind-handel"
LOCATION = "/locations/invoice_pipelines"
MILLISECONDS = 25_000
"""Of the page's own clock, in which it asks for all it shows."""

PAGES = {
    "asset_graph": ("/asset-groups", 1800, 760),
    "materialization": (f"/assets/intake/parsed_invoices?view=partitions&partition={TENANT}", 1400, 1000),
    "issued_invoices": (f"/assets/billing/issued_invoices?view=partitions&partition={TENANT}", 1400, 1000),
    "failed_check": ("/assets/billing/issued_invoices?view=checks&checkDetail=every_order_was_invoiced", 1400, 900),
    "overdue_notifications": (f"/assets/overdue/notifications?view=partitions&partition={TENANT}", 1400, 1000),
    "receivables": (f"/assets/billing/receivables?view=partitions&partition={TENANT}", 1400, 1000),
    "process_uploads": (f"{LOCATION}/jobs/process_uploads_now", 1400, 900),
    "batch_invoicing": (f"{LOCATION}/jobs/batch_invoice_orders", 1400, 700),
    "runs": ("/runs", 1400, 700),
}
"""By file: the page, and the size of the window."""


def take(url: str, file: Path, width: int, height: int) -> None:
    """Takes the picture of a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("Chromium is not installed; on Debian: apt install chromium")
    with TemporaryDirectory() as profile:
        subprocess.run(
            [
                *(browser, "--headless=new", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={profile}"),
                *(f"--window-size={width},{height}", f"--virtual-time-budget={MILLISECONDS}"),
                *(f"--screenshot={file}", url),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )


if __name__ == "__main__":
    with running_services(load_settings(), webserver=True, api=False) as services:
        for name, (page, width, height) in PAGES.items():
            take(f"{services.url}{page}", IMAGES / f"{name}.png", width, height)
            print(f"docs/images/{name}.png")
