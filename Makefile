# Every target makes what it needs first; `make` alone lists them.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup venv demo demo-down check test nightly compile lint lint-ansible unit lab page fleet fleet-hosts isolation-trixie long matrix soak fuzz corpus attacks hung bench bench-gateway bench-ledger bench-pairs bench-scale bench-fleet gpu-page golden screenshot pictures metrics config dashboards rules format dist image arm64 reach lock clean

python := .venv/bin/python

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Debian packages (as root, only what is missing) and .venv
	@.ci/setup

venv:
	@.ci/venv

demo: setup ## five real guests, the collector, Prometheus and a live table, until Ctrl-C (or DEMO_SECONDS=30)
	@$(python) -m tests.lab.demo

demo-down: ## ends what a killed demo left behind
	@$(python) -m tests.lab.demo --down

check: venv ## lint, types, architecture, unit tests: while you work
	@$(python) .ci/targets.py lint+unit

test: setup ## what CI runs: check, the roles' lint, laboratory, customers' page, fleet
	@$(python) .ci/targets.py lint+lint-ansible+compile unit+fleet-hosts lab+fleet page

nightly: setup ## faults at full size, soak, scale, a simulated fleet, fuzz, attacks, hung guests, arm64: about six hours
	@$(python) .ci/targets.py matrix long reach arm64 soak bench-scale bench-fleet fuzz attacks hung

lint: venv ## ruff, mypy and the architecture contracts
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

lint-ansible: venv ## yamllint and ansible-lint, with its strictest profile
	cd ansible && ../.venv/bin/yamllint . && PATH="$(CURDIR)/.venv/bin:$$PATH" ../.venv/bin/ansible-lint --nocolor

compile: venv ## compiles all tests once, for all that runs side by side later
	@$(python) -m pytest --collect-only --quiet --quiet

unit: venv ## the tests that need neither root nor QEMU
	$(python) .ci/twice.py -n 4 --durations=15 -m 'not lab and not fleet'

lab: setup ## the tests on a real libvirtd with real guests
	$(python) .ci/twice.py -n 3 --dist loadscope --no-loadscope-reorder --durations=15 -m 'lab and not full and not browser'

isolation-trixie: setup ## the isolation tests and the clients on the VictoriaMetrics of Debian 13
	STORE_ROOT=$$($(python) -m tests.fleet.release trixie | tail -n 1) $(python) -m pytest -m lab tests/gateway/test_isolation.py tests/gateway/test_clients.py

page: setup ## the customers' page in Chromium; alone, because interfaces that come and go break its connections
	$(python) .ci/twice.py --durations=5 -m browser

fleet: setup ## Ansible and Prometheus on hypervisors of two Debian releases, in containers
	@$(python) -m tests.fleet

fleet-hosts: setup ## root trees and wheelhouses of the fleet's hosts, which are kept
	@$(python) -m tests.fleet prepare

reach: setup ## hosts of three releases: one from the image under podman, one with virtqemud and polkit
	@.ci/packages image engine
	@$(python) -m tests.fleet reach

matrix: setup ## the fault matrix at full size, as a table; MATRIX="-k NAME" for a part of it
	LAB_GUESTS=30 LAB_ROUNDS=5 LAB_CHURN=1000 $(python) -m pytest -m lab tests/lab/matrix $(MATRIX)

long: setup ## the laboratory's tests that take minutes: hosts that boot, migrations, guests that go silent, images
	@.ci/packages image engine
	$(python) -m pytest -m full --ignore=tests/lab/matrix tests/lab tests/tenant_store tests/gateway
	$(python) -m tests.fleet -m 'fleet and full' -k tenant_gateway

soak: setup ## mixed load and faults for SOAK_MINUTES=60, and the slopes of memory, threads and descriptors
	$(python) -m tests.bench.soak $(or $(SOAK_MINUTES),60)

fuzz: venv ## hostile bytes for every parser, FUZZ_SECONDS=60 each, guided by coverage where atheris installs
	@.venv/bin/pip install --quiet --no-deps --require-hashes -r lock/fuzz.txt || echo "There is no atheris here."
	$(python) -m tests.fuzz $(or $(FUZZ_SECONDS),60)

corpus: venv ## domain XMLs and Redfish trees below DIR=folder through the readers, and what was lost of each
	@$(python) -m tests.corpus $(DIR)

attacks: setup ## attacks on the page for ATTACK_SECONDS=180 each, as a table of memory and what was served
	$(python) -m tests.bench.attacks

hung: setup ## QEMUs that hang, 5 to 29 of 30, a locked guest and starts under a scraper, as tables (15 min)
	$(python) -m tests.bench.hung

bench: setup ## speed and memory with 100 guests, next to another exporter (3 min)
	$(python) -m tests.bench

bench-pairs: setup ## this checkout's collector against that of BASE=revision, in pairs on 100 guests (9 min)
	$(python) -m tests.bench.pairs $(BASE)

bench-ledger: setup ## what the usage ledger takes: an hour of 2,000 simulated hosts, months of VMs, as a table (10 min)
	$(python) -m tests.bench.ledger

bench-gateway: setup ## the gateway beside the store alone and vmauth, its memory, and what tenants notice of each other (6 min)
	$(python) -m tests.bench.gateway $(PART)

bench-scale: setup ## the same with 25 to 300 guests and more peers (12 min); writes its table into docs/benchmarks.md
	$(python) -m tests.bench.scale

bench-fleet: setup ## boards, rules and storms on 200 simulated hosts under a real Prometheus (1 h); PART=costs for one part
	$(python) -m tests.bench.simulator $(PART)

gpu-page: venv ## the page of a simulated host with eight GPUs (GPU_PAGE=file to write it)
	@$(python) -m tests.simulated.gpus $(GPU_PAGE)

golden: venv ## writes the simulated hosts' golden pages anew, tests/fixtures/pages/*.prom
	@$(python) -m tests.simulated.golden

screenshot: venv ## draws docs/status-page.png anew; needs Chromium
	@$(python) -m tests.simulated.screenshot docs/status-page.png

pictures: setup ## draws the pictures of the tenants' store and of the customers' page in docs/ anew (8 min)
	@$(python) -m tests.tenant_store.pictures docs
	@$(python) -m tests.simulated.customers_page docs

metrics: venv ## writes METRICS.md, TENANT_METRICS.md and the allow-list of the tenant store anew from the catalogue
	.venv/bin/hostcollector metrics --format markdown >hostcollector/METRICS.md
	.venv/bin/hostcollector metrics --tenant --format markdown >hostcollector/TENANT_METRICS.md
	.venv/bin/hostcollector metrics --tenant --format relabel >ansible/roles/tenant_store/files/allow-list.yml

config: venv ## writes hostcollector/CONFIG.md and GATEWAY_CONFIG.md anew from the settings
	.venv/bin/hostcollector config --format markdown >hostcollector/CONFIG.md
	.venv/bin/hostcollector-gateway config --format markdown >hostcollector/GATEWAY_CONFIG.md

dashboards: venv ## writes dashboards/*.json anew from dashboards/src, and which rows rules and boards need
	$(python) -W ignore -m dashboards.src
	$(python) -m tests.dashboards.needed

rules: venv ## writes dashboards/rules/alerts.yml anew from dashboards/alerts
	$(python) -m dashboards.alerts

format: venv ## formats the code
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format

dist: venv ## the artefacts of this Debian release, and the Ansible collection with all artefacts that are in dist/
	@.ci/dist
	@.ci/collection

image: venv ## the OCI images of the daemon and the gateway, in dist/ (as root; 3 min; ARCHITECTURE=arm64 for the other)
	@$(if $(ARCHITECTURE),.ci/emulated) .ci/image

arm64: venv ## the artefacts of arm64 and the unit tests there, under emulation elsewhere (as root; 20 min, TESTS=tests/unit/base for a part)
	@.ci/emulated .ci/arm64

lock: ## resolves lock/*.txt anew from pyproject.toml
	@.ci/lock

clean: ## removes .venv, the laboratory's cache and what the tools left
	rm -rf .venv .lab .coverage .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find hostcollector tests -name __pycache__ -prune -exec rm -rf {} +
