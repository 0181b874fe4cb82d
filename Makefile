# Everything is set up by the targets themselves: Python 3.11+, make and git are all they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
export DAGSTER_HOME ?= $(CURDIR)/.dagster_home
# Without compiled modules every process would compile all libraries again.
unexport PYTHONDONTWRITEBYTECODE

# Each file in one process, as what its fixtures make is made once then; in their order, the short ones last.
# Three processes for two cores, as some tests wait for another process.
WORKERS ?= 3

.PHONY: demo up test test-pooler coverage test-slow test-full tiers image lint format types imports docs pictures clean

demo: $(VENV)/.ready  ## the main job on the documents of examples/, checked
	@$(BIN)/invoice-pipelines demo

up: $(VENV)/.ready  ## PostgreSQL, Dagster's daemon and UI, until Ctrl-C
	@$(BIN)/invoice-pipelines up

TESTS := invoice_pipelines_tests
test: $(VENV)/.ready  ## what nobody should wait for longer than three minutes
	@$(BIN)/pytest -q -m "not slow and not thorough" --workers $(WORKERS)
	@echo "Left to \`make test-slow\`, which CI runs as well: the long tests, and those of $(TESTS)/thorough.txt."

coverage: $(VENV)/.ready  ## all but the long tests, and which lines of the product they run
	@mkdir -p .coverage
	@$(BIN)/pytest -q -m "not slow" --workers $(WORKERS) --cov --cov-report=term

POOLED ?= $(TESTS)/integration
test-pooler: $(VENV)/.ready  ## those that need PostgreSQL, through a pgbouncer (Debian's pgbouncer) in transaction mode
	@$(BIN)/pytest -q -m "not slow" --workers $(WORKERS) --pooler $(POOLED)

# The long ones wait more than they work, hence one process more; they come first. Only files with such tests are loaded.
FILES_WITH = $$(grep -rl --include='test_*.py' $(1) $(addprefix $(TESTS)/,system integration unit))
test-slow: $(VENV)/.ready $(VENV)/.deploy-tools  ## the long ones, and those that `make test` leaves out
	@$(BIN)/pytest -q -m "(slow or thorough) and not alone" --workers 4 $(call FILES_WITH,mark.slow) \
	  $$(cut -d : -f 1 $(TESTS)/thorough.txt | uniq)
	@$(BIN)/pytest -q -m "slow and alone" $(call FILES_WITH,mark.alone)

test-full: $(VENV)/.ready $(VENV)/.deploy-tools  ## the long ones as large as the promises are: about an hour
	@TESTS_AT_FULL_SIZE=1 $(BIN)/pytest -q -m slow

tiers: $(VENV)/.ready  ## chooses anew what `make test` leaves out, by the time and lines of each test: a quarter of an hour
	@rm -rf .coverage && mkdir .coverage
	@$(BIN)/pytest -q -m "not slow" -p $(TESTS).tiers --record .coverage --workers $(WORKERS) --cov --cov-report= || true
	@$(BIN)/python -m $(TESTS).tiers .coverage

lint: $(VENV)/.ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.ready
	@$(BIN)/mypy

imports: $(VENV)/.ready
	@$(BIN)/lint-imports

docs: $(VENV)/.ready  ## the generated parts of docs/
	@$(BIN)/python -m invoice_pipelines.cli.settings_page > docs/settings.md
	@$(BIN)/python -m invoice_pipelines.web.app > docs/openapi.json
	@$(BIN)/python -m invoice_pipelines.cli.einvoice.rules_page docs/validation.md

pictures: $(VENV)/.ready  ## docs/images: of the demo in Dagster's UI (with Debian's chromium), and of documents
	@home=$$(mktemp -d) && trap "rm -rf $$home" EXIT && DAGSTER_HOME=$$home $(BIN)/invoice-pipelines demo \
	  && DAGSTER_HOME=$$home $(BIN)/python -m invoice_pipelines_tests.support.dagster_pictures  \
	  && DAGSTER_HOME=$$home $(BIN)/python -m invoice_pipelines_tests.support.desk.pictures
	@$(BIN)/python -m invoice_pipelines_tests.support.delivery.rendering.pictures
	@test -z "$(RECEIPTS)" || $(BIN)/python -m invoice_pipelines.workshop.bench.reading.calibration \
	  --documents "$(RECEIPTS)" --hybrids "$(HYBRIDS)" --pages "$(PAGES)"

# By Docker where it runs, else by buildah (Debian's) with rights of root, which needs no service. Without a registry, name a
# base of one's own: BASE=localhost/debian-python:bookworm. BUILD_FLAGS go to the builder.
IMAGE ?= invoice-pipelines:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BUILDER ?= $(shell docker info > /dev/null 2>&1 && echo docker build || echo buildah build --isolation chroot --layers --ignorefile .dockerignore)
image:  ## the image of deploy/docker, for all roles
	@$(BUILDER) --file deploy/docker/Dockerfile --tag $(IMAGE) $(if $(BASE),--build-arg BASE=$(BASE)) \
	  --build-arg REVISION=$$(git rev-parse HEAD) $(BUILD_FLAGS) .

clean:  ## what was made by these targets, not what was kept in DAGSTER_HOME
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage

# Installs exactly what uv.lock says; done again only when that changes.
$(VENV)/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv sync --frozen --inexact --quiet --extra workshop --extra rules --extra celery --python $(BIN)/python \
	  || $(BIN)/uv sync --frozen --inexact --quiet --extra workshop --extra rules --extra celery --python $(BIN)/python --system-certs
	@touch $@

# What checks deploy/: 70 MB, which nobody else needs.
$(VENV)/.deploy-tools: $(VENV)/.ready deploy/checks.txt
	@for certificates in "" --system-certs; do \
	  $(BIN)/uv pip install --quiet --no-deps --require-hashes --python $(BIN)/python -r deploy/checks.txt $$certificates \
	  && $(BIN)/uv sync --frozen --inexact --quiet --extra workshop --extra rules --extra celery --extra kubernetes \
	    --python $(BIN)/python $$certificates && break; done
	@$(BIN)/python -c "import dagster_k8s, kubernetes_validate"
	@touch $@
