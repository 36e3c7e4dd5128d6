# The command `ttc` on a machine's CPU, or with EXTRAS=tpu,gcs on TPUs of GKE.
# launch/image.sh builds it of the tracked files alone.
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
ENV PATH=/opt/ttc/bin:$PATH
COPY README.md constraints.txt pyproject.toml setup.py ./
RUN python -m venv /opt/ttc \
  && pip install --no-cache-dir --constraint constraints.txt setuptools wheel
ARG EXTRAS=gcs
# Without a package there is nothing but what it requires: this layer stays when
# only the package changes.
RUN pip install --no-cache-dir --no-build-isolation \
  --constraint constraints.txt ".[${EXTRAS}]"
COPY . .
ARG REVISION=
RUN printf '%s\n' "$REVISION" >ttc/revision.txt \
  && pip install --no-cache-dir --no-build-isolation --no-deps \
  --force-reinstall .

FROM python:3.11-slim-bookworm
COPY --from=build /opt/ttc /opt/ttc
ENV PATH=/opt/ttc/bin:$PATH
RUN useradd --uid 1000 --create-home ttc
WORKDIR /home/ttc
# Where a node gives its TPU to root alone, build with USER=0.
ARG USER=1000
USER ${USER}
CMD ["ttc", "--help"]
