#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets stderr
# kubearmor-hookctl beside a listener with faults that the real one does not have.

# shellcheck source=tests/cli/helpers.bash
source "$BATS_TEST_DIRNAME/helpers.bash"

setup() {
        common_setup
}

teardown() {
        common_teardown
}

@test "a listener that says nothing: exit 3 after the timeout" {
        start_odd_listener silent
        for words in list 'inspect x' 'whose --mntns 1' status metrics; do
                # shellcheck disable=SC2086
                run -3 timeout "$hang_s" "$hookctl" $words --events "$events" --timeout 100ms
                [[ $output == *"does not answer"*"--timeout"* ]]
        done
}

@test "garbage: exit 1" {
        start_odd_listener 'HTTP/1.1 400 Bad Request\n'
        for words in list watch 'inspect x' 'whose --mntns 1' status; do
                # shellcheck disable=SC2086
                run -1 "$hookctl" $words --events "$events"
                [ -n "$output" ]
        done
}

@test "hung up on: exit 3" {
        start_odd_listener '{"type":"container","container":{"id":"a"}}\n'
        run -3 ctl list
        [[ $output == *"hung up"* ]]
        }

@test "half of the metrics: exit 3, and nothing shown" {
        start_odd_listener 'a_total 1\n'
        run -3 --separate-stderr ctl metrics
        [ -z "$output" ]
}

@test "watch waits for a listener that does not answer" {
        start_odd_listener silent
        start_watch "$dir/out" watch --timeout 50ms
        until_true 'word of it' has_line "$dir/out.err" 'does not answer; waiting'
        kill -0 "$follower"
}

@test "words of the listener's: shown, without what a terminal obeys" {
        start_odd_listener '{"type":"error","error":"not-permitted","message":"no\u001b[2J way"}\n'
        run -6 ctl list
        [[ $output == *'the listener says: no\u001b[2J way'* ]]
        run -6 ctl status
        run -6 ctl metrics
}
