"""A person signs in through an OIDC provider, with a real browser and the web as `invoice-pipelines web` runs it."""

from __future__ import annotations

from pathlib import Path

from cryptography.fernet import Fernet

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import set_role
from invoice_pipelines_tests.support.desk.visitors import needs_chromium
from invoice_pipelines_tests.support.oidc import CLIENT_ID, CLIENT_SECRET, running_provider
from invoice_pipelines_tests.support.web import add_person
from invoice_pipelines_tests.system.ui.browser import browsing
from invoice_pipelines_tests.system.web.process import installation

WHO = "fetch('/api/v1/session').then(answer => answer.json()).then(who => who.email || who.code)"


@needs_chromium
def test_a_browser_goes_to_the_provider_and_comes_back_signed_in_also_after_the_key_was_changed(tmp_path: Path) -> None:
    first, second = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with (
        running_provider() as provider,
        installation(
            tmp_path / "home",
            INVOICE_PIPELINES_OIDC_ISSUER=provider.issuer,
            INVOICE_PIPELINES_OIDC_CLIENT_ID=CLIENT_ID,
            INVOICE_PIPELINES_OIDC_CLIENT_SECRET=CLIENT_SECRET,
            INVOICE_PIPELINES_ENCRYPTION_KEYS=first,
        ) as running,
        browsing(tmp_path / "profile") as page,
    ):
        email = add_person(running.database, "hanna")
        with running.database.engine.begin() as connection:
            set_role(connection, email, running.a.slug, Role.VIEWER, actor="test")
        provider.person = {"sub": "hanna", "email": email, "email_verified": True}
        page.ask("Page.enable")
        page.ask("Page.setBypassCSP", enabled=True)
        for keys in (first, f"{second},{first}", second):
            if keys != first:  # with which it was started
                running.web.variables = {**running.web.variables, "INVOICE_PIPELINES_ENCRYPTION_KEYS": keys}
                running.web.terminate()
                running.web.start()
            page.open(f"{running.web.url}/api/v1/oidc/start?target=/api/docs")
            page.see("Come back from the OIDC provider")
            assert page.look("location.pathname") == "/api/docs"
            assert page.look(WHO) == email
            assert page.look("document.cookie") == ""
            assert page.look("fetch('/api/v1/session', {method: 'DELETE'}).then(answer => answer.status)") == 204
            assert page.look(WHO) == "NOT_SIGNED_IN"
