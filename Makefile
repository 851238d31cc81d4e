# `make` lists the targets. Another interpreter: make PYTHON=python3.12 demo. Another compiler: make CC=clang demo.

PYTHON ?= python3
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv
OLDEST := .venv-oldest
MODEL := examples/models/digits_int8.tflite
DATA := examples/data/digits_test.npz
LABELS := 0,1,2,3,4,5,6,7,8,9
DECLARED := setup.cfg setup.py pyproject.toml requirements.txt
export CC

# What touches numpy, protobuf and LiteRT at run time is also tested on the oldest versions that requirements.txt allows.
# The rest (C-model generation, packaging, the command line, the examples) runs on the newest only, to keep this pass short.
NEWEST_ONLY := $(addprefix tests/test_,makefile.py packaging.py docs.py pages.py ci.py pytest_plugin.py)
OLDEST_TESTS := $(filter-out $(NEWEST_ONLY), $(wildcard tests/test_*.py \
	$(addprefix tests/,tflite_model transport drivers firmware_proto compare isolation conformance eim_engine)))
# numpy 1.26 and LiteRT 2.1 have no wheels for later interpreters.
OLDEST_RUNS_ON := 3.11 3.12

.DEFAULT_GOAL := help
.PHONY: help demo demo-stm32f405 test test-oldest lint clean check-python check-compiler

help:
	@echo "make demo         prove an int8 model equal on LiteRT and on a generated C-model, layer by layer, on real data"
	@echo "make test         lint, test-oldest, then the whole test suite"
	@echo "make test-oldest  the tests of the run-time parts on the oldest supported packages"
	@echo "make lint         ruff and mypy"
	@echo "make clean        remove the virtual environments and everything built"
	@echo "PYTHON=python3.12 selects the interpreter, CC=clang the compiler."

VALIDATE := $(VENV)/bin/ai-runner validate -m tflite:$(MODEL) --inputs $(DATA) --labels $(DATA):labels --per-layer

demo: check-python check-compiler $(VENV)/.ready-$(PYTHON_VERSION)
	$(VENV)/bin/ai-runner c-model $(MODEL) --api st-ai --out build/demo/st-ai
	$(VENV)/bin/ai-runner c-model $(MODEL) --api legacy --out build/demo/legacy
	$(VALIDATE) -d file:build/demo/st-ai -d file:build/demo/legacy
	$(VENV)/bin/ai-runner eim $(MODEL) --out build/demo/digits.eim --labels $(LABELS)
	$(VENV)/bin/ai-runner validate -m 'tflite:$(MODEL)?labels=$(LABELS)' --inputs $(DATA) --labels $(DATA):labels \
		-d eim:build/demo/digits.eim
	$(call validate-firmware,host)
	@if command -v arm-none-eabi-gcc >/dev/null && command -v qemu-system-arm >/dev/null; then \
		$(MAKE) --no-print-directory demo-stm32f405; \
	else \
		echo "The emulated STM32F405 is left out; to see it: sudo apt-get install $(EMULATOR)"; \
	fi

demo-stm32f405: $(VENV)/.ready-$(PYTHON_VERSION)
	$(call validate-firmware,stm32f405)

EMULATOR := gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm

# $(call validate-firmware,port): builds the firmware, starts it, validates what it says on its line, stops it.
define validate-firmware
$(VENV)/bin/ai-runner firmware build --model $(MODEL) --port $(1) --out build/demo/firmware-$(1)
@echo "validating the firmware of port $(1) over its serial line"
@line=build/demo/firmware-$(1).line; rm -f $$line; \
	$(VENV)/bin/ai-runner firmware run build/demo/firmware-$(1) >$$line & firmware=$$!; \
	trap 'kill $$firmware; wait $$firmware' EXIT; \
	until [ -s $$line ]; do kill -0 $$firmware || exit 3; sleep 0.1; done; \
	$(VALIDATE) -d "$$(head -n 1 $$line)"
endef

test: check-python check-compiler lint test-oldest
	$(VENV)/bin/python -m pytest -n 2

ifneq ($(filter $(OLDEST_RUNS_ON),$(PYTHON_VERSION)),)
test-oldest: check-python check-compiler $(OLDEST)/.ready-$(PYTHON_VERSION)
	$(OLDEST)/bin/python -m pytest -q -n 2 -p no:cacheprovider $(OLDEST_TESTS)
else
test-oldest: check-python
	@echo "test-oldest is left out: the oldest packages have no wheels for Python $(PYTHON_VERSION)"
endif

lint: check-python $(VENV)/.ready-for-tests-$(PYTHON_VERSION)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) $(OLDEST) build dist ai_runner.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call need,shell command,message): the whole make stops with this one line when the command fails.
need = $(if $(shell { $(1); } >/dev/null 2>&1 && echo yes),,$(error $(2)))
is_recent := import sys; sys.exit(sys.version_info < (3, 11))

check-python:
	$(call need,command -v $(PYTHON),$(PYTHON) is not installed: sudo apt-get install python3 python3-venv)
	$(call need,$(PYTHON) -c '$(is_recent)',$(PYTHON) is not Python 3.11 or newer: sudo apt-get install python3.11-venv && make PYTHON=python3.11 $(MAKECMDGOALS))
	$(call need,$(PYTHON) -c 'import ensurepip; import venv',$(PYTHON) cannot make virtual environments: sudo apt-get install $(notdir $(PYTHON))-venv)

check-compiler:
	$(call need,printf '\043include <math.h>\n' | $(CC) -x c -fsyntax-only -,no working C compiler ($(CC)): sudo apt-get install gcc libc6-dev)

# $(call install,folder,pip arguments): a folder without the stamp of a finished installation is made anew, and removed
# again when that fails. One that was finished and is only out of date is brought up to date in place.
finished = $(wildcard $(1)/.ready-$(PYTHON_VERSION))
# An installed package comes compiled; so does an editable one, whatever PYTHONDONTWRITEBYTECODE says.
define install
@echo "Installing into $(1) ..."
@$(if $(finished),true,$(PYTHON) -m venv --clear $(1)) \
	&& $(1)/bin/python -m pip -qq --disable-pip-version-check --no-input install $(2) \
	&& $(1)/bin/python -m compileall -q ai_runner drivers firmware_proto \
	&& touch $(1)/.ready-$(PYTHON_VERSION) $@ \
	|| { $(if $(finished),true,rm -rf $(1)); echo "Could not install into $(1): see above" >&2; exit 1; }
endef

$(VENV)/.ready-$(PYTHON_VERSION): $(DECLARED)
	$(call install,$(VENV),-e .)

$(VENV)/.ready-for-tests-$(PYTHON_VERSION): $(DECLARED) | $(VENV)/.ready-$(PYTHON_VERSION)
	$(call install,$(VENV),-e '.[dev]')

$(OLDEST)/.ready-$(PYTHON_VERSION): $(DECLARED)
	@mkdir -p build && sed 's/>=/==/' requirements.txt >build/oldest.txt
	$(call install,$(OLDEST),-e '.[dev]' -c build/oldest.txt)
