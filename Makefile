# What continuous integration runs; each line also works by hand.
PY = .venv/bin/python

.PHONY: check lint test samples docs benchmark

check: lint test

lint:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

test:
	$(PY) -m pytest -q -n auto --cov=reirrad --cov-branch --cov-report=term-missing:skip-covered

samples:
	$(PY) sample_plans/make.py

docs:
	$(PY) docs/make_docs.py
	$(PY) docs/update_accuracy.py

benchmark:
	$(PY) benchmarks/run.py
