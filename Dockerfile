# docker build -t mailtap . && docker run --rm -it --network host mailtap demo
# Without --network host nobody outside the container reaches it: the demo listens on loopback, and so does `proxy` unless
# its routes and --allow-from say otherwise.
FROM rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home mailtap && install -d -o mailtap /data
COPY --from=build /src/target/release/mailtap /usr/local/bin/mailtap
USER mailtap
ENV MAILTAP_DIR=/data
VOLUME /data
ENTRYPOINT ["mailtap"]
CMD ["--help"]
