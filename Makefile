# Works on a machine that has python3 (3.11 or later), make and pip. The two stamps say which set-up is done: what users
# need, and what developers need beside it. They are made again when the requirements change.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types check bench clean

demo: .venv/.users
	$(BIN)/spikedistill table digits --run --threads 1 --device cpu

test: .venv/.developers
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

lint: .venv/.developers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: .venv/.developers
	$(BIN)/mypy

check: lint types test

# Ours and the peers, interleaved: an hour or two on a quiet machine. `python -m benchmarks list` names the parts.
bench: .venv/.developers
	$(BIN)/python -m benchmarks all

# torch first and alone: the constraint then holds for everything after it, and no package brings another build.
# Where Python comes without ensurepip (Debian without python3-venv), the machine's own pip fills the environment.
.venv/.users: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv || { $(PYTHON) -m venv --clear --without-pip .venv && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

.venv/.developers: .venv/.users tests/oracles.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps -r tests/oracles.txt
	touch $@

clean:
	rm -rf .venv
