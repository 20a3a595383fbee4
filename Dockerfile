# The grading image. One file for every base: Debian by default, Gradescope's own with
#   --build-arg BASE_IMAGE=gradescope/autograder-base:TAG
# and a CUDA base with
#   --build-arg BASE_IMAGE=nvidia/cuda:TAG --build-arg PIP_EXTRA_INDEX_URL=
# docs/image.md says what is in it and how it is tested. Gradescope's harness brings its own
# command, so there is no CMD and no ENTRYPOINT.
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS runtime
COPY autograder/packages/templates/install.sh /opt/autograder/
RUN /opt/autograder/install.sh python
# PyPI's torch for Linux comes with gigabytes of CUDA; PyTorch's own index has one without. Empty
# where a mirror serves the right wheel anyway, or where CUDA is wanted.
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
# What one assignment needs besides: triton for kernels on the CPU (a gigabyte).
ARG EXTRA_PACKAGES=
COPY image/requirements.txt constraints.txt /opt/autograder/
RUN cd /opt/autograder && ./install.sh packages requirements.txt constraints.txt ${EXTRA_PACKAGES}

FROM runtime AS course
# An id from grading_configs/, several with commas, or `all`.
ARG ASSIGNMENT=all
COPY . /src/
RUN cd /src && /opt/autograder/venv/bin/python -m autograder.packages.payload "${ASSIGNMENT}" /payload \
    && /opt/autograder/install.sh course /payload

FROM runtime
WORKDIR /autograder
# Who owns suites, solutions and configs: the user that the container is started as.
ARG GRADER_UID=0
RUN mkdir -p source submission results \
    && install -d -m 0700 -o ${GRADER_UID} -g ${GRADER_UID} /opt/autograder/course
COPY autograder/packages/templates/run_autograder autograder/packages/templates/run_prairielearn ./
COPY image/autograder /usr/local/bin/
COPY --from=course /opt/autograder/lib /opt/autograder/lib
COPY --from=course --chown=${GRADER_UID}:${GRADER_UID} /opt/autograder/course /opt/autograder/course
ARG ASSIGNMENT=all
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dl-autograder ${ASSIGNMENT}" \
      org.opencontainers.image.description="Grades ${ASSIGNMENT}; the hidden suite is inside" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      dl-autograder.assignment="${ASSIGNMENT}"
