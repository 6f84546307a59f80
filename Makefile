# Everything from a fresh clone, with Python 3.11+, git and make alone. `make` lists the targets.

VERSION ?= 6.12
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: help demo test bench accuracy mutants series kernel packages verify clean

help:
	@echo 'make demo      scan the bundled kernel-like tree and show what pgconv does'
	@echo 'make test      lint, types and the test suite'
	@echo 'make kernel    fetch Debian'"'"'s Linux source to .kernel/linux-$(VERSION); VERSION=7.2 for the newest'
	@echo 'make bench     speed and memory on that tree, as ratios measured in one run'
	@echo 'make accuracy  score a scan of that tree against labelled uses; VERSION=7.2 compares its decided share'
	@echo 'make mutants   turn decided uses to the other unit: does the unit checker notice?'
	@echo 'make series    that tree as a patch series: git am of all of it, and the tree'"'"'s own checkpatch.pl;'
	@echo '                 SERIES=--build builds at its first steps too, SERIES="--sample 40" is shorter'
	@echo 'make verify    every level of proof on that tree, up to a boot in QEMU; SHORT=1 for what CI runs'
	@echo 'make packages  the Debian packages that builds need (make verify does it too)'
	@echo 'make clean     remove what was built; .venv and .kernel stay'

demo: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo.sh

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: $(STAMP) kernel
	$(BIN)/python scripts/bench.py --version $(VERSION)

accuracy: $(STAMP) kernel
	$(BIN)/python scripts/accuracy.py $(if $(filter-out 6.12,$(VERSION)),--beside .kernel/linux-$(VERSION))

mutants: $(STAMP) kernel
	$(BIN)/python scripts/mutants.py

series: $(STAMP) kernel
	$(BIN)/python scripts/series.py --version $(VERSION) $(SERIES)

verify: $(STAMP) kernel packages
	$(BIN)/python scripts/verify.py --version $(VERSION) $(if $(SHORT),--short)

packages: $(STAMP)
	@$(BIN)/python scripts/packages.py

kernel: python
	@$(PYTHON) scripts/kernel.py $(VERSION)

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find converter scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python
python:
	@test -n '$(PYTHON)' || { echo 'pgconv needs Python 3.11 or later; none was found (PYTHON=/path/to/python3 names one)' >&2; exit 2; }

$(STAMP): pyproject.toml | python
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo 'python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 2; }
	@echo 'installing pgconv and its tools into $(VENV)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/python -m compileall -q converter
	@touch $@
