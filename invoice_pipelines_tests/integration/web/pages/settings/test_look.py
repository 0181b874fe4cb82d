"""The look of documents at the desk: a logo, and the sample that shows it."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser
from pypdfium2 import PdfDocument

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.support.desk.visitors import needs_chromium, visiting
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant

RED = (200, 16, 46)


@pytest.fixture(scope="module")
def tenant(site: Site) -> Tenant:
    return open_tenant(site.database, name="Nordlicht Werkstätten GmbH", iban="DE89370400440532013000")


def place(tenant: Tenant, address: str = "") -> str:
    return f"/desk/{tenant.slug}/settings/documents{address}"


def logo(file: Path) -> Path:
    Image.new("RGB", (400, 80), RED).save(file)
    return file


def is_red(picture: bytes) -> bool:
    """Whether the logo stands on the picture of the sample."""
    with Image.open(BytesIO(picture)) as opened:
        colours = opened.convert("RGB").getcolors(1 << 24) or []
    return any(
        count > 1000 and all(abs(a - b) < 12 for a, b in zip(shown, RED, strict=True)) for count, shown in colours
    )


@needs_chromium
def test_a_logo_is_uploaded_seen_in_the_sample_and_taken_off(
    site: Site, tenant: Tenant, browser: Browser, tmp_path: Path
) -> None:
    with visiting(browser, site.url, tenant.sessions[Role.ADMIN], language="de") as visitor:
        page = visitor.page
        visitor.when("dialog", lambda dialog: dialog.accept())

        def sample() -> bytes:
            assert page.evaluate("document.querySelector('img.preview').decode().then(() => true)")
            return page.get_by_alt_text("Eine Musterrechnung").screenshot()

        visitor.open(place(tenant))
        assert not is_red(sample())
        page.get_by_label("Neues Logo").set_input_files(logo(tmp_path / "wordmark.png"))
        page.get_by_role("button", name="Dieses Logo verwenden").click()
        assert visitor.sees("Das Logo steht ab jetzt auf neuen Dokumenten.")
        assert is_red(sample())
        assert visitor.serious_findings() == []
        with page.expect_download() as saved:
            page.get_by_role("link", name="Muster als PDF speichern").last.click()
        assert "Nordlicht Werkstätten GmbH" in PdfDocument(saved.value.path())[0].get_textpage().get_text_bounded()
        page.get_by_role("button", name="Kein Logo").click()
        assert visitor.sees("Neue Dokumente haben kein Logo.")
        assert not is_red(sample())


def upload(client: httpx.Client, tenant: Tenant, content: bytes, name: str = "logo.png") -> httpx.Response:
    return client.post(place(tenant, "/logo"), files={"logo": (name, content)})


def flood() -> bytes:
    """A small file with more pixels than anybody needs."""
    written = BytesIO()
    Image.new("1", (5_000, 5_000)).save(written, "PNG")
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "status", "said", "german"),
    [
        (b"", 422, "Choose a picture of at most 1 MB", "höchstens 1 MB"),
        (b"%PDF-1.7 no picture", 422, "Choose a picture of at most 1 MB", "höchstens 1 MB"),
        (b"<html><script>alert(1)</script></html>", 422, "Choose a picture of at most 1 MB", "höchstens 1 MB"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'><broken",
            422,
            "This picture cannot be used: it is damaged",
            "lässt sich nicht verwenden",
        ),
        (flood(), 422, "5,000 × 5,000 pixels", "5.000 × 5.000 Pixel"),
        (b"\x89PNG" + bytes(1_200_000), 413, "larger than this page takes", "mehr, als diese Seite annimmt"),
    ],
    ids=["nothing", "pdf", "html", "broken", "flood", "large"],
)
def test_what_is_no_logo_is_refused(
    site: Site, tenant: Tenant, content: bytes, status: int, said: str, german: str
) -> None:
    with site.browser(tenant.sessions[Role.ADMIN]) as client:
        client.headers["Accept-Language"] = "en"
        refused = upload(client, tenant, content)
        assert refused.status_code == status, refused.text
        assert said in refused.text
        client.headers["Accept-Language"] = "de"
        in_german = upload(client, tenant, content).text
        assert (german in in_german, "auf Englisch" in in_german) == (True, False)
        client.headers["Accept-Language"] = "en"
        assert "There is no logo yet." in client.get(place(tenant)).text


def test_a_script_in_a_logo_reaches_no_browser(site: Site, tenant: Tenant) -> None:
    svg = b"""<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20" onload="alert(1)">
        <script>alert(2)</script><rect width="80" height="20" fill="#c8102e"/></svg>"""
    with site.browser(tenant.sessions[Role.ADMIN]) as client:
        assert upload(client, tenant, svg, "evil.svg").status_code == 303
        shown = client.get(place(tenant))
        assert "alert" not in shown.text
        (address,) = re.findall(r'src="([^"]*sample.png[^"]*)"', shown.text)
        picture = client.get(address)
    assert picture.headers["content-type"] == "image/png"
    assert is_red(picture.content)
    with site.browser(tenant.sessions[Role.VIEWER]) as client:
        assert is_red(client.get(address).content)
        assert "/documents/logo" not in client.get(place(tenant)).text
    with site.browser(site.b.sessions[Role.ADMIN]) as client:
        assert client.get(address).status_code == 404
