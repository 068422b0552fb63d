# clipsim's page on port 7860, on the CPU: docker build -t clipsim . && docker run --rm -p 7860:7860 clipsim
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_ANALYTICS_ENABLED=False

# Before the package, so that pip does not take the build with CUDA, and so that a change of the code keeps this layer.
RUN pip install "torch==2.13.0" --index-url https://download.pytorch.org/whl/cpu

# All else by its digest, and nothing that the lock file does not name: see CONTRIBUTING.md on how it is made.
WORKDIR /src
COPY requirements.lock ./
RUN pip install --no-deps --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-deps . && pip check

# The folder of checkpoints exists and is the user's, so that a volume that is mounted there is writable.
RUN useradd --create-home --uid 1000 clipsim \
    && install -d -o clipsim -g clipsim /home/clipsim/.cache /home/clipsim/.cache/huggingface
USER 1000:1000
WORKDIR /home/clipsim

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
CMD ["clipsim", "app"]
