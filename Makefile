# Chores, one word each. `make help` lists them. Works with GNU make 3.81 and later.
#
#   PYTHON=python3.12 make test     another Python, 3.11 or newer

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; done; echo python3)
DEMO ?= demo
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-peers bench bench-import bench-history bench-stages bench-looks bench-tags bench-lint bench-export bench-cache bench-train experiments dsk-tiny dsk-tiny-epsilon dsk-tiny-tagger lint docs clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP) ## a small scrape, the commands of a user on it, two baked LoRAs, measured, and a page, in the folder demo/
	@$(BIN)/python -m datakit.demo --dir "$(DEMO)" $(ARGS)

test: $(STAMP) ## the tests that take seconds
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal -m "not slow and not peers" $(ARGS)

test-slow: $(STAMP) ## the tests that take longer
	@$(BIN)/python -m pytest -m "slow" $(ARGS) || { [ $$? = 5 ] && echo "there are no slow tests yet"; }

test-peers: $(STAMP) ## the tests against other tools of the field
	@$(BIN)/python -m pytest -m "peers" $(ARGS) || { [ $$? = 5 ] && echo "there are no peer tests yet"; }

bench: bench-import bench-history bench-stages ## import and history against git, git-lfs and dvc (installs dvc apart; 20 GB of temporary files), and every stage

bench-import: $(STAMP) ## import speed with large images
	@$(BIN)/python -m tests.benchmarks.bench_import $(ARGS)

bench-history: $(STAMP) ## all operations on 10,000 and 100,000 small images
	@$(BIN)/python -m tests.benchmarks.bench_history $(ARGS)

bench-stages: $(STAMP) ## every stage on 1,000 images of 1216 px, against decoding the same files
	@$(BIN)/python -m tests.benchmarks.bench_stages $(ARGS)

bench-looks: $(STAMP) ## near-duplicates against imagehash and czkawka; a tagger against onnxruntime alone
	@$(BIN)/python -m tests.benchmarks.bench_duplicates $(ARGS)
	@$(BIN)/python -m tests.benchmarks.bench_tagging

bench-tags: $(STAMP) ## metadata of 10,000 images, a vocabulary of 140,000 tags, searches in 100,000 captions
	@$(BIN)/python -m tests.benchmarks.bench_sidecars $(ARGS)
	@$(BIN)/python -m tests.benchmarks.bench_vocabulary
	@$(BIN)/python -m tests.benchmarks.bench_find

experiments: $(STAMP) ## claims that users argue about, tried on dsk-tiny: docs/experiments.md (hours)
	@$(BIN)/python -m tests.experiments $(ARGS)

COMMA := ,
PORTRAITS := $(BIN)/python -m datakit.demo.portraits
# Draws into $(1).part first: a folder that is there is whole, whatever stopped the drawing of another.
drawn = test -d $(1) || { rm -rf $(1).part && $(PORTRAITS) $(1).part $(2) && mv $(1).part $(1); }

TINY := made/dsk-tiny
TINY_RECIPE := docs/recipes/dsk-tiny

dsk-tiny: $(STAMP) ## the base model that comes along, made again from nothing in made/dsk-tiny (hours; goes on where it stopped)
	@$(call drawn,$(TINY)/world,--count 14000 --seed 1 --size 64 --base --processes 2)
	@test -f $(TINY)/vae-run/result.json || $(BIN)/python -m trainer vae $(TINY_RECIPE)/vae.toml
	@test -d $(TINY)/blank || $(BIN)/python -m trainer blank $(TINY)/blank --family tiny --seed 0 --vae $(TINY)/vae-run/vae --prediction v_prediction --zero-terminal-snr
	@test -f $(TINY)/base-run/result.json || $(BIN)/python -m trainer run $(TINY_RECIPE)/base.toml
	@test -f $(TINY)/cool-run/result.json || $(BIN)/python -m trainer run $(TINY_RECIPE)/cool.toml
	@test -f $(TINY)/more-run/result.json || $(BIN)/python -m trainer run $(TINY_RECIPE)/more.toml
	@test -f $(TINY)/end-run/result.json || $(BIN)/python -m trainer run $(TINY_RECIPE)/end.toml
	@test -d $(TINY)/dsk-tiny || $(BIN)/python -m trainer words $(TINY)/end-run/dsk-tiny $(TINY)/dsk-tiny --captions $(TINY)/world --seed 0
	@echo "made $(TINY)/dsk-tiny"

dsk-tiny-epsilon: $(STAMP) ## dsk-tiny, taught to predict epsilon instead of v (goes on where it stopped)
	@$(call drawn,$(TINY)/world,--count 14000 --seed 1 --size 64 --base --processes 2)
	@test -f $(TINY)/epsilon-run/result.json || $(BIN)/python -m trainer run $(TINY_RECIPE)/epsilon.toml
	@echo "made $(TINY)/epsilon-run/dsk-tiny-epsilon"

TAGGER := made/dsk-tiny-tagger

dsk-tiny-tagger: $(STAMP) ## the tagger that comes along, made again from nothing in made/dsk-tiny-tagger (goes on where it stopped)
	@$(call drawn,$(TAGGER)/base,--count 8000 --seed 101 --size 96 --varied)
	@$(call drawn,$(TAGGER)/more,--count 5000 --seed 102 --size 96 --varied --styles big-ears$(COMMA)big-smile$(COMMA)open-peeps$(COMMA)lorelei$(COMMA)pixel-art)
	@for one in aria mika hana sora; do $(call drawn,$(TAGGER)/$$one,--count 100 --seed 901 --character $$one --varied) || exit; done
	@for one in lorelei pixel-art; do $(call drawn,$(TAGGER)/$$one,--count 400 --seed 903 --styles $$one --varied) || exit; done
	@cp trainer/tagger/dsk-tiny-tagger.toml $(TAGGER)/tagger.toml
	@$(BIN)/python -m trainer tagger $(TAGGER)/tagger.toml

bench-lint: $(STAMP) ## lint of 10,000 and 100,000 images with captions against lora-audit, cleanvision and bare decoding
	@$(BIN)/python -m tests.benchmarks.bench_lint $(ARGS)

bench-export: $(STAMP) ## export of 10,000 items elsewhere: the first time, again, after one edit
	@$(BIN)/python -m tests.benchmarks.bench_export $(ARGS)

bench-cache: $(STAMP) ## 1,000 cached latents against a .npz file each, and the start with 100,000
	@$(BIN)/python -m tests.benchmarks.bench_cache $(ARGS)

bench-train: $(STAMP) ## a training step beside sd-scripts' (PEER_SD_SCRIPTS, PEER_SD_SCRIPTS_PYTHON)
	@$(BIN)/python -m tests.benchmarks.bench_train $(ARGS)

lint: $(STAMP) ## ruff, mypy --strict, the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP) ## docs/reference, from the code
	@$(BIN)/python docs/generate.py

clean: ## remove what tests, tools and the demo left, but not .venv
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@if [ -f "$(DEMO)/.dsk-demo" ]; then rm -rf "$(DEMO)"; fi

distclean: clean ## remove .venv too
	rm -rf $(VENV)

# An environment whose Python has gone is made again.
ifeq ($(wildcard $(BIN)/python),)
.PHONY: $(STAMP)
endif

# The stamp is the last thing written: an installation that was interrupted is done again, over what is there.
$(STAMP): pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "dsk needs Python 3.11 or newer, and '$(PYTHON)' is not: install one, or name it: PYTHON=python3.12 make"; \
		exit 1; }
	@command -v git >/dev/null || { echo "dsk needs git: install it and run make again"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		echo "creating $(VENV)"; "$(PYTHON)" -m venv --clear $(VENV) || { \
		rm -rf $(VENV); echo "could not create $(VENV); on Debian: apt-get install python3-venv"; exit 1; }; }
	@echo "installing dsk and what its tests need into $(VENV) (once; some minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)
