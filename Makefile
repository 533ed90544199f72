# Tandem: `make demo` shows it all on this one machine; `make test` and `make test-all` test it.
# Both install what they need first (Debian 12 or 13; as root, or with sudo).

INVENTORY ?= inventory.py
REPORT    ?= reports
REPEATS         ?= 5
IPV6_PAIR := tests/support/inventories/ipv6_pair.py
# (Not $(MAKE) in the recipe: make -n would carry its line out.)
IPV6_DRILLS := $(MAKE) --no-print-directory drill-ipv6
IPV6_VIPS := --data 'more_vips={"fd61:1::252/64": "host1"}'
CLASSIC_REPEATS ?= 3
# TLS=1: the demo over TLS, with a certificate by this checkout's own authority.
TLS       ?=
TLS_DATA  := $(if $(TLS),--data tls_certificate=.lab-ca/web.pem --data tls_key=.lab-ca/web.key)
DEMO_URL  := $(if $(TLS),--cacert .lab-ca/ca.pem https,http)://172.16.12.254/
SUDO      := $(if $(filter 0,$(shell id -u)),,sudo)
VENV      := .venv
LAB       := $(SUDO) $(VENV)/bin/lab
PYINFRA   := $(VENV)/bin/pyinfra
APT       := $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends
PIP       := $(VENV)/bin/pip install --disable-pip-version-check --progress-bar off --no-deps
# What takes long, with a line that says how far it is; sudo asks before it is drawn.
LONG      := python3 -m report.long_command
DEBIAN    := $(SUDO) true && $(LONG)

# What runs side by side says a test in a line, when it is over.
WHOLE_LINES := | sed -u ''
SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -c
export PYTHONUNBUFFERED := 1

# QUICK=1: the benches once each and on one pair.
QUICK     ?=

.PHONY: help setup inventory demo drill drill-ipv6 drill-quick bench test test-all no-lab check unit unit-1 unit-2 pages pair rest rest-1 rest-2 tour steps chromium down clean

help:
	@echo "make setup   what the next two need"
	@echo "make inventory  a first inventory of your own machines, which are asked what they have"
	@echo "make demo    two machines in a lab on this one: deployed, verified, left running"
	@echo "make drill   every drill in the lab, its faults beside the recipe's own settings"
	@echo "make bench   Tandem beside what others use, for hours; QUICK=1: ten minutes"
	@echo "make test    style, types, imports, unit tests, and a pair in the lab: twelve minutes"
	@echo "make test-all  every other test, too; make check unit: what needs neither root nor lab"
	@echo "make down    take the lab down"

# gpg checks nginx's signature; what the lab needs, it says itself. Debian's packages and Python's are
# installed side by side (LONG says how far they are).
NEEDED := python3 -c 'import shutil; from lab.host.requirements import missing_packages as lab; \
    print(*lab(), *([] if shutil.which("gpg") else ["gnupg"]))'
PYTHON := MAKEFLAGS= $(MAKE) --no-print-directory $(VENV)/.installed

setup:
	@command -v python3 >/dev/null || { echo 'Installing python3-venv'; $(APT) python3-venv >/dev/null; }
	@debian=$$($(NEEDED)) || exit; what=$${debian:+Debian packages: $$debian}; set --; \
	[ -z "$$debian" ] || { $(SUDO) true && set -- "Debian=$(APT) $$debian"; } || exit; \
	if ! $(PYTHON) -q; then \
	    python3 -c 'import ensurepip' 2>/dev/null || { $(DEBIAN) 'Installing python3-venv' 'Debian=$(APT) python3-venv'; } || exit; \
	    set -- "$$@" "Python=$(PYTHON)"; what="$${what:+$$what; }Python packages: those of requirements-dev.lock, into $(VENV)"; \
	fi; \
	[ $$# -eq 0 ] || $(LONG) "Installing $$what" "$$@"

# (The lock names all packages, so that pip has none to find out; Python compiles them on every CPU.)
$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@python3 -m venv $(VENV)
	@$(PIP) --no-compile --require-hashes -r requirements-dev.lock
	@$(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib & \
	    $(PIP) --no-build-isolation --editable . && wait
	@touch $@

# FILE=name.py: where to; what is there is not replaced.
inventory: $(VENV)/.installed
	@$(VENV)/bin/python init.py $(if $(FILE),"$(FILE)")

demo: setup
	$(LAB) up $(INVENTORY)
	$(if $(TLS),$(VENV)/bin/lab ca 172.16.12.254 www.example.org)
	$(LAB) run -- $(PYINFRA) -y $(INVENTORY) deploy.py $(TLS_DATA)
	$(LAB) run -- $(PYINFRA) $(INVENTORY) verify.py $(TLS_DATA) --data wait=20 --data report=$(REPORT)
	$(LAB) run -- $(PYINFRA) $(INVENTORY) drill.py $(TLS_DATA) --data drills=nginx-crash \
	    --data repeats=1 --data timing=show --data report=$(REPORT)
	@echo
	@echo "The lab is up. Next:"
	@echo "    $(LAB) run -- curl $(DEMO_URL)   the page, through the VIP"
	@echo "    $(LAB) ssh host1 touch /etc/keepalived/down                     send the VIP to host2"
	@echo "    $(LAB) run -- $(PYINFRA) $(INVENTORY) verify.py $(TLS_DATA)   what the verifier says to that"
	@echo "    $(LAB) mail                                                     the mails about it"
	@echo "    $(LAB) ssh host1 rm /etc/keepalived/down                        have it back"
	@echo "    $(LAB) status;  $(LAB) down"
	@echo "What the verifier found: $(REPORT)/report.html. What the drill cost: $(REPORT)/drills.html."

# The recipe's values first, measured on the same machines in the same hour, then the default.
drill: setup
	$(LAB) up $(INVENTORY)
	$(LAB) run -- $(PYINFRA) -y $(INVENTORY) deploy.py --data vrrp_version=2
	-$(LAB) run -- $(PYINFRA) $(INVENTORY) drill.py --data vrrp_version=2 --data drills=all \
	    --data repeats=$(CLASSIC_REPEATS) --data report=$(REPORT)/classic
	$(LAB) run -- $(PYINFRA) -y $(INVENTORY) deploy.py
	$(LAB) run -- $(PYINFRA) $(INVENTORY) drill.py --data drills=all,changes --data repeats=$(REPEATS) \
	    --data report=$(REPORT) --data against=$(REPORT)/classic; code=$$?; \
	[ $$code -eq 0 ] || exit $$code; $(LAB) down && $(IPV6_DRILLS)

# A pair of which IPv6 addresses move: one beside the IPv4 address, and one that speaks VRRP itself.
drill-ipv6: setup
	$(LAB) up $(IPV6_PAIR)
	$(LAB) run -- $(PYINFRA) -y $(IPV6_PAIR) deploy.py $(IPV6_VIPS)
	$(LAB) run -- $(PYINFRA) $(IPV6_PAIR) drill.py $(IPV6_VIPS) --data drills=ipv6-lost \
	    --data repeats=$(REPEATS) --data report=$(REPORT)/ipv6-beside; code=$$?; \
	$(LAB) run -- $(PYINFRA) $(IPV6_PAIR) drill.py $(IPV6_VIPS) --data drills=network \
	    --data drilled_vip=fd61:1::252 --data repeats=$(REPEATS) --data report=$(REPORT)/ipv6 && \
	exit $$code
	$(LAB) down

# A handful of drills, once each.
drill-quick: setup
	$(LAB) up $(INVENTORY)
	$(LAB) run -- $(PYINFRA) -y $(INVENTORY) deploy.py
	$(LAB) run -- $(PYINFRA) $(INVENTORY) drill.py --data drills=quick --data repeats=1 \
	    --data report=$(REPORT)

# What Tandem is measured against has an environment of its own, and wrk is Debian's.
bench: setup .venv-bench/.installed
	@command -v wrk >/dev/null || { $(DEBIAN) "Installing wrk" "Debian=$(APT) wrk"; }
	$(SUDO) $(VENV)/bin/python -m bench $(if $(QUICK),--quick)

.venv-bench/.installed: requirements-bench.lock
	@python3 -m venv .venv-bench
	@$(LONG) "Installing $< into .venv-bench" \
	    "Python=.venv-bench/bin/pip install --disable-pip-version-check --progress-bar off --require-hashes -r $<"
	@touch $@

# What a person waits for: everything that needs no lab, and a pair that is deployed, verified,
# changed, broken and restored.
test: setup chromium
	@$(MAKE) --no-print-directory -j 2 pair no-lab

# The pair mostly waits; meanwhile the processors do this.
no-lab:
	@$(MAKE) --no-print-directory check unit pages

# Everything else, too: other platforms and profiles, every fault, every drill; a new operator's whole
# tour; then every step of a deploy, disturbed once.
test-all: test rest tour steps

check: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports --no-logo

unit: $(VENV)/.installed
	@MAKEFLAGS= $(MAKE) --no-print-directory -j 2 --output-sync=target unit-1 unit-2

unit-1 unit-2: $(VENV)/.installed
	$(VENV)/bin/pytest -q -m "not browser" $(wildcard tests/unit/$(if $(filter %-1,$@),[a-r],[s-z])*)

pages: $(VENV)/.installed chromium
	$(VENV)/bin/pytest -q -m browser tests/unit

pair: setup
	$(SUDO) $(VENV)/bin/pytest -v --timeout 600 --durations 10 tests/lab/pair $(WHOLE_LINES)

# Two at a time. A lab belongs to a checkout: the second has a copy of this one, with its lab.
rest: setup
	@$(MAKE) --no-print-directory -j 2 rest-1 rest-2

rest-1: PLACES := breaking profiles loopback
rest-2: PLACES := deploying network machines
rest-1 rest-2: setup
	$(SUDO) env LAB_COPY=$(filter %-2,$@) $(VENV)/bin/pytest -v --timeout 900 --durations 20 \
	    $(PLACES:%=tests/lab/%) $(WHOLE_LINES)

# From an inventory of one's own to bare machines; what each plan says is what the run then does.
tour: setup
	$(SUDO) $(VENV)/bin/pytest -v --timeout 300 --durations 10 tests/lab/tour $(WHOLE_LINES)

# Each step of a deploy is broken off, on several pairs at a time. build/steps.txt: what came of it.
steps: setup
	$(SUDO) $(VENV)/bin/pytest -v --durations 5 tests/lab/steps $(WHOLE_LINES)

# A browser looks at the pages.
chromium:
	@command -v chromium >/dev/null || { $(DEBIAN) "Installing chromium" "Debian=$(APT) chromium"; }

down:
	$(LAB) down

clean: down
	rm -rf $(VENV) $(REPORT) .lab-ca .venv-bench .bench bench-report build *.egg-info
