"""The pictures of the desk in docs/images, taken of the demo in DAGSTER_HOME: `make pictures`. Needs Chromium."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import ChoiceLoader, DictLoader
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
PAGES = {
    "desk_today": ("", "light", 1280),
}
"""By file: the page of the organization, the colours, and the width of the window."""


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
        for name, (page, scheme, width) in PAGES.items():
            with visiting(browser, url, scheme=scheme, width=width) as visitor:
                sign_in(visitor, told[1], told[2])
                visitor.open(f"/desk/{told[1]}{page}")
                visitor.page.wait_for_load_state("networkidle")
                visitor.picture(IMAGES / f"{name}.png")
            print(f"docs/images/{name}.png")
