"""Files of a form, for browsers without scripts: all of them are taken, and a page says what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import Request, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake import lists
from invoice_pipelines.intake.stages.stages import MEGABYTE
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads, store_upload
from invoice_pipelines.intake.states import INTAKE_RUN
from invoice_pipelines.storage import TooLarge, root_path
from invoice_pipelines.web.api.intake.receiving import IncomingFile, receive_files
from invoice_pipelines.web.limits import limit_body
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.work.launching import Launcher

router = PageRouter()

MOST_FILES = 200
"""Files that are sent at once."""
_COUNTED_AS_THEY_COME = 2**63


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: kind and words of a badge, and why it was refused, or the invoice that is read from it;
    `same_as` is the name under which the same bytes came before.
    """

    name: str
    kind: str
    words: str
    reason: str = ""
    invoice_id: UUID | None = None
    same_as: str = ""


def upload_texts(language: Language, most_megabytes: int) -> dict[str, str]:
    """What is said of files, by the code of the API for those that are refused."""
    _ = language.gettext
    broken_off = _("The connection broke off.")
    return {
        "waits": _("Waits for its turn"),
        "sends": _("Is being sent"),
        "taken": _("Taken"),
        "duplicate": _("Received before"),
        "refused": _("Refused"),
        "not_sent": _("Not sent"),
        "open": _("Open the invoice"),
        "summary": _(
            "%(done)s of %(all)s files done: %(taken)s taken, %(duplicate)s received before, %(refused)s refused."
        ),
        "leaving": _("Files are still being sent."),
        "EMPTY": _("The file is empty."),
        "FOLDER": _("This is a folder. Open it, and drop the files in it."),
        "TOO_MANY_FILES": _("Too many files at once. Send this one with the next batch."),
        "TOO_LARGE": _("It is larger than %(size)s MB.") % {"size": most_megabytes},
        "NETWORK": broken_off,
        "BROKEN_OFF": broken_off,
        "TOO_SLOW": broken_off,
        "NOT_SIGNED_IN": _("You are signed out. Sign in in another tab, then try again."),
        "FORBIDDEN": _("Your role in this organization does not allow it."),
        "STORAGE_FULL": _("No space is left for files, so nothing was stored. Tell the operator; then send it again."),
        "OTHER": _("It could not be taken at the moment."),
    }


@router.post("/received/uploads", role=Role.ACCOUNTANT, area="intake", max_bytes=_COUNTED_AS_THEY_COME)
async def upload_files(page: Page, request: Request) -> Response:
    """Takes the files of a form."""
    settings = request.app.state.settings
    organization_id = await run_sync(_organization_id, page)

    def store(file: IncomingFile) -> tuple[str, StoredFile | str]:
        """The name of a file with what is stored of it, or with the code for which it is refused."""
        first = next(file.chunks, None)
        if first is None:
            return file.name, "EMPTY"
        try:
            stored = store_upload(
                root_path(settings.originals_root),
                organization_id,
                file.name,
                chain([first], file.chunks),
                settings.upload_max_megabytes * MEGABYTE,
                media_type=file.media_type,
            )
        except TooLarge:
            return file.name, "TOO_LARGE"
        return file.name, stored

    most_bytes = MOST_FILES * settings.upload_max_megabytes * MEGABYTE  # what is refused is read, too
    limited = Request(request.scope, limit_body(request, most_bytes))
    received = await receive_files(limited, store, MOST_FILES)

    launcher: Launcher = request.app.state.launcher

    def record() -> Response:
        texts = upload_texts(page.language, settings.upload_max_megabytes)
        files = [stored for _, stored in received if isinstance(stored, StoredFile)]
        with page.enter() as at:
            recorded = iter(record_uploads(at.connection, files, source="api", created_by=at.entry.actor))
            outcomes, some_are_new = [], False
            for name, stored in received:
                if isinstance(stored, str):
                    outcomes.append(Outcome(name, "bad", texts["refused"], texts[stored]))
                    continue
                made = next(recorded)
                some_are_new = some_are_new or made.is_new
                upload = lists.get_upload(at.connection, made.upload_id)
                kind, same_as = ("taken", "") if made.is_new else ("duplicate", upload.file_name)
                badge = "good" if made.is_new else "warn"
                outcomes.append(
                    Outcome(name, badge, texts[kind], invoice_id=upload.received_invoice_id, same_as=same_as)
                )
            slug, is_expected = at.entry.slug, some_are_new and launcher.expects(at.connection, INTAKE_RUN)
        if is_expected:
            launcher.begin_soon(slug, INTAKE_RUN)
        kinds = [outcome.kind for outcome in outcomes]
        counts = {"taken": kinds.count("good"), "duplicate": kinds.count("warn"), "refused": kinds.count("bad")}
        said = texts["summary"] % {"done": len(kinds), "all": len(kinds), **counts}
        return page.show("received/uploaded.html", outcomes=outcomes, summary=said)

    return await run_sync(record)


def _organization_id(page: Page) -> UUID:
    with page.enter() as at:
        return at.entry.organization_id
