# SPDX-License-Identifier: Apache-2.0
# The commands of the README; the build itself is Meson's.

BUILD ?= build

.PHONY: all deps demo check check-vm bench install clean

all:
	scripts/build $(BUILD)

deps:
	scripts/install-deps

demo: deps all
	scripts/demo $(BUILD)

check: deps all
	tests/run $(BUILD)

# Of all that, the tests in virtual machines alone.
check-vm: deps all
	tests/run $(BUILD) vm

bench: deps all
	bench/run $(BUILD)

install: all
	meson install -C $(BUILD)/main --no-rebuild
	meson install -C $(BUILD)/static --no-rebuild

clean:
	rm -rf $(BUILD)
