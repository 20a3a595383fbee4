#!/usr/bin/env bash
# The whole job of a course's staff, on the example cohort: grade it, look at it, regrade it, and
# see whose grade changed. Everything that it makes is in $2, which is replaced.
set -euo pipefail

assignment=$1 out=$2
autograder=${AUTOGRADER:-autograder}
cohort=$out/cohort store=$out/grades.db

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
echo_command() { printf '\033[2m$ autograder %s\033[0m\n' "$*"; }
run() { echo_command "$@"; "$autograder" "$@"; }
briefly() { echo_command "$@"; "$autograder" "$@" >/dev/null; } # without the table

rm -rf "$out"
mkdir -p "$out"
cp -r "examples/cohort/$assignment" "$cohort"

say "1. Grade the cohort"
run regrade "$cohort" -a "$assignment" --store "$store" --results "$out/results"

say "2. One page about all of it"
run report "$store" --out "$out/report.html"
run export "$store" --format csv --out "$out/grades.csv"

say "3. Regrade: what is known is not graded again"
briefly regrade "$cohort" -a "$assignment" --store "$store"

say "4. Two students hand in something else, and only they are graded"
# Ada Lovelace, who had everything right, with Niels Abel's mistake; Charles Babbage, who had handed
# in the stub, with half of the solution.
for change in 106:101 103:102; do
  rm -rf "$cohort/submission_${change#*:}"
  cp -r "$cohort/submission_${change%:*}" "$cohort/submission_${change#*:}"
  for file in "$cohort/submission_${change#*:}"/*.py; do echo '# my second try' >>"$file"; done
done
briefly regrade "$cohort" -a "$assignment" --store "$store"

say "5. Whose grade changed, and why"
run diff "$store"

say "The report is $out/report.html, the gradebook $out/grades.csv, each one's results.json in $out/results/"
