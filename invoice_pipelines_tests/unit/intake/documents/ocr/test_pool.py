"""That a pool of processes gives every page its result, in order, whatever happens to its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr import pool as pool_module
from invoice_pipelines.intake.documents.ocr import recognizer
from invoice_pipelines.intake.documents.ocr.engine import (
    EngineSpec,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.intake.documents.ocr.pool import PROCESS_DIED, TIMEOUT, OcrPool, Places, PoolBounds
from invoice_pipelines.intake.documents.ocr.recognizer import open_recognizer
from invoice_pipelines.intake.documents.ocr.rendering import render_pages
from invoice_pipelines.processes import Child
from invoice_pipelines_tests.support.intake.documents.ocr import drawn
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.support.sizes import only_at_full_size
from invoice_pipelines_tests.support.waiting import wait_for

pytest.importorskip("tesserocr", reason="the extra `tesseract`, whose engine starts fast, is not installed")

SPEC = EngineSpec("tesseract")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(4, tmp_path / "places", wait_seconds=30)


def page(number: int) -> PageImage:
    return PageImage(drawn.lines_picture((f"Seite {number}", "Rechnung"), width=500), dpi=200.0)


def text(result: RecognizedPage | PageError) -> str:
    assert isinstance(result, RecognizedPage)
    return " ".join(word.text for word in result.words)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_results_come_in_the_order_of_the_pages_few_of_which_are_taken_ahead(places: Places) -> None:
    taken = 0

    def pages() -> Iterator[PageImage]:
        nonlocal taken
        for number in range(12):
            taken += 1
            # The first takes the longest.
            yield page(number) if number else PageImage(drawn.lines_picture(drawn.INVOICE), dpi=100.0)

    results = []
    with OcrPool(SPEC, 2, places=places) as pool:
        for given, result in enumerate(pool.recognize(pages()), start=1):
            results.append(result)
            assert taken - given <= 7
        pids = pool.process_ids()
    assert "Müßiggang" in text(results[0])
    assert [text(result).split()[:2] for result in results[1:]] == [["Seite", str(number)] for number in range(1, 12)]
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids), "processes end with the pool"
    with pytest.raises(EngineUnavailable):
        pool._processes[0].read(page(1))


def test_a_page_whose_process_is_killed_is_read_by_a_new_one_and_one_that_kills_each_is_an_error(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = Child.tell
    deadly = PageImage(Image.new("L", (1234, 999), 255))
    with OcrPool(SPEC, 1, places=places) as pool:

        def tell_and_kill(child: Child, question: Any, seconds: float) -> None:
            tell(child, question, seconds)
            if deadly.image.size in question:
                os.kill(child.pid, signal.SIGKILL)

        monkeypatch.setattr(Child, "tell", tell_and_kill)
        results = pool.recognize([page(1), page(2), deadly, page(3)])
        first = next(results)
        os.kill(pool.process_ids()[0], signal.SIGKILL)
        second, bad, after = results
    assert [text(result).split()[1] for result in (first, second, after)] == ["1", "2", "3"]
    assert isinstance(bad, PageError)
    assert (bad.code, bad.retry) == (PROCESS_DIED, True)


def test_a_page_that_takes_too_long_is_given_up_and_the_others_go_on(places: Places) -> None:
    with OcrPool(SPEC, 1, places=places, bounds=PoolBounds(page_seconds=3.0)) as pool:
        list(pool.recognize([page(1)]))
        stopped = pool.process_ids()[0]
        os.kill(stopped, signal.SIGSTOP)
        late, after = pool.recognize([page(2), page(3)])
    assert isinstance(late, PageError)
    assert (late.code, late.retry) == (TIMEOUT, False)
    assert text(after).startswith("Seite")
    assert not is_alive(stopped)


def test_a_process_is_started_anew_after_some_pages_or_with_too_much_memory(places: Places) -> None:
    with OcrPool(SPEC, 1, places=places, bounds=PoolBounds(pages=2)) as pool:
        after = []
        for number in range(3):
            list(pool.recognize([page(number)]))
            after.append(pool.process_ids())
    assert [len(pids) for pids in after] == [1, 0, 1]
    assert after[0] != after[2]
    with OcrPool(SPEC, 1, places=places, bounds=PoolBounds(memory=1)) as pool:
        (result,) = pool.recognize([page(1)])
        assert text(result).startswith("Seite")
        assert pool.process_ids() == []
        assert pool.most_memory() > 10_000_000


def test_an_engine_that_cannot_be_opened_is_unavailable_and_not_replaced(places: Places) -> None:
    with OcrPool(EngineSpec("paddle"), 1, places=places) as pool, pytest.raises(EngineUnavailable, match="paddle"):
        list(pool.recognize([page(1)]))


def test_pools_share_the_places_of_a_machine(tmp_path: Path) -> None:
    places = Places(1, tmp_path, wait_seconds=0.5)
    with OcrPool(SPEC, 2, places=places) as first:
        assert len(list(first.recognize(page(number) for number in range(6)))) == 6
        assert len(first.process_ids()) == 1
        with OcrPool(SPEC, 1, places=places) as second, pytest.raises(EngineUnavailable, match="busy"):
            list(second.recognize([page(1)]))
    with OcrPool(SPEC, 1, places=places) as second:
        assert len(list(second.recognize([page(1)]))) == 1


def test_processes_and_places_are_free_again_when_whoever_had_the_pool_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from PIL import Image\n"
        "from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, PageImage\n"
        "from invoice_pipelines.intake.documents.ocr.pool import OcrPool, Places\n"
        "pool = OcrPool(EngineSpec('tesseract'), 1, places=Places(1, Path(sys.argv[1])))\n"
        "list(pool.recognize([PageImage(Image.new('L', (300, 300), 255))]))\n"
        "print(pool.process_ids()[0], flush=True)\n"
        "time.sleep(60)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    pid = int(run.stdout.readline())
    run.kill()
    run.wait()
    wait_for("the end of its process", lambda: not is_alive(pid), 20)
    with OcrPool(SPEC, 1, places=Places(1, tmp_path, wait_seconds=5)) as pool:
        assert len(list(pool.recognize([page(1)]))) == 1


@pytest.fixture
def kept(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """As in a warm worker, with one place on the machine."""
    one = Places(1, places.folder, wait_seconds=30)
    monkeypatch.setattr(pool_module, "places_of_this_machine", lambda _: one)
    monkeypatch.setattr(recognizer, "_keeping", True)
    yield one
    for pool in list(recognizer._kept.values()):
        pool.__exit__()
    recognizer._kept.clear()


def ids_of_a_use(spec: EngineSpec = SPEC) -> list[int]:
    """The processes that read a page, in one of several uses of an engine."""
    with open_recognizer(spec, 1) as pool:
        assert isinstance(pool, OcrPool)
        assert "Rechnung" in text(next(iter(pool.recognize([page(1)]))))
        return pool.process_ids()


def test_a_kept_engine_is_not_loaded_again(kept: Places) -> None:
    assert ids_of_a_use() == ids_of_a_use() == ids_of_a_use()
    (pool,) = recognizer._kept.values()
    (pid,) = pool.process_ids()
    assert ids_of_a_use(EngineSpec("tesseract", threads=2)) != [pid]
    assert not is_alive(pid), "one engine is kept, and no more"


def test_page_after_page_is_read_by_the_process_that_has_its_engine_loaded(
    kept: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "places_of_this_machine", lambda _: Places(2, kept.folder, wait_seconds=30))
    for _ in range(2):
        with open_recognizer(SPEC, 2) as pool:
            for _ in range(2):
                assert "Rechnung" in text(next(iter(pool.recognize([page(1)]))))
    (kept_pool,) = recognizer._kept.values()
    assert len(kept_pool.process_ids()) == 1


def test_a_kept_engine_gives_way_to_whoever_waits_for_its_place_and_comes_back(kept: Places) -> None:
    (pid,) = ids_of_a_use()
    with OcrPool(SPEC, 1, places=kept) as other:
        assert len(list(other.recognize([page(1)]))) == 1
        assert other.process_ids() != [pid]
    assert ids_of_a_use() != [pid]


def test_a_kept_engine_ends_after_a_while_without_work(kept: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "PoolBounds", partial(PoolBounds, rest_seconds=0.1))
    (pid,) = ids_of_a_use()
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert ended.si_pid == pid
    assert ids_of_a_use() != [pid]


def test_a_kept_engine_ends_with_the_process_that_used_it_and_is_not_used_by_its_forks(kept: Places) -> None:
    (pid,) = ids_of_a_use()
    read, write = os.pipe()
    forked = os.fork()
    if not forked:
        with open_recognizer(SPEC, 1) as pool:
            pool.recognize([])
            os.write(write, str(isinstance(pool, OcrPool) and pool.process_ids() == []).encode())
        os._exit(0)
    os.waitpid(forked, 0)
    assert os.read(read, 10) == b"True"
    assert ids_of_a_use() == [pid]


def test_an_engine_that_failed_is_not_kept(kept: Places) -> None:
    (pid,) = ids_of_a_use()
    with pytest.raises(LookupError), open_recognizer(SPEC, 1):
        raise LookupError
    assert not is_alive(pid)


def test_giving_up_half_way_ends_at_once(places: Places) -> None:
    began = time.monotonic()
    with OcrPool(SPEC, 1, places=places) as pool:
        results = pool.recognize(page(number) for number in range(1000))
        next(results)
        results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 30


@only_at_full_size
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_scanned_pages_are_read_in_order_within_the_memory_promised(places: Places) -> None:
    pages = [[(72, 100, f"Seite {number}"), (72, 130, "Gesamtbetrag 1.234,56")] for number in range(1, 101)]
    images = render_pages(draw(*pages), range(1, 101), Limits())
    with OcrPool(EngineSpec("rapidocr"), 2, places=places) as pool:
        read = [text(result) for result in pool.recognize(images)]
        assert pool.most_memory() < 1_500_000_000
    assert ["".join(words.split())[: len(f"Seite{number}")] for number, words in enumerate(read, start=1)] == [
        f"Seite{number}" for number in range(1, 101)
    ]
