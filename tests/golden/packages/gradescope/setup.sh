#!/bin/sh
# Gradescope runs this once, as root, when the archive is uploaded: from a bare base to a grader.
set -eu
cd "$(dirname "$0")"
mkdir -p /opt/autograder
# PyPI's torch for Linux comes with gigabytes of CUDA; PyTorch's own index has one without.
export PIP_EXTRA_INDEX_URL="${PIP_EXTRA_INDEX_URL-https://download.pytorch.org/whl/cpu}"
sh ./install.sh python
sh ./install.sh packages requirements.txt constraints.txt
sh ./install.sh course payload
# Suites and solutions are where only root reads them now; this folder is open to everybody.
rm -rf payload
chmod 0700 .
