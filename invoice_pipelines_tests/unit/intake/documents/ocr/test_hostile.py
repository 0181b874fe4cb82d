"""That no document harms the process that reads it: a reading or a reason, in bounded time and memory, and
nothing in it is ever executed or fetched.

Each document is read as an upload is, and its pages are made into pictures as for OCR, in one process, whose peak
memory counts for all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from invoice_pipelines_tests.support.sizes import only_at_full_size, size
from invoice_pipelines_tests.unit.intake.documents.ocr import hostile

_READER = """
import json, re, sys, time
from pathlib import Path

forbidden = ("socket.connect", "socket.getaddrinfo", "os.system", "os.exec", "os.posix_spawn", "os.startfile",
             "ctypes.dlopen.remote", "urllib.Request")
seen = []

def watch(event, arguments):
    if event in forbidden:
        seen.append(event)
    elif event == "subprocess.Popen" and "rendering_process" not in str(arguments[1]):
        seen.append(f"{event} {arguments[1]}")
    elif event == "open" and "made-by-a-document" in str(arguments[0]) or arguments[:1] == ("/etc/passwd",):
        seen.append(f"{event} {arguments[0]}")

from invoice_pipelines.intake.documents.ocr import pictures, rendering
from invoice_pipelines.intake.documents import Limits, read_document
from invoice_pipelines.intake.documents import pdf_attachments, pictured_pages
from invoice_pipelines.einvoice.errors import ReadingError

sys.addaudithook(watch)
limits = Limits()

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

def attempt(work):
    try:
        work()
    except ReadingError as error:
        if not error.code.isupper() or not error.message.rstrip().endswith((".", "?")):
            return f"poor reason {error.code}: {error.message}"
        return error.code
    except BaseException as error:
        return f"raised {type(error).__name__}: {error}"
    return "read"

def pages(data):
    if pictures.is_picture(data):
        for _ in pictures.decode_pictures(data, limits):
            pass
    elif pdf_attachments.looks_like_pdf(data):
        numbers = [page.number for page in rendering.read_pages_apart(data, limits)][:3]
        for _ in rendering.render_pages(data, numbers, limits):
            pass

for path in sys.argv[2:]:
    data = Path(path).read_bytes()
    began = time.monotonic()
    before = peak()
    outcomes = [attempt(lambda: read_document(data, "upload", limits)), attempt(lambda: pages(data))]
    print(json.dumps({"file": path, "outcomes": outcomes, "seconds": time.monotonic() - began, "peak": peak(),
                      "grew": peak() - before, "seen": seen}), flush=True)
    seen.clear()
"""

_FOOTPRINT = Path("/tmp/made-by-a-document")


def read_all(documents: list[tuple[str, bytes]], folder: Path, seconds: float) -> None:
    names = {}
    for number, (name, data) in enumerate(documents):
        path = folder / f"{number:05}"
        path.write_bytes(data)
        names[str(path)] = name
    run = subprocess.run(
        [sys.executable, "-c", _READER, "-", *names], stdout=subprocess.PIPE, text=True, timeout=seconds
    )
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"ended by {names[sorted(names)[len(found)]]}"
    assert len(found) == len(documents)
    bad = [
        (names[one["file"]], one)
        for one in found
        if one["seconds"] > 60
        or one["seen"]
        or any(outcome.startswith(("raised", "poor")) for outcome in one["outcomes"])
    ]
    slowest = max(found, key=lambda one: one["seconds"])
    greediest = max(found, key=lambda one: one["grew"])
    print(
        f"{len(found)} documents; slowest {slowest['seconds']:.1f} s ({names[slowest['file']]}); peak"
        f" {found[-1]['peak']} MB, most of it by {names[greediest['file']]}"
    )
    assert bad == []
    assert found[-1]["peak"] < 1536
    assert not _FOOTPRINT.exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="the peak memory of a process is read from /proc")
@pytest.mark.parametrize("count", [size(14, 40), pytest.param(1000, marks=only_at_full_size)])
def test_documents_made_to_harm_are_read_or_refused(tmp_path: Path, count: int) -> None:
    slow = ("content bomb", "text bomb", "PDF bomb: picture in a form", "2,000 pages") if count < 1000 else ()
    made = [(name, data) for name, data in hostile.documents(count, seed=1) if name not in slow]
    read_all(made, tmp_path, seconds=200 if count < 1000 else 1700)
