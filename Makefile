# `make` shows every verb. Everything lives in .venv; only Python 3.11+, git and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PULUMI := $(shell sed -n 's/^pulumi==//p' requirements/dev.lock)
ENGINE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lammps-jobs/pulumi-$(PULUMI)

S5CMD := $(dir $(ENGINE))s5cmd

# Tests start hundreds of interpreters: compiling every module in each of them would take a quarter of the time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo cloud-demo test unit protocol coverage preview engine bench cloud-bench s5cmd lint format lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): requirements/dev.lock pyproject.toml
	@echo "Installing into $(VENV), with the developers' tools: some minutes ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(READY) ## run the polymer, take its machine away, resume, compare, write the report
	$(BIN)/python examples/demo.py

cloud-demo: $(READY) ## the same on the stack, emulated here: containers, reclaimed twice (as root, with podman)
	$(BIN)/python -W ignore -m tools.cloud_demo

test: $(READY) ## run all tests (what draws lots: SEED=n repeats one draw)
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(if $(SEED),--seed $(SEED))

unit: $(READY) ## run the tests that need no process, no network and no LAMMPS: seconds
	$(BIN)/python -m pytest -m unit

protocol: $(READY) ## try all interleavings of attempts on a record: PREEMPTIONS=2 (minutes)
	$(BIN)/python -m tests.record.explorer $(or $(PREEMPTIONS),1)

coverage: $(READY) ## run all tests and print which lines they ran, in supervisors and engines, too: ONLY="-m engine"
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest $(ONLY) || true
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

preview: $(READY) ## print what `pulumi up` would make, without AWS: make preview STACK=dev|prod [WRITE=1]
	$(BIN)/python -W ignore -m tools.preview $(or $(STACK),dev) $(if $(WRITE),--write)

engine: ## build the Pulumi engine (needs Go; about 6 minutes, once), for previews and tests
	@test -x $(ENGINE)/bin/pulumi || { cd emulator/engine && CGO_ENABLED=0 go build -trimpath -tags osusergo,grpcnotrace \
	  -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v$(PULUMI)" \
	  -o $(ENGINE)/bin/pulumi github.com/pulumi/pulumi/pkg/v3/cmd/pulumi; }

bench: $(READY) ## measure against bare lmp (about 20 minutes)
	$(BIN)/python benchmarks/against_lmp.py

cloud-bench: $(READY) s5cmd ## measure the stack, emulated here (about 10 minutes; as root, with podman and Go)
	$(BIN)/python -W ignore -m benchmarks.against_cloud --s5cmd $(S5CMD)

s5cmd: ## build s5cmd, which transfers are measured against (needs Go)
	@test -x $(S5CMD) || { cd benchmarks/s5cmd && CGO_ENABLED=0 go build -mod=mod -trimpath -o $(S5CMD) github.com/peak/s5cmd/v2; }

lint: $(READY) ## check style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header
lock: $(READY) ## pin all dependencies anew
	$(BIN)/$(COMPILE) --extra local --extra analysis --extra aws --extra infra --extra dev \
	  --output-file requirements/dev.lock pyproject.toml
	$(BIN)/$(COMPILE) --extra local --extra analysis --output-file requirements/user.lock pyproject.toml
	$(BIN)/$(COMPILE) --extra local --extra aws --output-file requirements/image.lock pyproject.toml
	$(BIN)/$(COMPILE) --extra engine --extra aws --output-file requirements/image-gpu.lock pyproject.toml
	$(BIN)/$(COMPILE) --extra infra --constraint requirements/dev.lock --output-file requirements/infra.lock pyproject.toml

clean: ## remove what make made
	rm -rf $(VENV) demo-out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .coverage.*
