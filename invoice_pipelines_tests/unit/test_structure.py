"""The order of the house: folders that one can look over, imports that run one way, and loops in one place only."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import invoice_pipelines
import invoice_pipelines_tests
from invoice_pipelines_tests.tiers import THOROUGH

PRODUCT = Path(invoice_pipelines.__file__).parent
TESTS = Path(invoice_pipelines_tests.__file__).parent
EXAMPLES = TESTS.parent / "examples"
LARGEST_FOLDER = 14
HISTORY = PRODUCT / "database" / "migrations" / "versions"
"""Migrations are read one after the other, and grow in number."""


@pytest.mark.parametrize("root", [PRODUCT, TESTS], ids=["product", "tests"])
def test_a_folder_can_be_looked_over(root: Path) -> None:
    folders = [root, *(folder for folder in root.rglob("*") if folder.is_dir())]
    modules = {
        str(folder.relative_to(root)): sum(file.name != "__init__.py" for file in folder.glob("*.py"))
        for folder in folders
        if folder != HISTORY
    }
    assert {name: count for name, count in modules.items() if count > LARGEST_FOLDER} == {}


def test_no_imports_run_in_a_circle_also_those_for_types() -> None:
    graph = grimp.build_graph("invoice_pipelines", cache_dir=None, exclude_type_checking_imports=False)
    # A package's own lines are read with each of its modules, so a module that names its package is no circle.
    order = TopologicalSorter({module: graph.find_modules_directly_imported_by(module) for module in graph.modules})
    assert len(list(order.static_order())) == len(graph.modules)  # CycleError names the circle


THREADS_OF_OTHERS = {
    "cli/intake/documents.py": "reads files of the command line side by side",
    "database/lock_watch.py": "looks who holds the lock that a session waits for",
    "delivery/documents/process.py": "stores documents while the next ones are composed",
    "events/webhooks/transport.py": "cuts off a receiver that answers byte by byte",
    "intake/documents/ocr/pool.py": "waits for several OCR processes",
    "web/figures/collector.py": "asks for figures with a time limit",
    "web/live/hub.py": "keeps streams to browsers open",
    "web/serving.py": "runs the web server beside its caller",
    "workers/worker.py": "sees whether Dagster still wants the run of its process",
}
"""Modules outside of the engine with a thread or a heartbeat, and what it does; none of them drains a queue."""


def test_threads_and_leases_are_the_engines() -> None:
    loop = re.compile(
        r"\b(Thread|Timer|ThreadPoolExecutor)\(|extend_lease|(?<!daemon_)heartbeat(?!_sent)", re.IGNORECASE
    )
    found = {
        str(file.relative_to(PRODUCT))
        for file in PRODUCT.rglob("*.py")
        if loop.search(file.read_text("utf-8")) and file.relative_to(PRODUCT).parts[0] not in ("work", "workshop")
    }
    assert found == set(THREADS_OF_OTHERS)


def test_no_lock_outlives_its_transaction() -> None:
    """A pooler in transaction mode would give a session that holds one to somebody else."""
    lock = re.compile(r"pg_(try_)?advisory_(lock|unlock)(_shared)?\s*\(", re.IGNORECASE)
    files = [*PRODUCT.rglob("*.py"), *PRODUCT.rglob("*.sql")]
    assert [str(file.relative_to(PRODUCT)) for file in files if lock.search(file.read_text("utf-8"))] == []


def test_modules_say_what_belongs_in_them() -> None:
    files = [file for root in (PRODUCT, TESTS, EXAMPLES) for file in root.rglob("*.py")]
    assert [str(file) for file in files if file.read_text("utf-8").startswith('"""Holds')] == []


def test_the_tests_that_are_left_to_ci_exist() -> None:
    """One that was renamed would be run by `make test`, and make it slow."""
    sources: dict[str, str] = {}
    for name in THOROUGH.read_text().splitlines():
        path, _, function = name.partition("::")
        source = sources.setdefault(path, (TESTS.parent / path).read_text("utf-8"))
        assert f"def {function.rpartition('::')[2]}(" in source, name
