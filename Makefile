# The platform on one machine: `make up`. Everything else is one line each; `make help` lists them.
PYTHON ?= python3
PORT   ?= 8000
BIN    := .venv/bin
UV     := $(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python
export UV_LINK_MODE ?= copy
# Compiling what pulumi_aws holds takes longer than running it: keep the bytecode, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

WEEKS  ?= 53
PYTEST := $(BIN)/python -m pytest
# A JUnit report, where one is asked for: tests.xml of most tests, and tests-alone.xml of those that run one by one.
junit   = $(if $(REPORT),--junit-xml=$(REPORT:.xml=$(1).xml))
LAYERS := base data cluster apps delivery
define ready
@test -e stacks/config/Pulumi.base.$(or $(ENV),none).yaml || { echo "rewards: name an environment of stacks/config: make $@ ENV=dev" >&2; exit 2; }
@command -v pulumi >/dev/null || { echo "rewards: make $@ needs pulumi on PATH: pulumi.com/docs/install" >&2; exit 2; }
@$(BIN)/python -m pipelines.remote check $(ENV) $(LAYERS)
endef
# The engine reads it from a stack's settings only once the stack is there.
secrets = $$(sed -n 's/^secretsprovider: *//p' stacks/config/Pulumi.$$layer.$(ENV).yaml 2>/dev/null | grep . || echo default)
select = pulumi stack select --create --secrets-provider "$(secrets)" $$layer.$(ENV)
unfinished = $(BIN)/python -m pipelines.unfinished $$layer.$(ENV)
# Does what follows here or, for a layer behind Kubernetes' private API, has the environment's runner do it.
reaching = $(BIN)/python -m pipelines.remote $@ $(ENV) $$layer "$(FLAGS)"
POLICIES = --policy-pack policies --policy-pack-config policies/config/$(ENV).json

# What a Python without ensurepip leaves is half a virtual environment: it must not be taken for a whole one.
no_venv = { rm -rf .venv; echo "rewards: $(PYTHON) can't make a virtual environment: apt-get install python3-venv, or name another with: make PYTHON=python3.12 up" >&2; exit 2; }

.PHONY: help up test quick check check-all engine lint types states bench bench-against golden bench-ledger analytics simulate restore mutate rehearsal package plan policy waivers lifetimes bootstrap diff deploy destroy follow \
	rollout publish smoke findings preview preview-end seed previews-expired handover pipeline-dry lock clean

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' Makefile | expand -t 18

# For a target that no rule makes.
.DEFAULT:
	@echo "rewards: there is nothing called $@ to make: make help lists what there is" >&2; exit 2

up: .venv/.local ## the whole platform on this machine; Ctrl-C ends it
	@$(BIN)/rewards up --port $(PORT)

test: .venv/.all ## every test that this machine has the parts for; reports tests.xml and tests-alone.xml: make test REPORT=build/tests.xml
	failed=0; \
	$(PYTEST) -m "not alone" --numprocesses auto $(call junit) || failed=1; \
	$(PYTEST) -m alone $(call junit,-alone) || failed=1; \
	exit $$failed

quick: .venv/.all ## the tests that are done within seconds
	$(PYTEST) -m "not slow" --numprocesses auto $(call junit)

check: lint types quick ## for each commit: style, types, import rules, quick tests; at most 12 minutes on two cores

engine: .venv/.all ## Pulumi's engine and a Kubernetes control plane for the tests: built once from Go modules, or found on PATH; half an hour
	@$(BIN)/python -m tests.engine.parts $(ONLY)

check-all: engine lint types lifetimes test ## what CI runs: all of check, and the slow trials; prints how long versions last

lint: .venv/.all ## style, formatting, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: .venv/.all ## mypy, strict
	$(BIN)/mypy

bench: .venv/.all ## measurements, as ratios to a floor taken in the same run
	$(BIN)/python -m tests.benchmarks

bench-against: .venv/.all ## orders and searches against those of another commit: make bench-against BEFORE=HEAD~1
	$(BIN)/python -m tests.benchmarks.against $(BEFORE)

golden: .venv/.all ## OpenAPI, help, schema, graphs and policies against those of another commit: make golden BEFORE=HEAD~1 ONLY="openapi help"
	@$(BIN)/python -m tests.golden --against $(or $(BEFORE),HEAD) $(if $(ONLY),--only $(ONLY))

bench-ledger: .venv/.all ## sealing at 10,000,000 revisions: minutes, and 8 GB of disk
	$(BIN)/python -m tests.benchmarks ledger-largest

analytics: .venv/.all ## the cold path on the whole shopping set, checked against pandas: minutes; fewer with WEEKS=4
	$(BIN)/python -m tests.analytics $(WEEKS)

simulate: .venv/.all ## a promotion tried on the shopping year against the year loaded with it: half an hour; fewer with WEEKS=4
	$(BIN)/python -m tests.analytics.simulation $(WEEKS)

restore: .venv/.all ## the database lost and restored from backup and log, on the shopping year; RPO and RTO; fewer weeks with WEEKS=4
	@$(BIN)/python -m tests.recovery $(WEEKS)

mutate: .venv/.all ## mutation testing of the rewards' rules; of a part: ONLY='app.wallet.clawback*', by lot: SAMPLE=400 SEED=1
	$(BIN)/python -m tests.mutation $(ONLY) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

rehearsal: .venv/.all ## a shop's worst days on a cluster without machines, after make engine: make rehearsal ONLY="sale lost-zone"; with other settings: WITH=soft,hard
	@$(BIN)/python -m tests.rehearsal $(if $(WITH),--with $(WITH)) $(ONLY)

package: .venv/.all ## the functions' zips by commit in build/lambda, for arm64 and x86_64; needs Python 3.13, of pyenv, uv or the system
	$(BIN)/python -m pipelines.packaging

plan: .venv/.all ## the cloud's resources in memory, without engine or account: make plan ENV=prod
	$(BIN)/python -m stacks.offline.plan $(ENV)
	$(BIN)/python -m stacks.offline.policy $(ENV) --planned

policy: .venv/.all ## what security asks of an environment, as a gate: make policy ENV=prod
	$(BIN)/python -m stacks.offline.policy $(ENV)

lifetimes: .venv/.all ## how long the versions that the program uses are supported; fails nobody
	@$(BIN)/python -m policies.rules.lifetimes

waivers: .venv/.all ## the exceptions to policies, with owner and end
	@$(BIN)/python -m policies.rules.waivers

states: .venv/.all ## the pictures of state machines in docs/states.md, from their tables
	@$(BIN)/python -m app.machines

bootstrap: .venv/.all ## before the first deployment: what the account lacks, then Pulumi's state and key: make bootstrap ENV=prod; FLAGS=--local needs no account
	@$(BIN)/python -m pipelines.bootstrap $(ENV) $(FLAGS)

diff: .venv/.all ## pulumi preview with the policies, layer after layer: make diff ENV=prod LAYERS="cluster apps"
	$(ready)
	@set -e; for layer in $(LAYERS); do $(select); $(reaching) pulumi preview --diff --stack $$layer.$(ENV) $(POLICIES) $(FLAGS); done

deploy: .venv/.all ## pulumi up with the policies, layer after layer: make deploy ENV=dev
	$(ready)
	@set -e; for layer in $(LAYERS); do $(select); $(unfinished); $(reaching) pulumi up --stack $$layer.$(ENV) $(POLICIES) $(FLAGS); \
		test $$layer != apps || $(BIN)/python -m pipelines.canary $(ENV); done

destroy: .venv/.all ## pulumi destroy, the other way round: make destroy ENV=dev; prod needs CONFIRM=destroy-prod as well
	@test "$(ENV)" != prod || test "$(CONFIRM)" = destroy-prod || { echo "rewards: prod is destroyed by: make destroy ENV=prod CONFIRM=destroy-prod" >&2; exit 2; }
	$(ready)
	@set -e; for layer in $(foreach layer,5 4 3 2 1,$(word $(layer),$(LAYERS))); do \
		$(unfinished); $(reaching) pulumi destroy --stack $$layer.$(ENV) $(FLAGS); test $$layer != apps || $(BIN)/python -m pipelines.delivered $(ENV); done

follow: .venv/.all ## the log of a build of the runner, until it ends: make follow BUILD=delivery-prod-runner:…
	@$(BIN)/python -m pipelines.remote follow $(BUILD)

rollout:         ## one image to all Deployments, or back: make rollout NAMESPACE=rewards IMAGE=registry/app@sha256:…
	@$(PYTHON) -m pipelines.rollout $(NAMESPACE) $(IMAGE)

publish: .venv/.all ## the packaged zip as a version of each function: make publish ENV=dev; FLAGS=--live moves the alias too
	@$(BIN)/python -m pipelines.publish $(ENV) $(FLAGS)

smoke:           ## whether an environment answers: make smoke URL=https://dev.rewards.example
	@$(PYTHON) -m pipelines.smoke $(URL) $(PATHS) $(FLAGS)

findings: .venv/.all ## what Inspector found in an image, and whether it may be delivered: make findings IMAGE=<repository's ARN>/sha256:…
	@$(BIN)/python -m pipelines.findings $(IMAGE)

preview: .venv/.all ## a pull request's own stack on dev's layers: make preview PR=123 DIGEST=sha256:…
	@$(BIN)/python -m pipelines.preview begin $(PR) $(DIGEST)

preview-end: .venv/.all ## destroys it: make preview-end PR=123
	@$(BIN)/python -m pipelines.preview end $(PR)

seed: .venv/.local ## a week of shopping into a preview's database: make seed DATABASE=postgresql://pr_123@…
	@PGSSLROOTCERT=app/rds-ca.pem REWARDS_DATABASE_URL="$(DATABASE)" REWARDS_DATABASE_IAM=true $(BIN)/rewards load journey --weeks 1

previews-expired: .venv/.all ## destroys those whose day has passed, or that have cost more than they may
	@$(BIN)/python -m pipelines.preview expired

handover: .venv/.all ## what a build hands on: build/program, and build/context for the image
	@$(BIN)/python -m pipelines.handover $(FLAGS)

pipeline-dry: .venv/.all ## the pipelines' commands in a clean clone, without AWS: make pipeline-dry ONLY=package
	@$(BIN)/python -m pipelines.dry $(ONLY)

lock: .venv/.uv  ## make the lock files again from pyproject.toml
	$(BIN)/python requirements/lock.py

clean:           ## forget the virtual environment and build output; the data in .rewards stays
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache

.venv/.uv: requirements/uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "rewards: there is no $(PYTHON): install Python 3.11 or newer, or name one with: make PYTHON=python3.12 up" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rewards: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with: make PYTHON=python3.12 up")'
	@$(BIN)/python -c 'import sys, pip; sys.exit(sys.prefix == sys.base_prefix)' >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv >/dev/null 2>&1 || $(no_venv)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/.local: requirements/local.txt pyproject.toml .venv/.uv
	@echo "Installing the platform into .venv …"
	@$(UV) -r $<
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.all: requirements/all.txt .venv/.local
	@echo "Installing the development tools into .venv …"
	@$(UV) -r $<
	@touch $@
