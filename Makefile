# SPDX-License-Identifier: Apache-2.0
# The commands of the README; the build itself is Meson's.

BUILD ?= build

.PHONY: all deps demo check bench install clean

all:
	scripts/build $(BUILD)

deps:
	scripts/install-deps

demo: deps all
	scripts/demo $(BUILD)

check: deps all
	tests/run $(BUILD)

bench: deps all
	bench/run $(BUILD)

install: all
	meson install -C $(BUILD)/main --no-rebuild
	meson install -C $(BUILD)/static --no-rebuild

clean:
	rm -rf $(BUILD)
