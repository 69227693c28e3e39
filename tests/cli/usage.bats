#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets stderr
# What needs no listener: help, usage errors, completion and manual pages beside the program's help.

# shellcheck source=tests/cli/helpers.bash
source "$BATS_TEST_DIRNAME/helpers.bash"

listener_commands=(list watch inspect whose status metrics)
commands=("${listener_commands[@]}" detect install verify repair uninstall spec)

setup() {
        common_setup
}

teardown() {
        common_teardown
}

# The long options in a command's help.
options_of() {
        "$hookctl" help "$1" | grep -o -- '^ .*--[a-z-]*' | grep -o -- '--[a-z-]*' | sort
}

@test "without a command: usage on standard error, exit 2" {
        run -2 --separate-stderr "$hookctl"
        [ -z "$output" ]
        [[ $stderr == Usage:* ]]
}

@test "options may stand before the command" {
        run -3 "$hookctl" --events "$BATS_TEST_TMPDIR/none" -o json list
        [[ $output == *"no listener at $BATS_TEST_TMPDIR/none"* ]]
        run -2 "$hookctl" --events "$BATS_TEST_TMPDIR/none"
        [[ $output == *"no command given"* ]]
}

@test "help names each command, and each explains itself by help and --help" {
        run -0 "$hookctl" help
        for command in "${commands[@]}"; do
                [[ $output == *"  $command "* ]]
                [ "$("$hookctl" help "$command")" = "$("$hookctl" "$command" --help)" ]
                [ "$("$hookctl" help "$command")" = "$("$hookctl" "$command" -h)" ]
        done
        [ "$("$hookctl" --help)" = "$output" ]
}

@test "help fits 80 columns" {
        for command in '' "${commands[@]}"; do
                run -0 "$hookctl" help ${command:+"$command"}
                for line in "${lines[@]}"; do
                        [ "${#line}" -le 80 ]
                done
        done
}

@test "version" {
        run -0 "$hookctl" version
        [[ $output =~ ^kubearmor-hookctl\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
        [ "$("$hookctl" --version)" = "$output" ]
}

@test "an unknown command: the nearest is suggested, exit 2" {
        run -2 "$hookctl" lst
        [[ $output == *"did you mean 'list'"* ]]
        run -2 "$hookctl" whoose
        [[ $output == *"did you mean 'whose'"* ]]
        run -2 "$hookctl" frobnicate
        [[ $output != *"did you mean"* ]]
        [[ $output == *"kubearmor-hookctl help"* ]]
        run -2 "$hookctl" help lst
        [[ $output == *"did you mean 'list'"* ]]
}

@test "wrong options and values: one line that says what, a hint, exit 2" {
        for words in 'list --frob' 'list -o xml' 'list -o' 'inspect -o table x' 'list --timeout 5' \
                'list --type pod' 'list --state removed' 'list --color maybe' 'list --label =x' \
                'list --namespace=' 'list extra' 'whose --pid 0' 'whose --pid 1x' 'whose --mntns -1' \
                'whose --pid 99999999999' 'watch --state running' 'metrics -o json' 'inspect a b'; do
                # shellcheck disable=SC2086 # words
                run -2 --separate-stderr "$hookctl" $words
                [ -z "$output" ]
                [[ ${stderr_lines[0]} == kubearmor-hookctl:* ]]
                [[ ${stderr_lines[1]} == "Try 'kubearmor-hookctl ${words%% *} --help'." ]]
                [ "${#stderr_lines[@]}" -eq 2 ]
        done
}

@test "a wrong value: what would be right" {
        for words in 'list -o yaml=give table, wide, json or jsonl' 'list --timeout 5=such as 500ms' \
                'list --type pod=container or sandbox' 'list --color maybe=auto, always or never' \
                'install --stages x=createRuntime' 'install --runtime x=detect' \
                'whose --pid x=a number above 0' 'install --bin-dir x=an absolute path'; do
                # shellcheck disable=SC2086 # words
                run -2 "$hookctl" ${words%%=*}
                [[ ${lines[0]} == *"${words#*=}"* ]]
        done
        # shellcheck disable=SC2046 # words
        run -2 "$hookctl" install $(printf -- '--fail-closed %.0s' {1..2000})
        [ "${lines[0]}" = 'kubearmor-hookctl: --fail-closed is given too often' ]
}

@test "inspect and whose without a name or with two: exit 2" {
        run -2 "$hookctl" inspect
        run -2 "$hookctl" whose
        run -2 "$hookctl" whose --pid 1 --mntns 1
        run -2 "$hookctl" whose --pid 1 abc
        run -2 "$hookctl" list --watch --state running
}

@test "a path that no socket can have: exit 2" {
        run -2 "$hookctl" list --events "/$(printf '%0200d' 0)"
        [[ $output == *--events* ]]
}

@test "no listener: exit 3, and how to mend it" {
        for command in "${listener_commands[@]}"; do
                argument=
                [ "$command" != inspect ] || argument=x
                [ "$command" != whose ] || argument='--mntns 1'
                # shellcheck disable=SC2086
                run -3 --separate-stderr ctl "$command" $argument
                [ -z "$output" ] || [ "$command" = status ]
                [ "$stderr" = "kubearmor-hookctl: no listener at $events: start kubearmor-hookd, or name its socket with --events" ]
        done
}

@test "a socket that nobody listens at any more: exit 3" {
        /usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$events"
        run -3 ctl list
        [[ $output == *"start kubearmor-hookd"* ]]
}

@test "the default path is the documented one" {
        run -3 "$hookctl" list --timeout 1s
        [[ $output == *" /run/kubearmor/events/events.sock: "* ]]
}

@test "completion offers each command, and each command's options" {
        # shellcheck source=/dev/null
        source "$repo/completions/kubearmor-hookctl"
        COMP_WORDS=(kubearmor-hookctl '') COMP_CWORD=1
        _kubearmor_hookctl
        [ "$(printf '%s\n' "${COMPREPLY[@]}" | sort)" = "$(printf '%s\n' "${commands[@]}" version help | sort)" ]
        for command in "${commands[@]}"; do
                COMP_WORDS=(kubearmor-hookctl "$command" --) COMP_CWORD=2
                _kubearmor_hookctl
                [ "$(printf '%s\n' "${COMPREPLY[@]}" | sort)" = "$(options_of "$command")" ]
        done
}

@test "completion offers the values that options have" {
        # shellcheck source=/dev/null
        source "$repo/completions/kubearmor-hookctl"
        for command in "${commands[@]}"; do
                for option in --output --type --state --color; do
                        help=$("$hookctl" help "$command" | grep -- " $option " || true)
                        [ -n "$help" ] || continue
                        COMP_WORDS=(kubearmor-hookctl "$command" "$option" '') COMP_CWORD=3
                        _kubearmor_hookctl
                        [ "${#COMPREPLY[@]}" -ge 2 ]
                        for word in "${COMPREPLY[@]}"; do
                                [[ $help =~ [\ ,]$word ]]
                        done
                done
        done
}

@test "the manual page describes each command and option" {
        page=$repo/man/kubearmor-hookctl.1.scd
        for command in "${commands[@]}"; do
                grep -q "^\*$command\* " "$page"
                for option in $(options_of "$command"); do
                        grep -q -- "\*$option\*" "$page"
                done
        done
        # and none that there is not
        known=$(for command in "${commands[@]}"; do options_of "$command"; done)
        described=$(grep -o -- '^\*-.*' "$page" | grep -o -- '--[a-z-]*')
        [ "$(sort -u <<<"$described")" = "$(sort -u <<<"$known")" ]
}

@test "the manual page has the exit codes of the header" {
        codes=$(sed -n 's/^ *KH_EXIT_[A-Z_]* = \([0-9]\),/\1/p' "$repo/src/hookctl/hookctl.h")
        [ -n "$codes" ]
        for code in $codes; do
                grep -qx "\*$code\*" "$repo/man/kubearmor-hookctl.1.scd"
        done
}

@test "the other programs' manual pages have their options" {
        for program in "$hook" "$hookd"; do
                [ -x "$program" ]
                page=$repo/man/$(basename "$program").8.scd
                for option in $("$program" --help 2>&1 | grep -o -- '--[a-z-]*' | sort -u); do
                        grep -q -- "\*$option\*" "$page" || {
                                echo "$page: $option is missing"
                                return 1
                        }
                done
        done
}

@test "the manual pages are well-formed" {
        for page in "$build"/man/*.[1-8]; do
                run -0 mandoc -T lint -W error "$page"
                [ -z "$output" ]
        done
}

@test "the protocol's page names what the schema does" {
        page=$(<"$repo/man/kubearmor-hook-protocol.7.scd")
        for name in $(jq -r '."$defs" | (.container.properties | keys[]), (.error.properties.error.enum[])' \
                "$repo/docs/events.schema.json"); do
                [[ $page == *"*$name*"* ]] || {
                        echo "$name is missing"
                        return 1
                }
        done
}
