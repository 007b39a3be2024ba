# `make` shows every verb. Everything lives in .venv; only Python 3.11+, git and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PULUMI := $(shell sed -n 's/^pulumi==\([0-9.]*\).*/\1/p' requirements/dev.lock)
ENGINE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lammps-jobs/pulumi-$(PULUMI)

KOKKOS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lammps-jobs/lammps-kokkos
S5CMD := $(dir $(ENGINE))s5cmd

# Tests start hundreds of interpreters: compiling every module in each of them would take a quarter of the time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help kokkos gpu-image pictures demo cloud-demo test unit protocol chaos coverage preview changes engine bench cloud-bench s5cmd lint format sbom lock clean

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

protocol: $(READY) ## try all interleavings of attempts on a record with two preemptions or crashes (three minutes): PREEMPTIONS=2
	$(BIN)/python -m tests.record.explorer $(or $(PREEMPTIONS),2)

chaos: $(READY) ## harm runs at random, on a folder and on S3: MINUTES=5 SEED=1 REAL=1 (with LAMMPS)
	$(BIN)/python -m tools.chaos --minutes $(or $(MINUTES),5) --seed $(or $(SEED),1) $(if $(REAL),--real --store folder)

coverage: $(READY) ## run all tests and print which lines they ran, in supervisors and engines, too: ONLY="-m engine"
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest $(ONLY) || true
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

preview: $(READY) ## print what `pulumi up` would make, without AWS: make preview STACK=dev|prod [WRITE=1]
	$(BIN)/python -W ignore -m tools.preview $(or $(STACK),dev) $(if $(WRITE),--write)

changes: $(READY) ## print what `pulumi up` would do for typical changes of the stack dev [WRITE=1]
	$(BIN)/python -W ignore -m tools.changes $(if $(WRITE),--write)

engine: ## build the Pulumi engine (needs Go; about 6 minutes, once), for previews and tests
	@test -x $(ENGINE)/bin/pulumi || { cd emulator/engine && CGO_ENABLED=0 go build -trimpath -tags osusergo,grpcnotrace \
	  -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v$(PULUMI)" \
	  -o $(ENGINE)/bin/pulumi github.com/pulumi/pulumi/pkg/v3/cmd/pulumi; }

kokkos: $(READY) ## build the LAMMPS with KOKKOS that tests of accelerated runs use (25 minutes): [SOURCE=folder]
	SMALL=1 SOURCE=$(SOURCE) PYTHON=$(CURDIR)/$(BIN)/python image/build-lammps host $(KOKKOS)

gpu-image: $(READY) ## build and check an image for GPUs, without one (as root, with podman): ARCH=Ampere80 [SOURCE=folder] [SMALL=1] [JOBS=n]
	$(BIN)/python -m tools.gpu_image $(ARCH) $(if $(SOURCE),--source $(SOURCE)) $(if $(SMALL),--small) $(if $(JOBS),--jobs $(JOBS))

pictures: $(READY) ## write the pictures of the dashboard and of a report in docs/pictures anew (two minutes; needs Chromium)
	$(BIN)/python -m tools.pictures

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

sbom: $(READY) ## write what the images hold (CycloneDX), sbom/cpu.json and gpu.json; Debian's packages as root, with podman: [GPU_IMAGE=tag]
	$(BIN)/python -m tools.sbom cpu --out sbom/cpu.json
	$(BIN)/python -m tools.sbom gpu --out sbom/gpu.json $(if $(GPU_IMAGE),--image $(GPU_IMAGE))

COMPILE := pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
  --generate-hashes --allow-unsafe
lock: $(READY) ## pin all dependencies anew, with the hashes of their files
	$(BIN)/$(COMPILE) --extra local --extra analysis --extra aws --extra infra --extra dev \
	  --output-file requirements/dev.lock pyproject.toml
	$(BIN)/$(COMPILE) --extra local --extra analysis --output-file requirements/user.lock pyproject.toml
	$(BIN)/$(COMPILE) --extra local --extra aws --output-file requirements/image.lock pyproject.toml
	$(BIN)/$(COMPILE) --extra engine --extra aws --output-file requirements/image-gpu.lock pyproject.toml requirements/image-gpu.in
	$(BIN)/$(COMPILE) --output-file requirements/image-cuda.lock requirements/image-cuda.in
	$(BIN)/$(COMPILE) --constraint requirements/dev.lock --output-file requirements/infra.lock requirements/infra.in

clean: ## remove what make made
	rm -rf $(VENV) demo-out sbom .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .coverage.*
