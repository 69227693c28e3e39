#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets stderr
# libkubearmor-hook as a program of somebody else's gets it.

# shellcheck source=tests/cli/helpers.bash
source "$BATS_TEST_DIRNAME/helpers.bash"

setup() {
        common_setup
}

teardown() {
        common_teardown
}

@test "the manual page's example is the one that is built" {
        sed -n '/^# EXAMPLE/,/^# SEE/p' "$repo/man/libkubearmor-hook.3.scd" |
                sed -e '1,/^```$/d' -e '/^```$/,$d' -e 's/\\\\/\\/g' >"$dir/example.c"
        diff -u "$repo/examples/follow.c" "$dir/example.c"
}

@test "the manual page names each function of the header" {
        for name in $(grep -o 'kubearmor_hook_[a-z_]*(' "$repo/include/kubearmor-hook.h" | tr -d '(' | sort -u); do
                grep -q "$name" "$repo/man/libkubearmor-hook.3.scd"
        done
}

@test "the shared library exports the header's functions, versioned, and nothing else" {
        declared=$(grep -o 'kubearmor_hook_[a-z_]*(' "$repo/include/kubearmor-hook.h" | tr -d '(' | sort -u)
        exported=$(nm -D --defined-only "$build/src/client/libkubearmor-hook.so.0" |
                awk '$2 == "T" { print $3 }' | sort)
        [ "${exported//@@KUBEARMOR_HOOK_0.1/}" = "$declared" ]
        [ "$(grep -c @@KUBEARMOR_HOOK_0.1 <<<"$exported")" -eq "$(wc -l <<<"$declared")" ]
}

@test "the header stands alone, in C and in C++" {
        for standard in c99 c11; do
                echo '#include <kubearmor-hook.h>' |
                        cc -std=$standard -Wall -Wextra -Werror -pedantic -I"$repo/include" \
                                -fsyntax-only -x c -
        done
        if command -v c++ >/dev/null; then
                echo '#include <kubearmor-hook.h>' |
                        c++ -Wall -Wextra -Werror -I"$repo/include" -fsyntax-only -x c++ -
        fi
}

@test "a program is compiled by pkg-config, shared and static, and follows" {
        DESTDIR=$dir/root meson install -C "$build" --no-rebuild --quiet
        if nm -D "$build/src/client/libkubearmor-hook.so.0" | grep -q __asan_init; then
                skip "a library built with sanitizers links with no program built without"
        fi
        pc=$(find "$dir/root" -name kubearmor-hook.pc)
        libdir=$(dirname "$(dirname "$pc")")
        export PKG_CONFIG_SYSROOT_DIR=$dir/root PKG_CONFIG_PATH=${pc%/*}
        # shellcheck disable=SC2046 # words
        cc -Wall -Werror -o "$dir/shared" "$repo/examples/follow.c" \
                $(pkg-config --cflags --libs kubearmor-hook)
        # shellcheck disable=SC2046
        cc -Wall -Werror -o "$dir/static" "$repo/examples/follow.c" \
                $(pkg-config --cflags kubearmor-hook) "$libdir/libkubearmor-hook.a"
        start_hookd
        create one "$(crio web web-0 shop)"
        for program in shared static; do
                LD_LIBRARY_PATH=$libdir "$dir/$program" "$events" >"$dir/$program.out" 3>&- &
                pids+=("$!")
                until_true 'what is there' has_line "$dir/$program.out" '^= one pid '
        done
        end one
        for program in shared static; do
                until_true 'its end' has_line "$dir/$program.out" '^- one '
        done
        objdump -p "$dir/shared" | grep -q 'NEEDED *libkubearmor-hook.so.0$'
}
