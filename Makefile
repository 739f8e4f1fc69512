# `make demo` and `make test` are all a newcomer needs; each does its own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= $(shell command -v python3.11 || command -v python3)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
# A pip that is asked for nothing needs no advice on itself.
PIP := python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test check walk lint types format lock coverage hooks try compare review comment review-data gain predict serve publish release plots-page chromium watch fetch inventory weights preflight remember credits synonyms evict sample docs crop-figures benchmark clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

demo: .venv/run.stamp ## run the whole pipeline on the embedded sample, then say where to look
	@python -m stages.commands.demo --check
	@dvc repro
	@python -m stages.commands.demo

# Files go to the workers as a whole, as some of their tests share what is costly to make.
PYTEST := python -m pytest -n $(or $(WORKERS),2) --dist loadfile

test: .venv/dev.stamp lint ## run lint, types and all tests, the real pipeline in a temporary clone among them (WORKERS=4)
	@$(PYTEST)

check: .venv/dev.stamp lint ## run lint, types and the fast tests: four minutes
	@HYPOTHESIS_PROFILE=check $(PYTEST) -m "not slow"

walk: .venv/dev.stamp ## make each change of docs/what_runs.md in a clone and see that what it says runs: 20 minutes
	@WALK=all python -m pytest tests/pipeline/test_what_runs.py

coverage: .venv/dev.stamp ## run all tests and say which lines of stages/ none of them reaches
	@$(PYTEST) --cov=stages --cov-report=term:skip-covered

try: .venv/run.stamp ## run an experiment from the last commit; your working tree stays as it is (ARGS="-S crop.mode=center")
	@python -m stages.commands.try_out $(ARGS)

compare: .venv/run.stamp ## show experiments: what each changed, and the figures that count (ARGS="-n 20", "--md", "--help")
	@python -m stages.commands.compare $(ARGS)

review: export BASE := $(or $(BASE),main)
review: .venv/run.stamp ## hold the working tree against BASE (a commit, branch or experiment; main): review.html, review.md (ARGS="--wait 30")
	@python -m stages.commands.review --base="$$BASE" $(ARGS)
	@test -z "$${GITHUB_STEP_SUMMARY:-}" || cat review.md >> "$$GITHUB_STEP_SUMMARY"

comment: .venv/run.stamp ## put review.md into a pull request on GitHub, in the place of the comment before (PR=12)
	@python -m stages.commands.comment --pr "$(PR)"

review-data: .venv/run.stamp ## look at suspects and say what they are, on a page of this machine (ARGS="--reviewer ana", "--pairs", "--help")
	@python -m stages.commands.review_data $(ARGS)

gain: export BASE := $(or $(BASE),main)
gain: .venv/run.stamp ## say what people's verdicts brought: the working tree's model against BASE's (a commit or experiment)
	@python -m stages.commands.gain --base="$$BASE" $(ARGS)

predict: .venv/run.stamp ## ask the model about photos: files, folders, addresses (ARGS="photo.jpg FOLDER --csv", "--show", "--help")
	@python -m stages.commands.predict_photos $(ARGS)

serve: .venv/run.stamp ## a page on this machine that takes a photo and says what it is (ARGS="--model FOLDER", "--port 8080")
	@python -m stages.commands.serve $(ARGS)

publish: .venv/run.stamp ## make models/published: the model for timm and onnxruntime, scored, with its card and credits (ARGS="--help")
	@python -m stages.commands.publish $(ARGS)

release: .venv/run.stamp ## give the last commit's model a version, as a git tag; without one, list those that there are (VERSION=1.0.0)
	@python -m stages.commands.release $(if $(VERSION),"$(VERSION)") $(ARGS)

watch: .venv/run.stamp ## show what goes on here, on one screen, from another terminal (ARGS="--once")
	@python -m stages.commands.watch $(ARGS)

lint: .venv/dev.stamp types ## check style and types
	@ruff check .
	@ruff format --check .

types: .venv/dev.stamp
	@pyright --pythonpath .venv/bin/python

lock: .venv/run.stamp ## say whether dvc.lock is of this commit's code and parameters; needs no data
	@dvc repro --allow-missing --dry 2>&1 | tee .lock.log || true  # without data it fails behind the first stage that is not up to date
	@grep -q 'up to date' .lock.log || { echo "dvc.lock is of another commit: run \`dvc repro\`, then commit dvc.lock"; exit 1; }

hooks: .venv/dev.stamp ## let git check style, types and the lock before a commit and a push
	@pre-commit install

format: .venv/dev.stamp ## put the code into the project's style
	@ruff check --fix .
	@ruff format .

fetch: .venv/run.stamp ## fill the image cache, politely (ARGS="--plan", "--probe 50", "--limit 200", "--hours 8", "--host H", "--help")
	@python -m stages.commands.fetch $(ARGS)

inventory: .venv/run.stamp ## judge every file of the active profile's image cache
	@python -m stages.commands.inventory

weights: .venv/run.stamp ## fetch the starting weights of the active profile's model once (ARGS="MODEL_NAME", "--anew")
	@python -m stages.commands.weights $(ARGS)

preflight: .venv/run.stamp ## try whether the active profile's training can work, and say how long it takes (ARGS="--minutes 5")
	@python -m stages.commands.preflight $(ARGS)

remember: .venv/run.stamp ## note in which split each image is, so that later splits keep it there (ARGS="--from FOLDER")
	@python -m stages.commands.remember $(ARGS)

credits: .venv/run.stamp ## write split, photographer, license and URL of every image of the splits
	@python -m stages.commands.credits

synonyms: .venv/run.stamp ## write which names of the records are others', by a checklist that you downloaded (ARGS="wcvp.zip")
	@python -m stages.commands.synonyms $(ARGS)

evict: .venv/run.stamp ## bring the image cache back to its budget, what is worth least first (ARGS="--dry-run", "--to-gb 100")
	@python -m stages.commands.evict $(ARGS)

sample: .venv/run.stamp ## make the embedded sample anew from Debian's packages (needs apt-get and dpkg-deb)
	@python -m sample.make
	@python -m stages.commands.inventory

docs: .venv/run.stamp ## bring what docs/ shows of the sample up to date: copies of its figures and pictures, figures in the text
	@python -m sample.in_docs

plots-page: .venv/run.stamp ## make the page of `dvc plots diff` anew, with the libraries that draw it (needs npm and a network)
	@python -m offline.make

chromium: ## install Chromium, in which tests look at pages, where there is none (Debian, Ubuntu)
	@command -v chromium chromium-browser google-chrome >/dev/null || sudo apt-get install --yes chromium

crop-figures: .venv/run.stamp ## say what crops are worth, on 2,400 composed photos (needs apt-get and dpkg-deb)
	@python -m benchmarks.crops

# Not those of worth (crops, photos, long_tail), which fetch packages, nor failed_training, which spoils the sample, nor training, which needs timm's own script, nor
# networks and same_bits, which say what can be trained and where to the same bits, nor gpu_training, which needs a GPU,
# nor intervals and comparison, which say how often a figure's interval and a verdict are right.
BENCHMARKS := busy_machine download dump_reading evaluation full_size growth inventory loading mongodb_export near_duplicates repacking predict_photos

benchmark: .venv/dev.stamp ## measure speed (minutes; each file in benchmarks says what it compares)
	@for name in $(BENCHMARKS); do python -m "benchmarks.$$name"; done

clean: ## delete the virtual environment; data, models and DVC's cache stay
	@rm -rf .venv

.venv/run.stamp: requirements.txt constraints.txt
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=..."; exit 1; }
	@echo "Setting up .venv from requirements.txt: 6 GB, some minutes"
	@"$(PYTHON)" -m venv .venv
	@$(PIP) install -r requirements.txt -c constraints.txt
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	@$(PIP) install -r requirements-dev.txt -c constraints.txt
	@touch $@
