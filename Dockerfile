# One image for every way to run Keyturn: `serve`, `web`, `worker`, and the commands. See docs/deploying.md.

FROM python:3.13-slim-trixie AS build
WORKDIR /keyturn
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY deploy/install.sh deploy/
COPY src src
RUN --mount=type=cache,target=/root/.cache/pip deploy/install.sh /opt/keyturn

FROM python:3.13-slim-trixie
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/keyturn --shell /usr/sbin/nologin keyturn \
    && install --directory --owner keyturn --group keyturn --mode 0700 /var/lib/keyturn
COPY --from=build /opt/keyturn /opt/keyturn
ENV PATH=/opt/keyturn/bin:$PATH KEYTURN_CONFIG=/etc/keyturn/keyturn.toml
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8080, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["keyturn"]
CMD ["serve"]
