# Two commands for newcomers: `make demo` sets up and runs the main job, `make test` sets up and passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test install install-test install-dev lint format docs sanitize wheel slow bench check clean

demo: $(VENV)/.installed
	qphys run runs/micius-2017.toml --overwrite

test: $(VENV)/.installed-test
	python -c 'import qphys.core'
	python -m pytest -n 2 -q

install: $(VENV)/.installed
install-test: $(VENV)/.installed-test
install-dev: $(VENV)/.installed-dev

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "qphys needs Python 3.11 or newer; set PYTHON=..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --upgrade 'pip>=25.1'
	python -m pip install --quiet --group build
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml meson.build
	python -m pip install --quiet --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	python -m pip install --quiet --group test
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	python -m pip install --quiet --group dev
	@touch $@

lint: $(VENV)/.installed-dev
	ruff check .
	ruff format --check .
	mypy
	clang-format --dry-run --Werror qphys/core/*.c qphys/core/*.h

format: $(VENV)/.installed-dev
	ruff check --fix .
	ruff format .
	clang-format -i qphys/core/*.c qphys/core/*.h

docs: $(VENV)/.installed-dev
	sphinx-build -W --keep-going -q -b html docs docs/_build/html

sanitize: $(VENV)/.installed-test
	bash tests/core/sanitize.sh

wheel: $(VENV)/.installed-test
	bash tests/wheel.sh

slow: $(VENV)/.installed-test
	python -m pytest -n 2 -q -m slow

bench: $(VENV)/.installed-test
	python -m benchmarks

check: lint docs sanitize wheel

clean:
	rm -rf $(VENV) build dist docs/_build runs/out
