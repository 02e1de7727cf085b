# `make help` lists the targets. Everything runs in .venv, made once from requirements.lock.
SHELL := /bin/bash
PROFILE ?= default
SECTIONS ?=
MODELS ?=
JOBS ?= 0
CLUSTER ?=
RECIPE ?= recipe
STAGE ?=
PYTHON ?= python3
# Index to take torch from; "https://download.pytorch.org/whl/cpu" avoids gigabytes of CUDA on Linux.
TORCH_INDEX ?=

VALUEGATE := .venv/bin/valuegate
CHOSEN := --profile "$(PROFILE)" --sections "$(SECTIONS)" --models "$(MODELS)"

.DEFAULT_GOAL := help
.PHONY: help setup paper plan replay audit publish tex test lint bench lab items data-derived clean \
  worlds worlds-plan worlds-truth worlds-check saes

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16
	@echo
	@echo 'PROFILE=smoke|default|extended|public|full  SECTIONS=02,05  MODELS=name,name  JOBS=n  CLUSTER=slurm'
	@echo 'RECIPE=recipe|tiny  STAGE=gated|gated-s1'

setup: .venv/ready ## make .venv with the locked packages and a Jupyter kernel (about 3 minutes, 2.5 GB)

.venv/ready: requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" bash tools/setup.sh

paper: setup ## measure, run the notebooks, build PDF and HTML (about 45 minutes at first, then seconds)
	@$(VALUEGATE) paper $(CHOSEN) --jobs $(JOBS) --cluster "$(CLUSTER)"

plan: setup ## show the work ahead in prompts, tokens and minutes
	@$(VALUEGATE) plan $(CHOSEN)
	@$(VALUEGATE) worlds plan

replay: setup ## recompute every claim from the published tables, without a model (two minutes)
	@$(VALUEGATE) replay --jobs $(JOBS)

audit: setup ## check that text, results and code agree (7 minutes); PROFILE=smoke for a run of yours
	@$(VALUEGATE) audit --profile "$(filter-out default,$(PROFILE))" --jobs $(JOBS)

publish: setup ## make build/default the published record, if sources are committed and the audit passes
	@$(VALUEGATE) publish --jobs $(JOBS)

tex: setup ## write LaTeX source of the paper, for journals
	@$(VALUEGATE) tex --profile "$(PROFILE)"

test: setup lint ## run the tests (about 8 minutes; fetches the embedded model and BBQ once, 137 MB)
	@.venv/bin/python -m pytest -n 2

lint: setup ## ruff and the type checker
	@.venv/bin/ruff check . && .venv/bin/ruff format --check src tests && .venv/bin/ty check src

bench: ## measure speed against lm-evaluation-harness in a venv of its own (about 10 minutes)
	@bash tools/bench.sh

lab: setup ## open JupyterLab on the notebooks
	@.venv/bin/jupyter lab notebooks

items: setup ## make the embedded item tables anew from their sources, and compare
	@$(VALUEGATE) items check

data-derived: setup ## make the tables of survey figures and scores anew from the published files, and compare
	@$(VALUEGATE) items check survey_answers
	@$(VALUEGATE) items check survey_scores

worlds: setup ## train the planted stages anew (hours; resumable; STAGE=gated, RECIPE=tiny in minutes)
	@$(VALUEGATE) worlds train --recipe "$(RECIPE)" --stage "$(STAGE)"

worlds-plan: setup ## show what `make worlds` would train, in tokens and minutes
	@$(VALUEGATE) worlds plan --recipe "$(RECIPE)" --stage "$(STAGE)"

worlds-truth: setup ## take every readout and truth test of the stages that is not stored (hours; resumable)
	@$(VALUEGATE) worlds truth

worlds-check: setup ## score a part of the stored readouts again, print what is planted (5 minutes)
	@$(VALUEGATE) worlds check

saes: setup ## train the two shared sparse autoencoders that are missing (20 minutes)
	@$(VALUEGATE) worlds saes

clean: ## remove .venv and build (downloads stay in the user's cache)
	rm -rf .venv build
