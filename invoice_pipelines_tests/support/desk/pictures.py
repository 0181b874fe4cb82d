"""The pictures of the desk in docs/images, taken of the demo in DAGSTER_HOME: `make pictures`. Needs Chromium."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import ChoiceLoader, DictLoader
from PIL import Image
from starlette.datastructures import QueryParams

from invoice_pipelines.cli.services import SIGN_IN_FILE
from invoice_pipelines.cli.supervisor import running_services
from invoice_pipelines.settings import load_settings
from invoice_pipelines.web.pages import rendering
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines_tests.support.desk.visitors import Visitor, running_chromium, visiting

IMAGES = Path(__file__).parents[3] / "docs" / "images"
COMPONENTS = Path(__file__).with_name("components_page.html")
SIGNED_IN = re.compile(r"as accountant@([\w-]+)\.example with the password (\S+)")
COLOURS = 128
"""That a picture keeps: enough for a page, at a third of the size."""


@dataclass(frozen=True)
class Shot:
    """A page of the organization: its address, and the first of these links that is followed from there."""

    page: str
    link: str | None = None
    scheme: str = "light"
    width: int = 1280
    height: int = 900


PAGES = {
    "desk_today": Shot(""),
    "desk_received_list": Shot("/received"),
    "desk_received": Shot("/received?number=LC-20871", "table a", height=1100),
    "desk_reviews": Shot("/reviews", height=600),
    "desk_review": Shot("/reviews", "table a:text('Lumen')", height=1000),
    "desk_orders": Shot("/orders", height=700),
    "desk_invoicing": Shot("/orders/invoicing?matching=true&state=open", height=700),
    "desk_invoices": Shot("/invoices", height=800),
    "desk_invoice": Shot("/invoices?state=overdue", "table a", height=1000),
    "desk_receivables": Shot("/receivables", height=900),
    "desk_batch_operations": Shot("/batch-operations"),
    "desk_batch_operation": Shot("/batch-operations?status=completed_with_errors", "table a", height=1000),
    "desk_quickbooks": Shot("/quickbooks", height=800),
    "desk_conflict": Shot("/quickbooks/conflicts", "table a", height=620),
    "desk_overdue": Shot("/overdue"),
    "desk_messages": Shot("/messages", height=700),
    "desk_settings": Shot("/settings/documents", height=1000),
    "desk_dark": Shot("", scheme="dark"),
    "desk_telephone": Shot("", width=390, height=844),
}
"""By file. Who looks is an accountant."""


def components(visitor: Visitor) -> None:
    """Shows the page of all components, with the styles of the running desk."""
    environment = rendering.environment("en").overlay()
    environment.loader = ChoiceLoader(
        [
            DictLoader({"components_page.html": COMPONENTS.read_text("utf-8")}),
            rendering.environment("en").loader or DictLoader({}),
        ]
    )
    content = environment.get_template("components_page.html").render(
        {
            "language": Language("en"),
            "theme": "auto",
            "said": None,
            "menu": [],
            "who": None,
            "organization": None,
            "address": "/",
            "path": "/",
            "query": QueryParams("text=a"),
        }
    )
    visitor.page.route("**/components", lambda route: route.fulfill(body=content, content_type="text/html"))
    visitor.open("/components")


def take(visitor: Visitor, shot: Shot, organization: str, file: Path) -> None:
    """Takes the picture of what fits into a window."""
    visitor.page.set_viewport_size({"width": shot.width, "height": shot.height})
    visitor.open(f"/desk/{organization}{shot.page}")
    if shot.link is not None:
        visitor.page.locator(shot.link).first.click()
    visitor.page.wait_for_load_state("networkidle")
    visitor.page.screenshot(path=file)
    visitor.page.goto("about:blank")  # what is claimed while it is looked at is given back


def shrink(file: Path) -> None:
    """Keeps as many colours as a page needs."""
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def sign_in(visitor: Visitor, organization: str, password: str) -> None:
    """As the demo says."""
    visitor.open("/sign-in")
    visitor.page.get_by_label("Email").fill(f"accountant@{organization}.example")
    visitor.page.get_by_label("Password").fill(password)
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/desk/*")


if __name__ == "__main__":
    settings = load_settings()
    told = SIGNED_IN.search((settings.home / SIGN_IN_FILE).read_text("utf-8"))
    assert told is not None, "the demo leaves word how to sign in"
    with running_services(settings, webserver=False, api=True) as services, running_chromium() as browser:
        url = f"http://localhost:{settings.web_port}"
        with visiting(browser, url) as visitor:
            components(visitor)
            visitor.picture(IMAGES / "desk_components.png")
        shrink(IMAGES / "desk_components.png")
        for scheme in ("light", "dark"):
            with visiting(browser, url, scheme=scheme) as visitor:
                sign_in(visitor, told[1], told[2])
                for name, shot in PAGES.items():
                    if shot.scheme == scheme:
                        take(visitor, shot, told[1], IMAGES / f"{name}.png")
                        shrink(IMAGES / f"{name}.png")
                        print(f"docs/images/{name}.png")
