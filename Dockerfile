# Leat in a container.
#     docker build -t leat .
#     docker run -p 9092:9092 -p 8080:8080 -v leat-data:/data -e LEAT_ADVERTISE=localhost:9092 leat
#
# The container listens on all its addresses, and clients are not authenticated yet; the flag below says so where
# everyone can see it. Who may reach the ports is decided outside: publish them on an address that you trust
# (-p 127.0.0.1:9092:9092). LEAT_ADVERTISE is what clients are told; without it they are told the address on which
# they connected.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends git make
WORKDIR /src
COPY . .
RUN tools/deps.sh build && make V=release build && make install DESTDIR=/out PREFIX=/usr

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        zlib1g liblz4-1 libzstd1 libsnappy1v5 libisal2 libhttp-parser2.9 libyaml-0-2 libsimdjson14 libjansson4 libssl3 libsqlite3-0 \
        librdkafka1 curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin leat \
    && install -d -o leat -g leat -m 0700 /data
COPY --from=build /out/usr/bin/leat /usr/bin/leat
USER 10001
VOLUME /data
EXPOSE 9092 8080
ENV LEAT_DATA=/data LEAT_KAFKA=0.0.0.0:9092 LEAT_HTTP=0.0.0.0:8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD curl -fsS http://127.0.0.1:8080/healthz
ENTRYPOINT ["/usr/bin/leat"]
CMD ["serve", "--insecure-allow-anonymous"]
