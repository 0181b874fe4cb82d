"""An organization's own template files: what they change, for whom, and what is refused, with file and line."""

from __future__ import annotations

import pickle
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.delivery.rendering.bundle import bundle_of, project_files
from invoice_pipelines.delivery.rendering.errors import TemplateError
from invoice_pipelines.delivery.rendering.renderer import Look
from invoice_pipelines.delivery.rendering.samples import sample_invoice
from invoice_pipelines.delivery.rendering.sources import check_sources
from invoice_pipelines.delivery.rendering.template_checks import check_bundle, not_accessible, samples
from invoice_pipelines.delivery.rendering.template_files import (
    list_own_files,
    load_bundle,
    remove_template_file,
    set_template_files,
)
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.organizations import add_organization
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.support.delivery.rendering.looking import SETTINGS, XML, page_texts, render_with

LOOK = Look(SETTINGS, "de")
NOTES = project_files()["notes.typ"]


@pytest.fixture(scope="module")
def shared_database(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    with fresh_database(server, template) as database:
        yield database


@pytest.fixture
def two(shared_database: TestDatabase, request: pytest.FixtureRequest) -> tuple[Engine, UUID, UUID]:
    """An engine, and two organizations of this test."""
    slugs = [f"{request.node.name[:40].replace('_', '-').strip('-')}-{number}" for number in (1, 2)]
    ids = [
        add_organization(
            shared_database.engine, slug, slug, country_code="DE", time_zone="Europe/Berlin", currency="EUR"
        )
        for slug in slugs
    ]
    return shared_database.engine, ids[0], ids[1]


def refused(own: dict[str, bytes]) -> TemplateError:
    with pytest.raises(TemplateError) as raised:
        samples(bundle_of(own), LOOK)
    return raised.value


def test_a_file_of_an_organization_is_seen_by_its_documents_only_until_it_is_removed(
    two: tuple[Engine, UUID, UUID],
) -> None:
    engine, mine, other = two
    own = b"#let notes(data) = [Unser Gru\xc3\x9f steht hier]"
    with organization_scope(engine, mine) as connection:
        before = load_bundle(connection)
        broken = b"// mine\n\n#let notes(data) = text(fill: colour)[x]"
        with pytest.raises(DeliveryError, match=r"^notes.typ, line 3: unknown variable: colour$"):
            set_template_files(connection, {"notes.typ": broken}, created_by="a")
        assert load_bundle(connection) == before
        set_template_files(connection, {"notes.typ": own}, created_by="anna")
        bundle = load_bundle(connection)
        (listed,) = list_own_files(connection)
    assert (listed.name, listed.size_bytes, listed.created_by) == ("notes.typ", len(own), "anna")
    assert bundle.sha256 != before.sha256
    assert pickle.loads(pickle.dumps(bundle)) == bundle
    made = render_with(own={"notes.typ": bundle.files["notes.typ"]}).render(sample_invoice(), XML, language="de")
    assert "Unser Gruß steht hier" in page_texts(made.pdf)[0]
    with organization_scope(engine, other) as connection:
        assert load_bundle(connection) == before
        assert list_own_files(connection) == []
        with pytest.raises(DeliveryError, match=r"no template file 'notes.typ', the project has one"):
            remove_template_file(connection, "notes.typ", created_by="eve")
    with organization_scope(engine, mine) as connection:
        remove_template_file(connection, "notes.typ", created_by="anna")
        assert load_bundle(connection) == before
        rows = connection.execute(text("select count(*), count(content) from delivery.template_file")).one()
    assert tuple(rows) == (2, 1)  # nothing is forgotten


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("notes.typ", b"#let notes(data) = {\n  data.unknown\n}", 2, "unknown"),
        ("notes.typ", b"\n\n#let notes(data) = [\n", 3, "unclosed"),
        ("notes.typ", b'#import "style.typ": say\n#let notes(data) = say(1, colour: 2)', 2, "expected content"),
        ("footer.typ", b"#let footer(data) = []\n", None, "unresolved import (the organization's own: footer.typ)"),
        ("notes.typ", b"\xff\xfe", 1, "UTF-8"),
        ("notes.typ", b'// a\n#import "@preview/cetz:0.3.0"\n' + NOTES, 2, "is a package"),
        ("notes.typ", b'#import "/etc/passwd": *\n', 1, "no template file '/etc/passwd'"),
        ("notes.typ", b'#include "../../secret.typ"\n', 1, "no template file"),
        ("notes.typ", b'#import "\\u{40}preview/cetz:0.3.0"\n', 1, "in quotes"),
        ("notes.typ", b'#let p = "@pre" + "view/cetz:0.3.0"\n#import p: *\n', 2, "in quotes"),
        ("notes.typ", b'#let p = "@pre" + "view/cetz:0.3.0"\n#{ -import p }\n', 2, "in quotes"),
        ("notes.typ", b'#let p = "@preview/cetz:0.3.0"\n#{ 1-include/**/p }\n', 2, "in quotes"),
        ("notes.typ", b'#let x = 1\n#{ -std.eval("1") }\n', 2, '"std" is not'),
        ("notes.typ", b'#let x = 1\n#eval("1")\n', 2, '"eval" is not'),
        ("notes.typ", b'#dictionary(std).at("ev" + "al")("1")', 1, "is not"),
        ("notes.typ", b'#let notes(data) = read("/etc/hostname")', 1, "not found"),
        ("notes.typ", b'#let notes(data) = read("../../../etc/hostname")', 1, "escape"),
        ("notes.typ", b"#let notes(data) = notes(data)", 1, "maximum"),
        ("notes.typ", b"#let notes(data) = { let x = 0\n while x < 1 { x -= 1 } }", 2, "infinite"),
        ("texts/de.toml", b'[words]\ninvoice = "Rechnung\n', 2, "TOML"),
        ("texts/fr.toml", project_files()["texts/en.toml"].replace(b'total = "Total"\n', b""), None, "words.total"),
        (
            "texts/fr.toml",
            project_files()["texts/en.toml"].replace(b"due {due_date}", b"due {due_date.__class__}"),
            None,
            "sentences.due can hold {due_date}",
        ),
        ("texts/qq.toml", project_files()["texts/en.toml"], None, "not a language"),
        ("logo.png", b"no picture", None, "image"),
        ("Logo.PNG", b"x", None, "small letters"),
        ("../notes.typ", b"x", None, "small letters"),
        ("notes.typ", b"/" * 1_000_001, None, "1,000,000 are allowed"),
    ],
)
def test_what_is_broken_or_reaches_out_is_refused_with_its_line(
    name: str, content: bytes, line: int | None, says: str
) -> None:
    error = refused({name: content})
    assert says in str(error) or (says == "TOML" and error.file == name)
    if line is not None:
        assert (error.file, error.line) == (name, line)
        assert str(error).startswith(f"{name}, line {line}: ")
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.file, copied.line) == (str(error), error.file, error.line)


def test_each_file_of_the_project_may_be_an_organizations_own() -> None:
    check_sources(bundle_of({name: content + b"\n" for name, content in project_files().items()}))


@pytest.mark.slow
def test_a_runaway_template_is_ended() -> None:
    own = {
        "notes.typ": b"#let notes(data) = for a in range(9999) { for b in range(9999) { for c in range(9999) { } } }"
    }
    with pytest.raises(TemplateError, match=r"^the samples took more than 3 seconds$"):
        check_bundle(bundle_of(own), LOOK, time_limit=3)


def test_rendering_asks_nobody_on_the_network_even_if_a_file_got_past_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {"notes.typ": b'#import "@preview/cetz:0.3.0"\n' + NOTES}
    listening = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listening.getsockname()[1]}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listening.getsockname()[1]}")
    listening.settimeout(0.2)
    with pytest.raises(TemplateError, match="is a package"):
        render_with(own=own).render(sample_invoice(), XML, language="de")
    with pytest.raises(TimeoutError):
        listening.accept()
    listening.close()


def test_samples_that_cannot_be_read_aloud_are_named() -> None:
    silent = b'#let notes(data) = if data.qr_code != none { image(bytes(data.qr_code), format: "svg") }'
    named = not_accessible(samples(bundle_of({"notes.typ": silent}), LOOK))
    assert "invoice-de.pdf" in named
    assert "credit-note-de.pdf" not in named


def test_what_the_machine_cleaned_up_is_written_again() -> None:
    renderer = render_with()
    before = renderer.render(sample_invoice(), XML, language="de")
    shutil.rmtree(renderer._folder.name)
    assert renderer.render(sample_invoice(), XML, language="de") == before


def test_a_logo_stands_on_the_page_instead_of_the_name(tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "logo.png"
    Image.new("RGBA", (400, 100), (200, 30, 0, 255)).save(picture)
    plain = render_with().render(sample_invoice(), XML, language="de").pdf
    with_logo = render_with(own={"logo.png": picture.read_bytes()}).render(sample_invoice(), XML, language="de").pdf
    assert with_logo.count(b"/Subtype/Image") > plain.count(b"/Subtype/Image")
