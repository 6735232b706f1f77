# Six ways to wait. `make help` says what there is.
#
# A model is a file in models/ (a variant one in models/variants/): it is found, built and tested by being there.

CC      ?= gcc
BUILD   ?= build
CFLAGS  ?= -O2 -g
# SANITIZE=address,undefined or SANITIZE=thread builds everything under that sanitizer, best with a BUILD of its own.
SANITIZE ?=

WARN     := -Wall -Wextra -Werror
SAN      := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
# Link-time optimisation, where gcc does it and no sanitizer minds: the core, the parser and a model are small files
# that call each other for each request.
LTO      := $(if $(SANITIZE)$(findstring clang,$(CC)),,-flto=auto)
ALL_C    := -std=gnu17 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(LTO) $(SAN) -pthread
COMPILER := $(shell $(CC) --version 2>/dev/null | head -n 1)

# V=1 shows the commands.
Q        := $(if $(V),,@)
CC_LINE   = $(if $(V),,@echo "  $(if $(findstring .o,$(suffix $@)),CC,LINK) $@"; )$(CC)

MODELS   := $(notdir $(basename $(wildcard models/*.c models/variants/*.c)))
COMMON   := $(patsubst common/%.c,$(BUILD)/obj/common/%.o,$(wildcard common/*.c))
LOADGEN  := $(patsubst loadgen/%.c,$(BUILD)/obj/loadgen/%.o,$(wildcard loadgen/*.c))
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ     := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH    := $(patsubst bench/%.c,$(BUILD)/%,$(wildcard bench/*.c))
SOURCES  := $(wildcard common/*.[ch] models/*.[ch] models/variants/*.[ch] loadgen/*.[ch] bench/*.[ch] tests/*/*.[ch])
SCRIPTS  := $(shell grep -lE '^\#!.*(ba)?sh$$' run_all.sh .ci/run tests/*.sh tests/*/*.sh experiments/*.sh experiments/*/*.sh bench/*.sh 2>/dev/null)

.PHONY: all servers unit fuzz deps deps-bench test bench demo slides lint format clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: servers $(BUILD)/loadgen $(BENCH) ## everything a run needs
servers: $(addprefix $(BUILD)/,$(MODELS))

$(BUILD)/obj/common/server.o: ALL_C += -DSIX_BUILD='"$(COMPILER), $(strip $(CFLAGS) $(LTO) $(SAN))"'

$(BUILD)/obj/models/%.o: ALL_C += -DMODEL='"$(notdir $*)"'

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC_LINE) $(ALL_C) -Icommon -Iloadgen -MMD -MP -c $< -o $@

$(addprefix $(BUILD)/,$(notdir $(basename $(wildcard models/*.c)))): $(BUILD)/%: $(BUILD)/obj/models/%.o $(COMMON)
	$(CC_LINE) $(ALL_C) $^ -o $@ $(if $(filter io_uring%,$*),$(shell pkg-config --libs liburing))

$(addprefix $(BUILD)/,$(notdir $(basename $(wildcard models/variants/*.c)))): $(BUILD)/%: $(BUILD)/obj/models/variants/%.o $(COMMON)
	$(CC_LINE) $(ALL_C) $^ -o $@ $(if $(filter io_uring%,$*),$(shell pkg-config --libs liburing))

$(BUILD)/loadgen: $(LOADGEN)
	$(CC_LINE) $(ALL_C) $^ -o $@ -lm

$(BENCH): $(BUILD)/%: $(BUILD)/obj/bench/%.o
	$(CC_LINE) $(ALL_C) $^ -o $@ $(if $(filter wait_cost,$*),$(shell pkg-config --libs liburing))

unit: $(UNIT)
$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(COMMON) $(filter-out %/main.o,$(LOADGEN))
	@mkdir -p $(@D)
	$(CC_LINE) $(ALL_C) $^ -o $@ -lcmocka -lm

# Fuzzers are clang's, whatever CC is.
fuzz: $(FUZZ)
$(BUILD)/fuzz/%: tests/fuzz/%.c $(wildcard common/*.c common/*.h tests/unit/*.h)
	@mkdir -p $(@D)
	$(Q)clang -std=gnu17 -D_GNU_SOURCE $(WARN) -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -pthread -Icommon $< $(wildcard common/*.c) -o $@

# What Debian calls what we need. To run: liburing, gnuplot with a font, python3. To build and test: the rest.
PACKAGES       := gcc libc6-dev make pkg-config liburing-dev python3 gnuplot-nox fonts-dejavu-core git
PACKAGES_TEST  := libcmocka-dev clang libclang-rt-dev clang-format shellcheck strace curl pandoc chromium
PACKAGES_BENCH := nginx-light wrk valgrind
SUDO           := $(if $(filter 0,$(shell id -u)),,sudo)

define install
@if command -v apt-get >/dev/null; then \
	missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -z "$$missing" ]; then echo "all packages are there"; else \
	$(SUDO) apt-get update -q && DEBIAN_FRONTEND=noninteractive $(SUDO) -E apt-get install -y -q --no-install-recommends $$missing; fi; \
else \
	echo "No apt-get here. Install what your system calls these Debian packages: $(1)"; \
fi
endef

deps: ## install what building, running and testing need (Debian packages)
	$(call install,$(PACKAGES) $(PACKAGES_TEST))

deps-bench: ## install the peers that `make bench` compares with
	$(call install,$(PACKAGES_BENCH))

bench: all ## servers and generator against their peers; BENCH_ARGS="--profile" or others
	@BUILD="$(BUILD)" python3 bench/bench.py $(BENCH_ARGS)

test: ## all tests: unit, structure, fuzz, black-box on every model, sanitizers
	@tests/run.sh $(SUITES)

demo: servers ## a race of the models in the terminal (DEMO="--requests 50" for its options)
	@python3 demo/demo.py --build $(BUILD) $(DEMO)

slides: ## the lecture as one offline HTML file, build/slides.html
	@python3 docs/tools/slides.py --out $(BUILD)/slides.html

lint: ## style and static checks, changing nothing
	clang-format --dry-run -Werror $(SOURCES)
	shellcheck -x $(SCRIPTS)
	python3 -m compileall -q experiments tests bench demo docs/tools

format: ## put the C sources into the committed style
	clang-format -i $(SOURCES)

clean: ## remove what was built (results stay)
	rm -rf $(BUILD)

help: ## this list
	@awk -F ' *:.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/obj/*/*/*.d)
