"""Every setting of the project, typed, in one place. Values come from the environment.

The table in docs/settings.md is made from this module. Secrets are `SecretStr`, so that they never stand in a log.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.registry import OCR_ENGINES

PREFIX = "INVOICE_PIPELINES_"

_TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class SettingsError(InvoicePipelinesError):
    """A setting has a wrong value. The message names the variable and what is wrong with it."""


def _ocr_engine(name: str) -> str:
    return OCR_ENGINES.check(name, "none")


class Settings(BaseSettings):
    """What an operator can set. Each field is read from the variable `INVOICE_PIPELINES_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    home: Path = Field(
        default=Path(".dagster_home"),
        validation_alias="DAGSTER_HOME",
        description="Folder for everything that is kept: Dagster's home, the embedded PostgreSQL, and by default "
        "inbox, originals and export files.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL 18 or newer, as `postgresql://user:password@host:5432/database`. Work is done as the "
        "role `invoice_pipelines_app`; the login must be that role or be allowed to switch to it. "
        "Unset: the embedded server.",
    )
    database_owner_url: SecretStr | None = Field(
        default=None,
        description="A login for `db migrate` that may create roles and schemas. Unset: `DATABASE_URL`.",
    )
    dagster_database_url: SecretStr | None = Field(
        default=None,
        description="Where Dagster keeps runs, events and schedules. Unset: a database on the same server, named "
        "like the business database with `_dagster` behind it.",
    )
    database_connect_seconds: float = Field(
        default=10.0,
        ge=1,
        le=600,
        description="How long, in seconds, a connection to PostgreSQL is waited for, also while all of them are taken "
        "or the server is just starting.",
    )
    database_lock_timeout_seconds: float = Field(
        default=30.0,
        ge=0.1,
        le=86400,
        description="How long, in seconds, work waits for what another transaction has locked. After that it says who "
        "holds it, and is put off and tried again.",
    )
    database_idle_transaction_seconds: float = Field(
        default=1800.0,
        ge=1,
        le=86400,
        description="After how many seconds PostgreSQL ends a session of this program whose transaction does nothing, "
        "such as that of a process that stands still. At least as long as `LEASE_SECONDS`.",
    )
    psql_idle_transaction_seconds: float = Field(
        default=300.0,
        ge=1,
        le=86400,
        description="The same for sessions of `db psql`: a transaction that somebody left open there holds up work.",
    )
    postgresql_bin: Path | None = Field(
        default=None,
        description="Folder with `initdb` and `postgres` (18 or newer) for the embedded server. "
        "Unset: the binaries of the installed wheel.",
    )
    inbox: str | None = Field(
        default=None,
        description="Where files arrive, one folder per organization below it: a folder, `s3://bucket/path` or "
        "`gs://bucket/path`. Unset: `inbox` in the home folder.",
    )
    originals: str | None = Field(
        default=None,
        description="Where uploads are kept unchanged, addressed by sha256 (folder, s3:// or gs://). "
        "Unset: `originals` in the home folder.",
    )
    exports: str | None = Field(
        default=None,
        description="Where export files are written (folder, s3:// or gs://). Unset: `exports` in the home folder.",
    )
    documents: str | None = Field(
        default=None,
        description="Where the documents of issued invoices are kept, addressed by sha256 (folder, s3:// or gs://). "
        "Unset: `documents` in the home folder.",
    )
    inbox_settle_seconds: float = Field(
        default=3.0,
        ge=0,
        le=3600,
        description="How long, in seconds, the size of a file in the inbox must stand still before it is taken.",
    )
    inbox_after_intake: Literal["remove", "keep"] = Field(
        default="remove",
        description="What becomes of an inbox file once its original is stored and recorded: `remove` or `keep`.",
    )
    upload_max_megabytes: int = Field(
        default=50, ge=1, le=2048, description="Size of the largest upload that is read, in megabytes."
    )
    intake_chunk_size: int = Field(
        default=50, ge=1, le=5000, description="How many documents one transaction of the intake takes."
    )
    intake_max_attempts: int = Field(
        default=6, ge=1, le=100, description="How often a document that ends in an unexpected fault is tried."
    )
    ocr_engine: Annotated[str, AfterValidator(_ocr_engine)] = Field(
        default="rapidocr",
        description="What reads pages that are pictures, where an organization does not choose: `rapidocr` (embedded), "
        "`tesseract` (light; needs the extra `tesseract`), `cloud_vision` (Google; pages leave the house and cost "
        "money), one that another package adds, or `none`. There is never a fallback from one to another.",
    )
    ocr_processes: int = Field(
        default=2,
        ge=1,
        le=256,
        description="How many processes of an embedded OCR engine there may be on this machine; `rapidocr` needs up to "
        "1.5 GB of memory for each.",
    )
    ocr_threads: int = Field(default=1, ge=1, le=64, description="Threads of each process of an embedded OCR engine.")
    ocr_languages: tuple[str, ...] = Field(
        default=("de", "en"),
        description="Languages of the documents (ISO 639-1), as a JSON list: the models of `tesseract`; the others "
        "read all Latin ones.",
    )
    vision_endpoint: str | None = Field(
        default=None,
        description="Host of Google Cloud Vision, such as `eu-vision.googleapis.com`; `insecure://host:port` for a "
        "local server without encryption. Unset: Google's default.",
    )
    vision_parent: str | None = Field(
        default=None,
        description="Where Google Cloud Vision works and bills, as `projects/PROJECT/locations/eu`. Unset: the project "
        "of the credentials, any location.",
    )
    vision_language_hints: tuple[str, ...] = Field(
        default=(),
        description="Languages that all documents are in (ISO 639-1), as a JSON list, as hints for Google Cloud "
        "Vision. It finds them by itself, and reads worse where a hint is wrong: best left empty for Latin letters.",
    )
    vision_requests_per_minute: int = Field(
        default=600, ge=1, le=100_000, description="Pages sent to Google Cloud Vision in a minute at the most."
    )
    vision_usd_per_1000_pages: Decimal = Field(
        default=Decimal("1.50"), ge=0, description="Price of 1,000 pages in US dollars, for the record of costs."
    )
    lease_seconds: int = Field(
        default=300, ge=5, le=86400, description="After how many seconds the work of a dead process is taken over."
    )
    run_time_box_seconds: int = Field(
        default=1800, ge=10, le=86400, description="After how many seconds a run ends and leaves the rest to the next."
    )
    rest_after_failure_seconds: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="How long, in seconds, an organization is left alone after a failed run; twice as long after each "
        "further one, up to twenty times as long.",
    )
    sweep_threshold: int = Field(
        default=20,
        ge=1,
        le=10000,
        description="With more organizations due than this, one sweep run takes them instead of one run for each.",
    )
    sweep_size: int = Field(
        default=200, ge=1, le=10000, description="How many organizations one sweep run takes at the most."
    )
    keep_runs_days: int = Field(
        default=90,
        ge=1,
        le=36500,
        description="For how many days Dagster's records of ended runs are kept, and, for at least 30 days, items of "
        "batch jobs that ended and the log of runs that looked for overdue invoices. Batch jobs, who asked for them, "
        "invoices, their audit trail, originals and exports are never removed.",
    )
    keep_notifications_days: int = Field(
        default=3650,
        ge=2192,
        le=36500,
        description="For how many days notifications of overdue invoices are kept after they were closed: at least six "
        "years, as German law asks for letters that were sent. If the payment is taken back after that, the customer "
        "is told again.",
    )
    # Those of the schedule are text, which is never wrong: `overdue.read_schedule` tells what they mean, so that a
    # wrong value stops this schedule and nothing else.
    scheduler_schedule_type: str = Field(
        default="cron",
        validation_alias="SCHEDULER_SCHEDULE_TYPE",
        description="When overdue invoices are looked for: `cron` or `interval`. A wrong value of one of the "
        "`SCHEDULER_` variables stops this schedule only, which says why in its ticks, as does `status`. They are read "
        "when the services start.",
    )
    scheduler_schedule_value: str = Field(
        default="0 0 * * *",
        validation_alias="SCHEDULER_SCHEDULE_VALUE",
        description="A cron expression of five fields; for `interval` the whole hours from one run to the next.",
    )
    scheduler_timezone: str = Field(
        default="UTC",
        validation_alias="SCHEDULER_TIMEZONE",
        description="Time zone of the cron expression, an IANA name. What is overdue is judged by the day of each "
        "organization, not by this.",
    )
    scheduler_batch_size: str = Field(
        default="100",
        validation_alias="SCHEDULER_BATCH_SIZE",
        description="How many notifications one transaction makes or closes.",
    )
    quickbooks_client_id: str | None = Field(
        default=None,
        description="Client id of the app at developer.intuit.com that organizations connect with QuickBooks Online.",
    )
    quickbooks_client_secret: SecretStr | None = Field(default=None, description="Client secret of that app.")
    quickbooks_redirect_uri: str | None = Field(
        default=None,
        description="Where QuickBooks sends a person back to after connecting, exactly as entered for the app. For "
        "production keys Intuit takes `https://` with a host name only; nothing needs to answer there, as the address "
        "is pasted into `quickbooks callback`. For development keys it may be `http://localhost:PORT/...`, where "
        "`quickbooks connect` waits.",
    )
    quickbooks_api_url: str = Field(
        default="https://quickbooks.api.intuit.com",
        description="Where QuickBooks Online is asked; Intuit's test companies are at "
        "`https://sandbox-quickbooks.api.intuit.com`.",
    )
    quickbooks_authorization_url: str = Field(
        default="https://appcenter.intuit.com/connect/oauth2",
        description="Page on which a person allows the connection.",
    )
    quickbooks_token_url: str = Field(
        default="https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
        description="Where access tokens of QuickBooks are got and refreshed.",
    )
    quickbooks_revoke_url: str = Field(
        default="https://developer.api.intuit.com/v2/oauth2/tokens/revoke",
        description="Where tokens of QuickBooks are given back at `quickbooks disconnect`.",
    )
    encryption_keys: SecretStr | None = Field(
        default=None,
        description="Keys that tokens of outside services are encrypted with (Fernet: 32 bytes as URL-safe base64), "
        "comma separated: the first encrypts, all decrypt. Unset: `encryption.key` in the home folder, made at first "
        "use; without it all connections must be made again.",
    )
    quickbooks_requests_per_minute: int = Field(
        default=500, ge=1, le=100_000, description="Calls to one company of QuickBooks in a minute at the most."
    )
    quickbooks_requests_per_second: int = Field(
        default=10, ge=1, le=1000, description="Calls to one company of QuickBooks in a second at the most."
    )
    quickbooks_batches_per_minute: int = Field(
        default=40, ge=1, le=10_000, description="Batch calls to one company of QuickBooks in a minute at the most."
    )
    quickbooks_batch_size: int = Field(
        default=30, ge=1, le=30, description="How many records one batch call to QuickBooks carries at the most."
    )
    quickbooks_parallel_calls: int = Field(
        default=4, ge=1, le=10, description="How many calls a run has under way at QuickBooks at the same time."
    )
    quickbooks_timeout_seconds: float = Field(
        default=130.0,
        gt=0,
        le=600,
        description="How long, in seconds, an answer of QuickBooks is waited for, which itself gives up after 120.",
    )
    quickbooks_push_seconds: int = Field(
        default=60, ge=60, le=300, description="How often, in seconds, it is looked for what QuickBooks has to be told."
    )
    quickbooks_payments_at: str = Field(
        default="02:00",
        pattern=_TIME_OF_DAY,
        description="When payments are pulled from QuickBooks, in the time zone of each organization.",
    )
    quickbooks_customers_at: str = Field(
        default="03:00", pattern=_TIME_OF_DAY, description="When customers are pulled from QuickBooks, likewise."
    )
    quickbooks_items_at: str = Field(
        default="04:00", pattern=_TIME_OF_DAY, description="When items are pulled from QuickBooks, likewise."
    )
    document_processes: int = Field(
        default=2, ge=1, le=256, description="How many processes a run makes documents of issued invoices in."
    )
    smtp_host: str | None = Field(
        default=None, description="Mail server that emails are handed over to. Unset: emails wait."
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="`starttls`, `tls` (from the first byte, mostly port 465) or `none`: unencrypted, for a server "
        "on this machine (127.0.0.1, ::1, localhost); with any other the start is refused.",
    )
    smtp_user: str | None = Field(default=None, description="Login at the mail server. Unset: without login.")
    smtp_password: SecretStr | None = Field(default=None, description="Password of that login.")
    smtp_timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="How long, in seconds, an answer of the mail server is waited for."
    )
    email_from: str | None = Field(
        default=None, description="Address that emails come from, where an organization has none of its own."
    )
    email_archive_to: str | None = Field(
        default=None,
        description="Address that gets a blind copy of each email. With the `IMAP_` variables, its mailbox is where "
        "it is looked up whether an email went out, when the answer of the mail server was lost.",
    )
    email_bounces_to: str | None = Field(
        default=None,
        description="Address to which reports of undeliverable emails return (the sender of the envelope), whose mail "
        "arrives in `IMAP_BOUNCES_MAILBOX`. Unset: the sender of each email.",
    )
    imap_host: str | None = Field(
        default=None,
        description="Server of the mailbox with the blind copies (or with what the mail server keeps as sent), and "
        "with what came back. Unset: whether an email went out when the answer was lost is for a person to decide.",
    )
    imap_port: int = Field(default=993, ge=1, le=65535, description="Port of that server.")
    imap_security: Literal["starttls", "tls", "none"] = Field(default="tls", description="As `SMTP_SECURITY`.")
    imap_user: str | None = Field(default=None, description="Login there.")
    imap_password: SecretStr | None = Field(default=None, description="Password of that login.")
    imap_mailbox: str = Field(default="INBOX", description="Folder with the blind copies, or the sent mail.")
    imap_bounces_mailbox: str | None = Field(
        default=None, description="Folder in which reports of undeliverable emails arrive. Unset: they are not read."
    )
    twilio_account_sid: str | None = Field(default=None, description="Account at Twilio. Unset: SMS and WhatsApp wait.")
    twilio_auth_token: SecretStr | None = Field(default=None, description="Its auth token.")
    twilio_url: str = Field(default="https://api.twilio.com", description="Where Twilio is asked.")
    twilio_timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="How long, in seconds, an answer of Twilio is waited for."
    )
    look_up_after_seconds: float = Field(
        default=60.0,
        ge=0,
        le=86400,
        description="How long after an attempt whose answer was lost a provider is asked what became of the message: "
        "what it does not know by then is sent again.",
    )
    message_senders: int = Field(
        default=4, ge=1, le=12, description="How many messages a run has under way at the same time."
    )
    message_attempts: int = Field(
        default=8, ge=1, le=100, description="After how many attempts a fault that may pass is final."
    )
    redirect_email: str | None = Field(
        default=None, description="Test mode: all emails of all organizations go to this address instead."
    )
    redirect_phone: str | None = Field(
        default=None, description="Test mode: all SMS and WhatsApp messages go to this number instead."
    )
    rules_dir: Path | None = Field(
        default=None,
        description="Folder with the official validation rules (EN 16931 and XRechnung releases, unpacked). "
        "Unset: the rules of the installed libraries.",
    )
    webserver_host: str = Field(default="127.0.0.1", description="Address on which `up` serves the Dagster UI.")
    webserver_port: int = Field(default=3000, ge=1, le=65535, description="Port on which `up` serves the Dagster UI.")

    @field_validator("rules_dir", "postgresql_bin")
    @classmethod
    def _folder_exists(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError(f"{value} is not a folder")
        return value

    @field_validator("smtp_security", "imap_security")
    @classmethod
    def _is_encrypted_on_the_way(cls, value: str, info: ValidationInfo) -> str:
        host = info.data.get(f"{str(info.field_name).partition('_')[0]}_host")
        if value == "none" and host is not None and not is_this_machine(host):
            raise ValueError(
                f"login and invoices would go to {host} unencrypted, which is for this machine only (127.0.0.1, ::1, "
                "localhost): use starttls or tls"
            )
        return value

    @field_validator("quickbooks_redirect_uri")
    @classmethod
    def _is_taken_by_intuit(cls, value: str | None) -> str | None:
        if value is None or is_local_url(value):
            return value
        address = urlsplit(value)
        host = address.hostname or ""
        if address.scheme != "https" or "." not in host or address.fragment or _is_ip_address(host):
            raise ValueError(
                "Intuit takes https:// with a host name and no IP address (for production keys), or "
                "http://localhost:PORT/... (for development keys)"
            )
        return value

    @field_validator(
        "quickbooks_api_url", "quickbooks_authorization_url", "quickbooks_token_url", "quickbooks_revoke_url"
    )
    @classmethod
    def _is_https_or_local(cls, value: str) -> str:
        if urlsplit(value).scheme == "https" and urlsplit(value).hostname:
            return value
        if not is_local_url(value):
            raise ValueError(
                "tokens and invoices would travel unencrypted: use https://; http:// is for this machine only "
                "(127.0.0.1, ::1, localhost)"
            )
        return value

    @field_validator("encryption_keys")
    @classmethod
    def _keys_are_whole(cls, value: SecretStr | None) -> SecretStr | None:
        for key in value.get_secret_value().split(",") if value is not None else []:
            try:
                whole = len(base64.b64decode(key.strip(), altchars=b"-_", validate=True)) == 32
            except ValueError:
                whole = False
            if not whole:
                raise ValueError("each key must be 32 bytes as URL-safe base64, with commas between keys")
        return value

    @property
    def inbox_root(self) -> str:
        """The inbox, as a folder or URL."""
        return self.inbox or str(self.home.absolute() / "inbox")

    @property
    def originals_root(self) -> str:
        """The store of originals, as a folder or URL."""
        return self.originals or str(self.home.absolute() / "originals")

    @property
    def documents_root(self) -> str:
        """The store of documents of issued invoices, as a folder or URL."""
        return self.documents or str(self.home.absolute() / "documents")

    @property
    def exports_root(self) -> str:
        """Where exports go, as a folder or URL."""
        return self.exports or str(self.home.absolute() / "exports")


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine by its name alone: a name that merely leads here today may lead elsewhere."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")  # RFC 6761


def is_local_url(url: str) -> bool:
    """Whether this is an `http://` address of this machine, which needs no encryption on the way."""
    address = urlsplit(url)
    return address.scheme == "http" and address.hostname is not None and is_this_machine(address.hostname)


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def variable_of(field: str) -> str:
    """Name of the environment variable of a settings field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Reads the environment once per process.

    Raises SettingsError that names each wrong variable; the values of secrets are not repeated.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = []
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else "settings"
            variable = variable_of(name) if name in Settings.model_fields else name.upper()
            if not variable.isupper() or (variable != "DAGSTER_HOME" and not variable.startswith(PREFIX)):
                variable = PREFIX + name.upper()
            secret = any(word in name.lower() for word in ("url", "secret", "keys", "password", "token"))
            given = "" if secret else f" (given: {item.get('input')!r})"
            problems.append(f"{variable}: {item['msg']}{given}")
        raise SettingsError("; ".join(problems)) from None
