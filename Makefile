# Works on a machine that has python3 (3.11 or later), make and pip. `.venv.ready` says that the set-up is done; it is
# made again when the requirements change.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types check bench clean

demo: .venv.ready
	$(BIN)/python examples/digits_demo.py

test: .venv.ready
	$(BIN)/python -m pytest

lint: .venv.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv.ready
	$(BIN)/mypy

check: lint types test

# Ours and the peers, interleaved: an hour or two on a quiet machine. `python -m benchmarks list` names the parts.
bench: .venv.ready
	$(BIN)/python -m benchmarks all

# torch first and alone: the constraint then holds for everything after it, and no package brings another build.
.venv.ready: pyproject.toml constraints.txt tests/oracles.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps -r tests/oracles.txt
	touch $@

clean:
	rm -rf .venv .venv.ready
