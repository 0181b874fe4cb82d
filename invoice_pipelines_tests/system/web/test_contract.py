"""The API keeps to its document: schemathesis makes up requests, one by one and in chains, for an organization that has
something of everything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE, size
from invoice_pipelines_tests.system.web.process import Installation
from invoice_pipelines_tests.system.web.seed import fill, known_values

pytestmark = pytest.mark.slow

PHASES = {"coverage": size(30, 300), "stateful": size(8, 900)} | ({"fuzzing": 900} if AT_FULL_SIZE else {})
"""Most seconds of each."""
NOT_CHECKED = {
    # What the schema allows may still be no order of this organization, or against a rule of billing.
    "positive_data_acceptance",
    # Of two addresses such as /exports/again and /exports/{number}, one takes what the other does not.
    "unsupported_method",
}


def settings_of(site: Installation, token: str | None, known: Mapping[str, list[Any]], seconds: int) -> str:
    """As schemathesis reads them (TOML, of which JSON's strings and lists are a part)."""
    lines = [
        'hooks = "invoice_pipelines_tests.system.web.contract_checks"',
        "request-timeout = 30",
        f"max-time = {seconds}",
        "continue-on-failure = true",
        "[cache]",
        "enabled = false",
        "[parameters]",
        f"organization = {json.dumps(site.a.slug)}",
        *(f'{name} = {{ dictionary = "{name}", probability = 0.8 }}' for name in known),
    ]
    for name, values in known.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    if token is not None:
        lines += ["[headers]", f'Authorization = "Bearer {token}"']
    return "\n".join(lines)


def run_schemathesis(site: Installation, folder: Path, settings: str, *options: str) -> str:
    (folder / "schemathesis.toml").write_text(settings)
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(folder / "schemathesis.toml")),
        *("run", f"{site.web.url}/api/openapi.json", "--no-color", "--generation-database", "none"),
        *("--checks", "all", "--exclude-checks", ",".join(sorted(NOT_CHECKED))),
        # It would soon revoke the token that it calls with.
        *("--exclude-operation-id", "revoke_token"),
        # CI judges a change by the same requests as the one before; new ones are found at full size.
        *(() if AT_FULL_SIZE else ("--seed", "15")),
        *options,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-2000:]}\n{site.web.log()[-5000:]}"
    return done.stdout


@pytest.mark.timeout(3000)
def test_whatever_is_sent_is_answered_as_the_document_says(site: Installation, tmp_path: Path) -> None:
    fill(site, site.a)
    known, token = known_values(site, site.a), site.a.tokens["writer"]
    # One after the other, as the last phases are left out when the time is up.
    for phases, seconds in PHASES.items():
        settings = settings_of(site, token, known, seconds)
        # One worker: parsing in two threads at once sometimes ends CPython 3.11 with a SystemError (cpython#106905).
        said = run_schemathesis(site, tmp_path, settings, "--phases", phases, "--workers", "1")
        print(said[said.index("Test cases:") :].split("\n\n")[0], said.rstrip().splitlines()[-1])
    assert "Traceback" not in site.web.log()
    assert site.web.health("ready") == 200


def test_without_a_credential_nothing_is_told(site: Installation, tmp_path: Path) -> None:
    said = run_schemathesis(site, tmp_path, settings_of(site, None, {}, size(5, 120)), "--phases", "examples,fuzzing")
    print(said[said.index("Test cases:") :].split("\n\n")[0])
