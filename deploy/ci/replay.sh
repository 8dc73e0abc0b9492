#!/usr/bin/env bash
# Replays kept conversations in a CI job. What it needs comes in as TAKETWO_… variables, see action.yml and gitlab.yml.
set -uo pipefail

if [ -n "${TAKETWO_INSTALL:-}" ]; then
    # Words are split on purpose: several packages may be named.
    # shellcheck disable=SC2086
    python3 -m pip install --quiet $TAKETWO_INSTALL || exit 2
fi
mkdir -p taketwo-report
annotations=()
[ -n "${GITHUB_ACTIONS:-}" ] && annotations=(--annotations)
control=()
[ -n "${TAKETWO_CONTROL:-}" ] && [ -f "$TAKETWO_CONTROL" ] && control=(--control "$TAKETWO_CONTROL")

# A pull request is checked out merged with its target, under a commit that nobody finds again.
if [ -z "${TAKETWO_REVISION:-}" ] && [ -f "${GITHUB_EVENT_PATH:-}" ]; then
    read_head='import json, sys; print(json.load(sys.stdin).get("pull_request", {}).get("head", {}).get("sha", ""))'
    TAKETWO_REVISION=$(python3 -c "$read_head" <"$GITHUB_EVENT_PATH") && export TAKETWO_REVISION
fi

# shellcheck disable=SC2086
taketwo replay ${TAKETWO_TARGETS:-tests/replays} --agent "$TAKETWO_CI_AGENT" ${TAKETWO_ARGUMENTS:-} \
    ${annotations[@]+"${annotations[@]}"} ${control[@]+"${control[@]}"} \
    --markdown taketwo-report/summary.md \
    --junit taketwo-report/junit.xml --html taketwo-report/report.html --json taketwo-report/results.json \
    --sarif taketwo-report/results.sarif
said=$?

if [ -f taketwo-report/summary.md ]; then
    [ -n "${GITHUB_STEP_SUMMARY:-}" ] && cat taketwo-report/summary.md >>"$GITHUB_STEP_SUMMARY"
    if [ "${TAKETWO_COMMENT:-false}" = true ] && [ -n "${GITHUB_EVENT_PATH:-}" ]; then
        # A comment that could not be written must not make the job red.
        taketwo comment taketwo-report/summary.md ${TAKETWO_NAME:+--name "$TAKETWO_NAME"} || true
    fi
fi
exit $said
