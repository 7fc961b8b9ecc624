# One image for worker, studio, migrations and every other command: `docker run runstudio COMMAND`.
FROM python:3.12-slim

WORKDIR /srv/runstudio
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

COPY . /tmp/source
# The lock as constraints: exactly its versions, but only of what the program needs, without the tools of its tests.
RUN pip install --no-cache-dir --disable-pip-version-check --constraint /tmp/source/requirements.lock "/tmp/source[studio]" \
    && rm -rf /tmp/source \
    && useradd --system --uid 10001 --create-home runstudio

USER runstudio
ENTRYPOINT ["runstudio"]
