# The app with CPU torch. Needs nothing but the registries of packages: PyPI, and PyTorch's own for its CPU build.
FROM python:3.11-slim-bookworm

# What is installed besides requirements.txt: the names of requirements-<name>.txt
ARG PACKAGES="postgresql auth"

RUN useradd --create-home --uid 1000 app \
    && install --directory --owner=app --group=app /data /data/runs /data/images
WORKDIR /app
COPY requirements*.txt ./
RUN pip install --no-cache-dir uv==0.13.9 \
    && files=$(printf -- "--requirement requirements-%s.txt " ${PACKAGES}) \
    && uv pip install --system --no-cache --compile-bytecode --torch-backend cpu --requirement requirements.txt ${files}
COPY app.py deploy/start.sh ./
COPY .streamlit/config.toml .streamlit/
COPY mlpcore mlpcore
COPY pages pages
RUN python -m compileall -q mlpcore pages

ENV MLPCORE_HOME=/data/runs MLPCORE_DATA=/data/images PYTHONUNBUFFERED=1
USER app
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
CMD ["sh", "start.sh"]
