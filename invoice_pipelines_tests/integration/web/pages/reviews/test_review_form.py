"""The review desk as a plain page: the queue, an invoice beside its page, and decisions without a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from urllib.parse import unquote

import httpx
import pytest
from playwright.sync_api import Browser

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.integration.web.intake.conftest import IntakeTenant
from invoice_pipelines_tests.integration.web.pages.reviews.rows import e_invoice, fill, waiting
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.intake.review.lane import judged, on_paper


@contextmanager
def at_desk(office: IntakeTenant, role: Role = Role.ACCOUNTANT, language: str = "en") -> Iterator[httpx.Client]:
    """A person on the pages of the organization, in a browser without scripts."""
    client = office.site.browser(office.tenant.sessions[role])
    client.base_url = httpx.URL(f"{office.site.url}/desk/{office.tenant.slug}/")
    client.headers["Accept-Language"] = language
    with client:
        yield client


def form_of(page: str) -> dict[str, str]:
    """What the main form of a review would send as it is."""
    form = page[page.index('id="values"') : page.index("</form>", page.index('id="values"'))]
    found = {}
    for tag in re.findall(r"<input [^>]*>", form):
        given = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if given.get("type") != "radio" or "checked" in tag:
            found[given["name"]] = unescape(given["value"])
    for name, options in re.findall(r'<select id="[^"]*" name="([^"]*)">(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def follow(client: httpx.Client, answer: httpx.Response) -> httpx.Response:
    """The page where a form led."""
    assert answer.status_code == 303, answer.text
    return client.get(httpx.URL(str(answer.url)).join(answer.headers["location"]))


def decide(client: httpx.Client, invoice: str, what: str = "accept", **values: str) -> httpx.Response:
    """Sends the form with other values, such as number="HW-77"."""
    form = form_of(client.get(f"reviews/{invoice}").text)
    changed = {f"value.{name.replace('__', '.')}": value for name, value in values.items()}
    return client.post(f"reviews/{invoice}/decide", data={**form, **changed, "what": what})


@needs_chromium
@pytest.mark.parametrize(
    ("width", "language", "scheme"), list(zip(WIDTHS, ("en", "de", "de"), ("light", "dark", "light"), strict=True))
)
def test_the_desk_can_be_used_by_everybody(
    office: IntakeTenant, browser: Browser, width: int, language: str, scheme: str
) -> None:
    invoices = fill(office)
    session = office.tenant.sessions[Role.ACCOUNTANT]
    own = f"/desk/{office.tenant.slug}/reviews"
    with visiting(browser, office.site.url, session, language=language, scheme=scheme, width=width) as visitor:
        for address in (own, f"{own}/{invoices[1]}"):
            visitor.open(address)
            assert visitor.serious_findings() == [], address
            assert visitor.overflow() == 0, address


def test_the_queue_says_what_waits_and_why(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with at_desk(office) as client:
        page = client.get("reviews").text
        for text in ("Zimmerei Holzwurm GmbH", "1,190.00\u00a0EUR", "Missing value: Invoice number", "Free", "Start"):
            assert text in page, text
        assert "Nothing fits the filter" in client.get("reviews", params={"seller": "nobody"}).text
        assert "Nothing fits the filter" in client.get("reviews", params={"field": "iban"}).text
        for fits in ({"seller": "holzwurm"}, {"field": "number"}, {"code": "IP-REQ-01"}, {"show": "free"}):
            assert invoice in client.get("reviews", params=fits).text, fits
    with at_desk(office, language="de") as client:
        page = client.get("reviews").text
        for text in ("Fehlender Wert: Rechnungsnummer", "1.190,00\u00a0EUR", "Verkäufer"):
            assert text in page, text


def test_a_review_is_decided_without_a_script_and_the_next_one_comes(office: IntakeTenant) -> None:
    first, second = waiting(office), waiting(office, "HW-90", "2000.00", seller="Tischlerei Span", vat_id="DE811569869")
    with at_desk(office) as client:
        began = client.post("reviews/next")
        assert (began.status_code, began.headers["location"]) == (303, f"/desk/{office.tenant.slug}/reviews/{first}")
        page = client.get(f"reviews/{first}").text
        for text in ("You are at it", "Missing value", "Also on the page", f"reviews/{first}/pages/1", "does not tie"):
            assert text in page, text
        done = decide(client, first, number="HW-77")
        assert done.status_code == 303, done.text
        assert done.headers["location"].startswith(f"/desk/{office.tenant.slug}/reviews/{second}?decided={first}")
        assert office.desk.status(first) == "VALIDATED"
        page = follow(client, done).text
        for text in ("Corrected", "HW-77", "Invoice number", "Undo", "You are at it"):
            assert text in page, text
        last = decide(client, second, number="HW-90")
        assert f"reviews?decided={second}" in last.headers["location"]
        page = follow(client, last).text
        assert "Nothing waits for a person" in page
        assert "Undo" in page
        assert "Corrected by you" in client.get(f"reviews/{second}").text


def test_what_is_left_as_it_is_counts_as_right(office: IntakeTenant) -> None:
    invoice = str(judged(office.desk, on_paper(gross_amount=0.8, number=0.5)))
    with at_desk(office) as client:
        page = client.get(f"reviews/{invoice}").text
        assert "Read with 80% certainty; below 95% a person has to look." in page
        assert page.index("Read with 50%") < page.index("Read without doubt")
        assert decide(client, invoice).status_code == 303
    assert office.desk.status(invoice) == "VALIDATED"
    made = {row.field: row.decision for row in office.desk.rows("select field, decision from intake.review_decision")}
    assert made == {"number": "accepted", "gross_amount": "accepted"}


@pytest.mark.parametrize(
    ("language", "values"),
    [
        (
            "de",
            {"gross_amount": "2.380,00", "net_amount": "2000,00", "tax_amount": "380.00", "issue_date": "5. März 2026"},
        ),
        (
            "en",
            {"gross_amount": "2,380.00", "net_amount": "2000.00", "tax_amount": "380,00", "issue_date": "05.03.2026"},
        ),
    ],
)
def test_values_are_typed_as_people_write_them(office: IntakeTenant, language: str, values: dict[str, str]) -> None:
    invoice = waiting(office)
    with at_desk(office, language=language) as client:
        done = decide(
            client, invoice, number="HW-77", payable_amount="", tax_breakdowns="19 % 2.000,00 380,00", **values
        )
        assert done.status_code == 303, done.text
    row = office.desk.rows("select gross_amount, issue_date from intake.received_invoice where id = :id", id=invoice)[0]
    assert (str(row.gross_amount), str(row.issue_date)) == ("2380.00", "2026-03-05")


def test_what_is_wrong_stands_at_its_field_and_nothing_typed_is_lost(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with at_desk(office, language="de") as client:
        told = decide(client, invoice, number="HW-77", gross_amount="viel", issue_date="31.2.2026")
        assert told.status_code == 422
        for text in (
            "kein Betrag, der keinen Zweifel",
            "kein Tag, der keinen Zweifel",
            'value="viel"',
            'value="HW-77"',
        ):
            assert text in told.text, text
        broken = decide(client, invoice, gross_amount="1.200,00", number="HW-77")
        assert broken.status_code == 303
        page = follow(client, broken).text
        assert "geht nicht auf" in page
        refused = decide(client, invoice)
        assert refused.status_code == 409
        assert "Eine Regel ist verletzt" in refused.text
    assert office.desk.status(invoice) == "PARSED"


def test_a_candidate_is_chosen_and_only_changes_are_saved(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with at_desk(office) as client:
        page = client.get(f"reviews/{invoice}").text
        number = re.search(r'name="candidate.number" value="(\d)" data-written="HW-77"', page)
        assert number is not None
        form = form_of(page) | {"what": "save"}
        nothing = client.post(f"reviews/{invoice}/decide", data=form)
        assert (nothing.status_code, "nothing to save" in nothing.text) == (422, True)
        done = client.post(f"reviews/{invoice}/decide", data=form | {"candidate.number": number[1]})
        assert done.status_code == 303
    assert office.desk.one("select invoice_number from intake.received_invoice where id = :id", id=invoice) == "HW-77"


def test_of_two_people_the_second_is_told_and_keeps_what_was_typed(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with at_desk(office) as anna, at_desk(office, Role.ADMIN) as bert:
        stale = form_of(bert.get(f"reviews/{invoice}").text)
        assert decide(anna, invoice, number="HW-77").status_code == 303
        late = bert.post(f"reviews/{invoice}/decide", data=stale | {"value.number": "HW-99", "what": "accept"})
        assert late.status_code == 412
        for text in ("Somebody was faster", "Corrected by accountant-", "What you had typed", "HW-99"):
            assert text in late.text, text
    assert office.desk.one("select count(*) from intake.review_decision") == 1


def test_who_is_at_an_invoice_is_seen_and_not_overruled(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with at_desk(office) as anna, at_desk(office, Role.ADMIN) as bert:
        anna.post(f"reviews/{invoice}/claim")
        assert "Taken by accountant-" in bert.get(f"reviews/{invoice}").text
        refused = decide(bert, invoice, number="HW-99")
        assert refused.status_code == 409
        assert "accountant-" in refused.text
        assert 'value="HW-99"' in refused.text
        assert bert.post("reviews/next").headers["location"].endswith("/reviews")
        assert anna.post(f"reviews/{invoice}/release").status_code == 303
        assert bert.post("reviews/next").headers["location"].endswith(invoice)


def test_an_admin_takes_an_invoice_over_and_whoever_had_it_is_told(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with at_desk(office) as anna, at_desk(office, Role.ADMIN) as bert:
        anna.post(f"reviews/{invoice}/claim")
        assert "Take over" in bert.get(f"reviews/{invoice}").text
        taken = bert.post(f"reviews/{invoice}/take-over")
        assert "You are at this invoice now; accountant-" in unquote(taken.headers["set-cookie"])
        told = anna.post(f"reviews/{invoice}/claim", headers={"Accept": "application/json"}).json()
        assert told["mine"] is False
        assert told["words"].startswith("admin-")
        shown = anna.get(f"reviews/{invoice}").text
        assert "Taken over from accountant-" in shown
        assert "Take over</button>" not in shown
        late = decide(anna, invoice, number="HW-99")
        assert (late.status_code, 'value="HW-99"' in late.text) == (409, True)
        assert anna.post(f"reviews/{invoice}/take-over").status_code == 403
        assert decide(bert, invoice, number="HW-77").status_code == 303


def test_a_decision_is_undone_with_what_it_taught(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with at_desk(office) as client:
        before = form_of(client.get(f"reviews/{invoice}").text)
        done = decide(client, invoice, number="HW-77")
        assert office.desk.one("select count(*) from intake.supplier_layout") == 1
        page = follow(client, done).text
        seen = re.search(r'/undo" data-undo><input type="hidden" name="seen" value="([^"]*)"', page)
        assert seen is not None
        assert client.post(f"reviews/{invoice}/undo", data={"seen": "x"}).status_code == 412
        undone = client.post(f"reviews/{invoice}/undo", data={"seen": seen[1]})
        assert undone.headers["location"].endswith(invoice)
        again = form_of(client.get(f"reviews/{invoice}").text)
        assert {**again, "seen": ""} == {**before, "seen": ""}
    assert office.desk.one("select count(*) from intake.supplier_layout") == 0


def test_an_invoice_is_rejected_put_off_and_noted_on(office: IntakeTenant) -> None:
    first, second = waiting(office), waiting(office, "HW-90", "2000.00", seller="Tischlerei Span", vat_id="DE811569869")
    with at_desk(office) as client:
        key = {"key": "a-key", "note": "Called <b>them</b>."}
        for _ in range(2):
            assert client.post(f"reviews/{first}/notes", data=key).status_code == 303
        page = client.get(f"reviews/{first}").text
        assert page.count("Called &lt;b&gt;them&lt;/b&gt;.") == 1
        off = client.post(f"reviews/{first}/postpone", data={"days": "1"})
        assert off.headers["location"].endswith(second)
        assert "Put off until" in client.get(f"reviews/{first}").text
        assert first in client.get("reviews", params={"show": "postponed"}).text
        assert client.post(f"reviews/{first}/postpone", data={"days": "0"}).status_code == 303
        seen = {"seen": form_of(client.get(f"reviews/{second}").text)["seen"]}
        nothing = client.post(f"reviews/{second}/reject", data=seen | {"reason": " "})
        assert (nothing.status_code, "needs a reason" in nothing.text) == (422, True)
        gone = client.post(f"reviews/{second}/reject", data=seen | {"reason": "not for us"})
        assert gone.headers["location"].endswith(f"reviews/{first}?decided={second}")
    assert office.desk.status(second) == "FAILED"


def test_an_e_invoice_is_accepted_or_rejected_as_it_is(office: IntakeTenant) -> None:
    e_invoice(office, "N-1", "DE02120300000000202051")
    invoice = e_invoice(office, "N-2", "DE89370400440532013000")
    with at_desk(office) as client:
        page = client.get(f"reviews/{invoice}").text
        assert "This is an e-invoice" in page
        assert "no pages that could be shown" in page
        assert decide(client, invoice, gross_amount="1.00").status_code == 409
        assert decide(client, invoice).status_code == 303
    assert office.desk.status(invoice) == "VALIDATED"


def test_a_viewer_looks_and_decides_nothing(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with at_desk(office, Role.VIEWER) as client:
        assert "Start" not in client.get("reviews").text
        page = client.get(f"reviews/{invoice}").text
        assert "readonly" in page
        assert "Reject" not in page
        assert client.post(f"reviews/{invoice}/decide", data=form_of(page)).status_code == 403


def test_an_invoice_is_handed_over_to_who_decides_here_and_to_nobody_else(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with at_desk(office) as anna, at_desk(office, Role.ADMIN) as bert:
        with at_desk(office, Role.VIEWER) as viewer:
            assert "admin-" not in viewer.get(f"reviews/{invoice}").text
        page = anna.get(f"reviews/{invoice}").text
        people = re.findall(r'<option value="([^"]*@[^"]*)"', page)
        assert [email.partition("-")[0] for email in people] == ["admin"]
        for nobody in ("", "viewer@example.com", "stranger@example.com"):
            assert anna.post(f"reviews/{invoice}/hand-over", data={"to": nobody}).status_code == 422
        gone = anna.post(f"reviews/{invoice}/hand-over", data={"to": people[0], "note": "Please ask them."})
        assert "Nothing free is left" not in follow(anna, gone).text
        assert "Handed over to Admin." in unquote(gone.headers["set-cookie"])
        assert "Taken by admin-" in anna.get(f"reviews/{invoice}").text
        page = bert.get(f"reviews/{invoice}").text
        assert "You are at it" in page
        assert "Please ask them." in page
        assert decide(bert, invoice, number="HW-77").status_code == 303
